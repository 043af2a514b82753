import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connectOwner } from '../../support/stack/database.ts'
import { useStack } from '../../support/stack/stack.ts'
import type { Finding } from './cases/types.ts'
import { malformedClaims } from './claims.ts'
import { accountDirectly } from './plant/people.ts'
import { clientFor, clientWith, newRun, signToken } from './rest/clients.ts'
import { runRest } from './rest/run.ts'
import { plantA, plantB, type World } from './world.ts'

// The same rules through supabase-js and the running stack. Nothing is rolled back here, so the two
// organizations are this file's own; every value of B carries a mark that only B may see.

const sql = connectOwner()
let world: World
let cases = 0
let findings: Finding[] = []

beforeAll(async () => {
  const run = newRun()
  world = await plantB(sql, accountDirectly(sql), await plantA(sql, accountDirectly(sql), run), run)
  // It is there to be seen, not to precede the conversations of the other tests on this stack.
  await sql`update public.system_prompts set enabled = false where scope = 'global'`
  const report = await runRest(sql, world)
  cases += report.cases
  findings = report.findings
}, 600_000)

afterAll(() => console.log(`isolation: ${cases} cases through supabase-js on the running stack`))

describe('through supabase-js', () => {
  test.each([
    'everyone sees exactly the rows they may',
    'everyone changes exactly the rows they may',
    'what is not granted is refused with 42501',
    'every refusal is an answer, not a fault',
    'no answer holds a value that its caller may not read',
    'nobody changes a row of another organization',
  ] as const)('%s', (rule) => {
    const broken = findings.filter((finding) => finding.rule === rule)
    expect(
      broken.slice(0, 20).map(({ object, actor, message }) => `${object}: ${actor}: ${message}`),
    ).toEqual([])
  })

  test('tokens with malformed claims see no row and cause no server error', async () => {
    const owner = world.actors.find(({ name }) => name === 'owner')
    const claims = malformedClaims(owner?.claims ?? {}).filter(
      (one) => typeof one === 'object' && one !== null && !Array.isArray(one),
    )
    const { publishableKey } = useStack()
    for (const one of claims as Record<string, unknown>[]) {
      const token = signToken({ ...one, role: 'authenticated' })
      // What does not fit into a header never arrives.
      if (token.length > 12_000) continue
      const client = clientWith(publishableKey, token)
      const answers = [
        await client.from('agents').select('*'),
        await client.from('chat_sessions').select('*'),
        await client.schema('client_mgmt').from('client_users').select('user_id'),
      ]
      cases += answers.length
      for (const { status, data } of answers) {
        expect(status, JSON.stringify(one).slice(0, 200)).toBeLessThan(500)
        expect(data ?? [], JSON.stringify(one).slice(0, 200)).toEqual([])
      }
    }
  })

  test('a removed member’s token reads nothing and writes nothing, from the next request on', async () => {
    const actor = world.actors.find(({ name }) => name === 'member with projects.manage')
    const owner = world.actors.find(({ name }) => name === 'owner')
    if (actor === undefined || owner === undefined) throw new Error('the people are missing')
    const [client, boss] = [clientFor(actor), clientFor(owner)]
    const projects = () => client.schema('client_mgmt').from('projects')
    expect((await projects().insert({ name: 'Before' }).select('name')).data).toEqual([
      { name: 'Before' },
    ])
    expect((await boss.rpc('remove_member', { user_id: actor.userId })).error).toBeNull()
    expect((await projects().select('*')).data).toEqual([])
    for (const { error } of [
      await projects().insert({ name: 'After' }),
      await projects().update({ name: 'After' }).eq('name', 'Before'),
      await projects().delete().eq('name', 'Before'),
      await client.rpc('begin_execution', { request: { message: { content: 'hello' } } }),
    ]) {
      expect(error?.code).toBe('42501')
    }
    cases += 6
  })
})
