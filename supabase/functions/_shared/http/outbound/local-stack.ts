/**
 * Whether this backend is a stack on the developer's machine, from which servers on the same machine
 * may be reached. Only such a stack has such an address; a hosted project is https everywhere.
 */
export function isLocalStack(supabaseUrl: string): boolean {
  return /^http:\/\/(127\.0\.0\.1|localhost|\[::1\])(:\d+)?$/.test(supabaseUrl)
}
