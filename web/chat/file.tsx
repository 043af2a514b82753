import type { FileUIPart } from 'ai'
import { Link } from '../markdown/link.tsx'
import { isOwnPicture } from '../markdown/addresses.ts'

/** A picture that the message carries is shown; any other file is a link, which loads nothing. */
export function File({ part: { url, mediaType, filename } }: { readonly part: FileUIPart }) {
  const name = filename ?? mediaType
  if (mediaType.startsWith('image/') && isOwnPicture(url)) {
    return <img className="picture" src={url} alt={filename ?? 'Picture'} />
  }
  return (
    <p className="file">
      {/^https?:/.test(url) ? <Link href={url}>{name}</Link> : <bdi>{name}</bdi>}
    </p>
  )
}
