import type { FileUIPart } from 'ai'
import { useBackend } from '../backend.ts'
import { isOwnPicture, isStoredFile } from '../markdown/addresses.ts'
import { Link } from '../markdown/link.tsx'

/**
 * A picture that the message carries, or that the conversation's own files hold, is shown; any other file
 * is a link, which loads nothing.
 */
export function File({ part: { url, mediaType, filename } }: { readonly part: FileUIPart }) {
  const backend = useBackend()
  const name = filename === undefined || filename === '' ? mediaType : filename
  const isHere = isOwnPicture(url) || isStoredFile(url, backend.url)
  if (mediaType.startsWith('image/') && isHere) {
    return <img className="picture" src={url} alt={name} />
  }
  return (
    <p className="file">
      {/^https?:/.test(url) ? <Link href={url}>{name}</Link> : <bdi>{name}</bdi>}
    </p>
  )
}
