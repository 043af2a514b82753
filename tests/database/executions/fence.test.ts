import type { Sql, TransactionSql } from 'postgres'
import { describe, expect, it } from 'vitest'
import {
  addOwner,
  as,
  committedAs,
  outcome,
  refusal,
  untilSomeoneWaits,
} from '../../support/people/tenants.ts'
import { type Begun, outcomes } from '../../support/rows/executions.ts'
import { beginCalls, callOf, decide, endWaiting, finishCall } from '../../support/rows/tool-rows.ts'
import { type Stage, stage } from '../../support/rows/tool-rows.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'
import { ownDatabase } from '../../support/stack/own-database.ts'

// A worker whose attempt or lease is over writes nothing, by none of the functions that workers have.
const sql = connectOwner()
const database = ownDatabase(4)

/** A call of a worker, and the running execution whose attempt it carries. */
interface Scene extends Stage {
  readonly runner: Begun
}
type Call = (tx: TransactionSql, scene: Scene, attempt: number) => Promise<unknown>

const call = (name: string, ...args: Parameters<Call>): Promise<unknown> => {
  const made = calls[name]
  return made ? made(...args) : Promise.reject(new Error(`no call of ${name}`))
}

const search = (scene: Scene) => callOf(scene.server, scene.listed, 'search')
const ids = ({ runner }: Scene) => [runner.organization_id, runner.execution_id] as const

/** Every function of a worker. A new one without its call here fails the first test. */
const calls: Readonly<Record<string, Call>> = {
  acquire_probe: (tx, scene, attempt) =>
    tx`select public.acquire_probe(${ids(scene)[0]}, ${ids(scene)[1]}, 1, ${attempt})`,
  append_execution_events: (tx, scene, attempt) =>
    tx`select public.append_execution_events(
      ${ids(scene)[0]}, ${ids(scene)[1]}, 1, '[{"type":"x"}]', ${attempt})`,
  begin_tool_calls: (tx, scene, attempt) =>
    tx`select public.begin_tool_calls(${ids(scene)[0]}, ${ids(scene)[1]}, ${9 + attempt},
      ${tx.json([{ ...search(scene), tool_call_id: `late-${attempt}` }] as never)}, '{}', ${attempt})`,
  claim_tool_calls: (tx, scene, attempt) =>
    tx`select public.claim_tool_calls(${ids(scene)[0]}, ${ids(scene)[1]}, ${attempt})`,
  finish_execution: (tx, scene, attempt) =>
    tx`select public.finish_execution(
      ${ids(scene)[0]}, ${ids(scene)[1]}, ${tx.json(outcomes.success)}, ${attempt})`,
  finish_tool_call: (tx, scene, attempt) =>
    tx`select public.finish_tool_call(
      ${ids(scene)[0]}, ${ids(scene)[1]}, 'made', '{"status":"success"}', ${attempt})`,
  renew_execution_lease: (tx, scene, attempt) =>
    tx`select public.renew_execution_lease(${ids(scene)[0]}, ${ids(scene)[1]}, ${attempt})`,
  reserve_execution_step: (tx, scene, attempt) =>
    tx`select public.reserve_execution_step(${ids(scene)[0]}, ${ids(scene)[1]}, 1, 1, ${attempt})`,
  suspend_tool_call: (tx, scene, attempt) =>
    tx`select public.suspend_tool_call(
      ${ids(scene)[0]}, ${ids(scene)[1]}, 'made', 1, '[]', 'v1.k.a.b', '{}', ${attempt})`,
}
const names = Object.keys(calls)

async function arrange(tx: TransactionSql): Promise<Scene> {
  const scene = await stage(tx, await addOwner(tx), 'ask')
  const { begun, owner } = scene
  await beginCalls(tx, begun, [search({ ...scene, runner: begun })])
  await endWaiting(tx, begun)
  // The execution that continues has a call to claim, and makes another one.
  const { continuation } = await as(tx, owner, decide(begun, 'approve'))
  if (!continuation) throw new Error('nothing continues')
  await tx`
    update client_mgmt.mcp_tool_policies set policy = 'auto'
    where organization_id = ${owner.organizationId}`
  const made = { ...search({ ...scene, runner: begun }), tool_call_id: 'made' }
  await beginCalls(tx, continuation, [made], { step: 2 })
  return { ...scene, runner: continuation }
}

/** All that a worker's call could change. */
async function written(tx: TransactionSql | Sql, { runner: { organization_id } }: Scene) {
  const [row] = await tx<{ all: string }[]>`
    select jsonb_build_object(
      'executions', (select jsonb_agg(to_jsonb(x) order by x.id) from public.agent_executions x
        where x.organization_id = ${organization_id}),
      'events', (select jsonb_agg(to_jsonb(e)) from conversation.execution_events e
        where e.organization_id = ${organization_id}),
      'calls', (select jsonb_agg(to_jsonb(t) order by t.tool_call_id) from conversation.tool_calls t
        where t.organization_id = ${organization_id}),
      'messages', (select jsonb_agg(to_jsonb(m) order by m.id) from public.chat_messages m
        where m.organization_id = ${organization_id})
    )::text as all`
  return row?.all
}

const takeOver = (tx: TransactionSql, { runner }: Scene) => tx`
  update public.agent_executions set attempt = 2 where id = ${runner.execution_id}`

describe('the functions of workers', () => {
  it('are all those that write an execution for the service role', async () => {
    const found = await sql<{ name: string }[]>`
      select p.proname as name from pg_proc p
      where p.pronamespace = 'public'::regnamespace and p.provolatile = 'v'
        and p.proargnames @> array['organization_id', 'execution_id']
        and has_function_privilege('service_role', p.oid, 'execute')
        and not has_function_privilege('authenticated', p.oid, 'execute')
        -- It carries no attempt: it follows executions of other workers, and acts as the caller.
        and p.proname not in ('follow_execution', 'start_execution_as')
      order by 1`
    expect(found.map(({ name }) => name)).toEqual(names)
  })

  it.each(names)('%s works for the worker that has the execution', async (name) => {
    await rolledBack(sql, async (tx) => {
      const scene = await arrange(tx)
      expect(await refusal(tx, 'service_role', (t) => call(name, t, scene, 1))).toBe('allowed')
      await takeOver(tx, scene)
      expect(await refusal(tx, 'service_role', (t) => call(name, t, scene, 2))).toBe('allowed')
    })
  })

  it.each(names)('%s is refused to an older attempt and after the lease', async (name) => {
    await rolledBack(sql, async (tx) => {
      const scene = await arrange(tx)
      const isRefused = async (attempt: number) => {
        const before = await written(tx, scene)
        const answer = await refusal(tx, 'service_role', (t) => call(name, t, scene, attempt))
        expect([name, answer]).toEqual([name, 'PT409 attempt_over'])
        expect(await written(tx, scene)).toBe(before)
      }
      await takeOver(tx, scene)
      await isRefused(1)
      await isRefused(3)
      await tx`
        update public.agent_executions set lease_expires_at = clock_timestamp()
        where id = ${scene.runner.execution_id}`
      await isRefused(2)
    })
  })
})

describe('a worker that is taken over in the moment of its call', () => {
  // renew_execution_lease writes nothing while the lease is long.
  const writing = names.filter((name) => name !== 'renew_execution_lease')
  it.each(writing)('waits in %s for the other attempt, and is refused', async (name) => {
    const own = database()
    const scene: Scene = await own.begin((tx) => arrange(tx))
    let answer = Promise.resolve('')
    await own.begin(async (tx) => {
      await takeOver(tx, scene)
      answer = outcome(committedAs(own, 'service_role', (t) => call(name, t, scene, 1)))
      await untilSomeoneWaits(tx)
    })
    expect([name, await answer]).toEqual([name, 'PT409 attempt_over'])
  })
})

it('the stored end answers a worker whose execution has ended', async () => {
  await rolledBack(sql, async (tx) => {
    const scene = await arrange(tx)
    await takeOver(tx, scene)
    await as(tx, 'service_role', (t) => call('finish_execution', t, scene, 2))
    const late = await as(
      tx,
      'service_role',
      (t) => t<{ finish_execution: { already_final: boolean; status: string } }[]>`
        select public.finish_execution(${ids(scene)[0]}, ${ids(scene)[1]},
          ${t.json(outcomes.fault)}, 1)`,
    )
    expect(late[0]?.finish_execution).toMatchObject({ already_final: true, status: 'success' })
    expect(await finishCall(tx, scene.runner, { status: 'success' }, 'made')).toBe('unknown')
  })
})
