import { createContext, type ReactNode, useContext } from 'react'
import { placeOf, webAddress } from './addresses.ts'

interface LinkProps {
  readonly href: string | undefined
  readonly children?: ReactNode
}

/** A link holds no other link: what would be one in it, such as a picture, is its text. */
const IsInLink = createContext(false)

/**
 * A link that says where it leads. The place learns neither where the person comes from nor how to
 * reach this page. An address of no web place is no link.
 */
export function Link({ href, children }: LinkProps) {
  const isInLink = useContext(IsInLink)
  const url = webAddress(href)
  if (url === null || isInLink) return <span>{children}</span>
  const place = placeOf(url)
  return (
    <a href={url.href} target="_blank" rel="noopener noreferrer" title={url.href}>
      <bdi>
        <IsInLink value={true}>{children}</IsInLink>
      </bdi>{' '}
      <span className="host">({place})</span>
    </a>
  )
}
