import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const promises = readFileSync('docs/security-model.md', 'utf8')
  .split('\n')
  .map((line) => /^\s*- → `([\w/-]+\.test\.ts)`: (.+)$/.exec(line))
  .filter((match) => match !== null)

/** The title of a test, or of each test of a table. */
const asTitle = (title: string) =>
  new RegExp(
    String.raw`(?:test|^\]\))\('${title.replace(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)}'`,
    'm',
  )

test('every promise of the security model names tests that exist', () => {
  expect(promises.length).toBeGreaterThan(30)
  for (const [, file, title] of promises) {
    const source = readFileSync(`tests/${file ?? ''}`, 'utf8')
    expect(source, `${file ?? ''}: ${title ?? ''}`).toMatch(asTitle(title ?? ''))
  }
})
