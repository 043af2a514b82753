import { isOwnPicture, webAddress } from './addresses.ts'
import { Link } from './link.tsx'

interface PictureProps {
  readonly src: string | undefined
  readonly alt: string | undefined
}

/**
 * A picture of an answer. One from elsewhere is a link: to load it would tell its host whatever the
 * model wrote into the address. The person sees the host, and opens the picture or does not.
 */
export function Picture({ src, alt }: PictureProps) {
  const name = alt === undefined || alt === '' ? 'picture' : alt
  if (src !== undefined && isOwnPicture(src))
    return <img className="picture" src={src} alt={name} />
  if (webAddress(src) === null) return <span>[{name}]</span>
  return (
    <span className="foreign">
      Picture, not loaded: <Link href={src}>{name}</Link>
    </span>
  )
}
