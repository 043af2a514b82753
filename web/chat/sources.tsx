import type { UIMessage } from 'ai'
import { Link } from '../markdown/link.tsx'

/** What the model says it read. */
export function Sources({ parts }: { readonly parts: UIMessage['parts'] }) {
  const sources = parts.filter((part) => part.type === 'source-url')
  if (sources.length === 0) return null
  return (
    <details className="fold">
      <summary>Sources ({sources.length})</summary>
      <ul>
        {sources.map(({ sourceId, title, url }) => (
          <li key={sourceId}>
            <Link href={url}>{title ?? url}</Link>
          </li>
        ))}
      </ul>
    </details>
  )
}
