import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const promises = readFileSync('docs/security-model.md', 'utf8')
  .split('\n')
  .map((line) => /^\s*- → `([\w/-]+\.test\.ts)`: (.+)$/.exec(line))
  .filter((match) => match !== null)

test('every promise of the security model names tests that exist', () => {
  expect(promises.length).toBeGreaterThan(30)
  for (const [, file, title] of promises) {
    const source = readFileSync(`tests/${file ?? ''}`, 'utf8')
    expect(source, `${file ?? ''}: ${title ?? ''}`).toContain(`test('${title ?? ''}'`)
  }
})
