import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { nameTools } from '../../../supabase/functions/_shared/tools/tool-names.ts'

const namesOf = async (...tools: [string, string][]) => [
  ...(await nameTools(tools.map(([server, tool]) => ({ server, tool })))).keys(),
]

describe('the names under which a model knows tools', () => {
  it('are the server’s, two underscores, and the tool’s', async () => {
    expect(await namesOf(['github', 'create_issue'])).toEqual(['github__create_issue'])
  })

  it('are ones that every provider takes, whatever servers call their tools', async () => {
    const name = fc.string({ minLength: 1, maxLength: 256, unit: 'binary' })
    const server = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/)
    await fc.assert(
      fc.asyncProperty(fc.array(fc.record({ server, tool: name })), async (tools) => {
        for (const key of (await nameTools(tools)).keys()) {
          expect(key).toMatch(/^[A-Za-z_][A-Za-z0-9_-]{0,63}$/)
        }
      }),
    )
  })

  it('do not depend on which other tools there are, nor on their order', async () => {
    const tools: [string, string][] = [
      ['a.b', 'search'],
      ['9lives', 'x'.repeat(80)],
      ['plain', 'tool'],
      ['plain', 'tööl'],
    ]
    const together = await namesOf(...tools)
    expect(await namesOf(...[...tools].reverse())).toEqual(together)
    for (const tool of tools) expect(together).toContain((await namesOf(tool))[0])
  })

  it('never stand for another server’s tool', async () => {
    const names = await namesOf(['a', 'b__c'], ['a__b', 'c'], ['a', '_b'], ['a_', 'b'])
    expect(new Set(names).size).toBe(4)
    const similar = await namesOf(
      ['s', 'a b'],
      ['s', 'a.b'],
      ['s', 'a:b'],
      ['s.', 'a'],
      ['s-', 'a'],
    )
    expect(new Set(similar).size).toBe(5)
    const long = await namesOf(['s', `${'x'.repeat(100)}1`], ['s', `${'x'.repeat(100)}2`])
    expect(new Set(long).size).toBe(2)
  })

  it('go to the first by server and tool where ill will makes two the same', async () => {
    const [hashed = ''] = await namesOf(['s', 'a b'])
    const forged = hashed.slice('s__'.length)
    const named = await nameTools([
      { server: 's', tool: forged },
      { server: 's', tool: 'a b' },
    ])
    expect([...named.values()]).toEqual([{ server: 's', tool: 'a b' }])
  })
})
