/** An address that a link may lead to; null for any other, and for one of no host. */
export function webAddress(text: string | undefined): URL | null {
  if (text === undefined || !URL.canParse(text)) return null
  const url = new URL(text)
  return ['http:', 'https:', 'mailto:'].includes(url.protocol) ? url : null
}

/** Where a link leads, as the person should know it: what a name looks like is no host. */
export function placeOf(url: URL): string {
  return url.protocol === 'mailto:' ? url.pathname : url.host
}

/** Whether a picture is here already: to show it tells nobody. A picture of SVG could hold anything. */
export function isOwnPicture(address: string): boolean {
  return /^data:image\/(?:avif|gif|jpeg|png|webp);base64,/.test(address) || /^blob:/.test(address)
}

/** Whether an address shows a file of a conversation, out of the project's own Storage. */
export function isStoredFile(address: string, project: string): boolean {
  const { origin } = new URL(project)
  const url = webAddress(address)
  return url?.origin === origin && url.pathname.startsWith('/storage/v1/object/sign/attachments/')
}
