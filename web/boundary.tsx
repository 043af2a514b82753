import { Component, type ReactNode } from 'react'
import { Notice } from './notice.tsx'

interface BoundaryProps {
  readonly children: ReactNode
  /** What is said in place of what cannot be drawn. */
  readonly text?: string
}

/** Holds what cannot be drawn: the rest of the page stays. */
export class Boundary extends Component<BoundaryProps, { readonly failed: boolean }> {
  override readonly state = { failed: false }

  static getDerivedStateFromError() {
    return { failed: true }
  }

  override render() {
    if (!this.state.failed) return this.props.children
    const { text = 'This message cannot be shown. Copy it to read it as text.' } = this.props
    return <Notice text={text} />
  }
}
