import type { Element, ElementContent } from 'hast'
import { CopyButton } from '../copy-button.tsx'

/** A block of code, with its language and a button that copies it. */
export function CodeBlock({ node }: { readonly node: Element | undefined }) {
  const code = node?.children.find((child) => child.type === 'element')
  const text = code ? textOf(code).replace(/\n$/, '') : ''
  const names = code?.properties['className']
  const language = Array.isArray(names)
    ? names.map(String).find((name) => name.startsWith('language-'))
    : undefined
  return (
    <div className="code">
      <div className="code-bar">
        <span>{language?.slice('language-'.length) ?? 'text'}</span>
        <CopyButton text={text} label="Copy code" />
      </div>
      <pre tabIndex={0}>
        <code>{text}</code>
      </pre>
    </div>
  )
}

function textOf(node: ElementContent): string {
  if (node.type === 'text') return node.value
  return node.type === 'element' ? node.children.map(textOf).join('') : ''
}
