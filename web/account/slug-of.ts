/** A public handle for an organization of this name. Handles are unique, so it ends with chance. */
export function slugOf(name: string, chance: string = crypto.randomUUID()): string {
  const words = name
    .normalize('NFKD')
    .toLowerCase()
    .replace(/\p{M}/gu, '')
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, 40)
    .replace(/^-+|-+$/g, '')
  return [...(words === '' ? [] : [words]), chance.slice(0, 8)].join('-')
}
