import { cutEnd } from '../cut-end.ts'
/**
 * A configured base URL without trailing slashes.
 *
 * @throws TypeError that names what is wrong, for the operator who set it
 */
export function parseBaseUrl(value: string): string {
  if (!URL.canParse(value)) throw new TypeError('The base URL of a model provider is not a URL')
  const url = new URL(value)
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    throw new TypeError('The base URL of a model provider is neither https nor http')
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw new TypeError('The base URL of a model provider has more than a host and a path')
  }
  return cutEnd(url.href, '/')
}
