import { IconButton } from '../icon.tsx'
import { Notice } from '../notice.tsx'
import type { Uploads } from './use-uploads.ts'

/** The files that the next message takes along; each can be removed. */
export function FileChips({ uploads }: { readonly uploads: Uploads }) {
  const { list, problems, remove } = uploads
  return (
    <>
      {problems.map((problem, index) => (
        <Notice key={index} text={problem} />
      ))}
      {list.length > 0 && (
        <ul className="chips" aria-label="Files">
          {list.map(({ id, file, part }) => (
            <li key={id} data-state={part ? 'stored' : 'uploading'}>
              <bdi>{file.name}</bdi>
              <span className="hint">{part ? sizeOf(file) : 'is being uploaded …'}</span>
              <IconButton icon="close" label={`Remove ${file.name}`} onClick={() => remove(id)} />
            </li>
          ))}
        </ul>
      )}
    </>
  )
}

function sizeOf({ size }: File): string {
  return size < 1_000_000 ? `${Math.ceil(size / 1_000)} kB` : `${(size / 1_000_000).toFixed(1)} MB`
}
