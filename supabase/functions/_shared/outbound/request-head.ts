/**
 * The head of a request. What a URL and Headers hold has neither blanks nor line breaks where they
 * would end something.
 */
export function requestHead(
  method: string,
  { host, pathname, search }: URL,
  given: Headers,
  connection: 'close' | 'keep-alive',
): string {
  const headers = new Headers(given)
  headers.set('accept-encoding', 'identity')
  headers.set('connection', connection)
  headers.delete('host')
  const lines = [`${method} ${pathname}${search} HTTP/1.1`, `host: ${host}`]
  for (const [name, value] of headers) lines.push(`${name}: ${value}`)
  lines.push('', '')
  return lines.join('\r\n')
}
