import { type ReactNode, useId } from 'react'
import { Notice, Waiting } from '../notice.tsx'
import type { Reading } from './use-read.ts'

interface SectionProps<Data> {
  readonly title: string
  readonly about?: string
  readonly reading: Reading<Data>
  /** Beside the title. */
  readonly actions?: ReactNode
  readonly children: (data: Data) => ReactNode
}

/** A part of a view with its title: what was read, or that it is read, or why it cannot be. */
export function Section<Data>(props: SectionProps<Data>) {
  const { title, about, reading, actions, children } = props
  const { data, problem, reload } = reading
  const id = useId()
  return (
    <section className="section" aria-labelledby={id}>
      <header className="row">
        <h2 id={id}>{title}</h2>
        {actions}
      </header>
      {about !== undefined && <p className="hint">{about}</p>}
      {problem !== null && <Notice text={problem} action="Try again" onAction={reload} />}
      {data === undefined ? problem === null && <Waiting /> : children(data)}
    </section>
  )
}
