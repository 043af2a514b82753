import { describe, expect, it } from 'vitest'
import { createAgent } from '../../support/agents/invoke.ts'
import { signUpWithOrganization } from '../../support/people/people.ts'
import { connectOwner } from '../../support/stack/database.ts'

const sql = connectOwner()

interface Begun {
  readonly organization_id: number
  readonly execution_id: string
}

async function begin(): Promise<
  Begun & { client: Awaited<ReturnType<typeof signUpWithOrganization>>['client'] }
> {
  const { client, organization } = await signUpWithOrganization('ann')
  const agent = await createAgent(sql, organization, ['openrouter'])
  const request = { message: { content: 'Hi' }, agent }
  const { data, error } = await client.rpc('begin_execution', { request })
  if (error) throw error
  return { ...(data as unknown as Begun), client }
}
const append = async (begun: Begun, seq: number, events: unknown) => {
  const text = typeof events === 'string' ? events : JSON.stringify(events)
  const [row] = await sql<{ status: string }[]>`select public.append_execution_events(
    ${begun.organization_id}, ${begun.execution_id}, ${seq}, ${text}) as status`
  return row?.status
}
const finish = (begun: Begun, outcome: object) => sql`
  select public.finish_execution(${begun.organization_id}, ${begun.execution_id},
    ${sql.json({ status: 'success', finish_reason: 'stop', content: 'x', ...outcome })})`
const stored = async ({ execution_id }: Begun) =>
  sql<{ seq: number; event: string }[]>`
    select seq::int, event::text as event from conversation.execution_events
    where execution_id = ${execution_id} order by seq`
const read = async ({ client, execution_id }: Awaited<ReturnType<typeof begin>>, after: number) => {
  const { data, error } = await client.rpc('read_execution', { execution_id, after_seq: after })
  if (error) throw error
  const { batches } = data as unknown as { batches: { seq: number; events: unknown[] }[] }
  return batches
}

describe('a batch of events', () => {
  it('keeps its bytes', async () => {
    const begun = await begin()
    const text = '[{"type":"b","a" : 1.50},{"é":"\\u00e9🎈"}]'
    expect(await append(begun, 1, text)).toBe('running')
    expect(await stored(begun)).toEqual([{ seq: 1, event: text }])
  })

  it('that meets the deletion of its conversation is no error, and is not stored', async () => {
    const begun = await begin()
    // From then on its lease is long enough, and only the event waits for the deletion.
    expect(await append(begun, 1, [{ n: 0 }])).toBe('running')
    let appending: ReturnType<typeof append> | undefined
    await sql.begin(async (deletion) => {
      await deletion`delete from public.chat_sessions s using public.agent_executions x
        where x.id = ${begun.execution_id} and s.id = x.session_id`
      appending = append(begun, 2, [{ n: 1 }])
      // On another connection: a transaction sees one state of the activity.
      const waiting = () => sql`select from pg_catalog.pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'
          and query like '%append_execution_events%'`
      await expect.poll(waiting).toHaveLength(1)
    })
    expect(await appending).toBe('running')
    expect(await stored(begun)).toEqual([])
    expect(await append(begun, 2, [{ n: 1 }])).toBeNull()
  })

  it('that is sent again changes nothing; with more events it adds these; late, it takes none', async () => {
    const begun = await begin()
    for (const events of [[{ n: 1 }], [{ n: 1 }], [{ n: 1 }, { n: 2 }], [{ n: 1 }]]) {
      await append(begun, 1, events)
    }
    expect(await stored(begun)).toEqual([{ seq: 1, event: '[{"n":1},{"n":2}]' }])
    await finish(begun, { events: '[{"n":1},{"n":2},{"n":3}]', events_seq: 1 })
    expect(await stored(begun)).toEqual([{ seq: 1, event: '[{"n":1},{"n":2},{"n":3}]' }])
    expect(await append(begun, 1, [{ n: 1 }, { n: 2 }, { n: 3 }, { n: 4 }])).toBe('success')
    expect(await stored(begun)).toEqual([{ seq: 1, event: '[{"n":1},{"n":2},{"n":3}]' }])
  })

  it('is read from the one that holds the next event on', async () => {
    const begun = await begin()
    await append(begun, 1, [1, 2, 3])
    await append(begun, 4, [4, 5])
    await finish(begun, { events: '[6]', events_seq: 6 })
    const starts = async (after: number) => (await read(begun, after)).map(({ seq }) => seq)
    expect(await starts(-1)).toEqual([1, 4, 6])
    expect(await starts(1)).toEqual([1, 4, 6])
    expect(await starts(3)).toEqual([4, 6])
    expect(await starts(5)).toEqual([6])
    // The last one is always given: by it a reader knows where the stream stands.
    expect(await starts(1_000_000)).toEqual([6])
  })

  it('is an array, or nothing is written', async () => {
    const begun = await begin()
    await expect(append(begun, 1, '{}')).rejects.toThrow('execution_events_event_array')
    await expect(append(begun, 1, '[')).rejects.toThrow('json')
    expect(await stored(begun)).toEqual([])
  })
})

describe('an execution whose lease ran out', () => {
  it.each([
    [false, 'failed'],
    [true, 'cancelled'],
  ])('with a cancel asked for: %s, is %s and always marked interrupted', async (asked, status) => {
    const begun = await begin()
    const { client, execution_id } = begun
    await append(begun, 1, [
      { type: 'text-delta', delta: 'Hel' },
      { type: 'text-delta', delta: 'lo' },
    ])
    if (asked) await client.rpc('cancel_execution', { execution_id })
    await sql`update public.agent_executions set lease_expires_at = now() where id = ${execution_id}`
    await read(begun, 0)
    const { data } = await client.rpc('read_execution_result', { execution_id })
    expect(data).toMatchObject({ status, error_code: 'interrupted', message: { content: 'Hello' } })
  })
})
