import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { findWordProblems } from '../../../../dev/check/words.ts'

const roots: string[] = []

afterEach(async () => {
  await Promise.all(roots.splice(0).map((root) => rm(root, { recursive: true })))
})

async function problemsOf(name: string, text: string): Promise<string[]> {
  const root = await mkdtemp(path.join(tmpdir(), 'words-'))
  roots.push(root)
  await writeFile(path.join(root, name), text)
  return findWordProblems(root, [name])
}

describe('the words of documents, comments, messages and titles', () => {
  it.each([
    ['a.md', 'First line.\nWhoever holds a lock waits.\n', 'Whoever'],
    ['a.sql', "select 1;\ncomment on table a is 'For somebody.';\n", 'somebody'],
    ['a.ts', '// one\n/** A key of no use. */\n', 'of no use'],
    ['a.md', 'One.\nA worker who waits.\n', 'worker who'],
    ['a.md', 'One.\nSessions who wait end what is dead.\n', 'what is dead'],
  ])('in %s %j are refused with their line', async (name, text, found) => {
    const problems = await problemsOf(name, text)
    expect(problems.some((line) => line.startsWith(`${name}:2 says "${found}": `))).toBe(true)
  })

  it.each([
    ['a.md', 'A member who waits. The worker that waits. Who may read is decided here.\n'],
    ['a.md', 'The cost of using it; a use of the lock; nobody waits.\n'],
    ['a.json', '"whoever"\n'],
  ])('in %s %j are plain', async (name, text) => {
    expect(await problemsOf(name, text)).toEqual([])
  })
})
