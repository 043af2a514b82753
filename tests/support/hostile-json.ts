/** A generator of numbers from 0 to below 1 that a seed determines (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}

const texts = [
  '',
  'a',
  '\0',
  '\ud800',
  '__proto__',
  'x'.repeat(7_000),
  '語',
  'https://a.example/',
  '-1',
]

/**
 * Values as a hostile or careless server may send them: of the given names and others, of every type,
 * now and then deep, long or many.
 */
export function hostileJson(random: () => number, names: readonly string[], depth = 4): unknown {
  const pick = <Item>(items: readonly Item[]) => items[Math.floor(random() * items.length)] as Item
  const kind = Math.floor(random() * (depth === 0 ? 6 : 11))
  switch (kind) {
    case 0:
      return null
    case 1:
      return pick([0, -1, 1e308, 0.5, 3_600, Number.MAX_SAFE_INTEGER])
    case 2:
      return random() < 0.5
    case 3:
    case 4:
    case 5:
      return pick([...texts, ...names])
    case 6:
      return random() < 0.02
        ? Array.from({ length: 300 }, () => hostileJson(random, names, 0))
        : Array.from({ length: pick([0, 1, 3]) }, () => hostileJson(random, names, depth - 1))
    case 7:
      return random() < 0.02 ? nested(5_000) : {}
    default: {
      const entries = Array.from({ length: pick([0, 1, 3, 5]) }, () => [
        pick([...names, '__proto__', 'constructor', 'other']),
        hostileJson(random, names, depth - 1),
      ])
      // As JSON.parse() makes it: `__proto__` is a field like another.
      return Object.fromEntries(entries) as unknown
    }
  }
}

function nested(levels: number): unknown {
  let value: unknown = 1
  for (let level = 0; level < levels; level += 1) value = level % 2 === 0 ? [value] : { a: value }
  return value
}
