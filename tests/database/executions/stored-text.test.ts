import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import { addOwner, as } from '../../support/people/tenants.ts'
import { addAgent, begin, type Begun, finish, outcomes } from '../../support/rows/executions.ts'
import { beginCalls, callOf, finishCall, stage } from '../../support/rows/tool-rows.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()

async function arrange(tx: TransactionSql) {
  const owner = await addOwner(tx)
  return { owner, agent: (await addAgent(tx, owner)).name }
}

/** The bytes of every text, document and byte string in the rows of an execution, whatever they are called. */
async function textOf(tx: TransactionSql, begun: Begun) {
  const tables = await tx<{ name: string; condition: string; columns: string[] }[]>`
    select format('%I.%I', n.nspname, c.relname) as name,
      case c.relname when 'agent_executions' then 'id = $1'
        when 'chat_messages' then 'session_id = (
          select session_id from public.agent_executions where id = $1)'
        else 'execution_id = $1' end as condition,
      array_agg(quote_ident(a.attname)) as columns
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    join pg_attribute a on a.attrelid = c.oid and a.attnum > 0
      and a.atttypid in ('text'::regtype, 'json'::regtype, 'jsonb'::regtype, 'bytea'::regtype)
    where c.relkind = 'r' and n.nspname in ('public', 'client_mgmt', 'conversation', 'private')
      and (c.relname in ('agent_executions', 'chat_messages') or exists (
        select 1 from pg_attribute k where k.attrelid = c.oid and k.attname = 'execution_id'
      ))
    group by 1, 2 order by 1`
  const found = new Map<string, number>()
  for (const { name, condition, columns } of tables) {
    const sum = columns.map((column) => `coalesce(octet_length(${column}::text), 0)`).join(' + ')
    const [row] = await tx.unsafe<{ bytes: number }[]>(
      `select coalesce(sum(${sum}), 0)::integer as bytes from ${name} where ${condition}`,
      [begun.execution_id],
    )
    found.set(name, row?.bytes ?? 0)
  }
  return found
}

const countedFor = async (tx: TransactionSql, { execution_id }: Begun) => {
  const [row] = await tx<{ bytes: number; kept: string[] }[]>`
    select stored_bytes::integer as bytes,
      array(select jsonb_object_keys(metadata) order by 1) as kept
    from public.agent_executions where id = ${execution_id}`
  return row ?? { bytes: 0, kept: [] }
}

test('an execution counts every text of its rows: parts, parameters, tool calls, results and errors', async () => {
  await rolledBack(sql, async (tx) => {
    const { begun, server, listed } = await stage(tx, await addOwner(tx), 'auto')
    const long = (letter: string) => letter.repeat(20_000)
    await tx`
      update public.agent_executions set metadata = ${tx.json({ params: { stop: [long('p')] } })}
      where id = ${begun.execution_id}`
    const call = callOf(server, listed, 'search', {
      arguments: JSON.stringify({ q: long('q') }),
    })
    await beginCalls(tx, begun, [call])
    await finishCall(tx, begun, { status: 'success', result: { text: long('r') } })
    const ended = {
      status: 'failed',
      error_code: 'provider_error',
      error_message: 'é'.repeat(2_000),
      content: long('a'),
      parts: [{ type: 'text', text: long('a') }],
    }
    await as(tx, 'service_role', finish(begun, ended))
    const rows = await textOf(tx, begun)
    const bytes = [...rows.values()].reduce((sum, one) => sum + one, 0)
    expect(rows.get('conversation.tool_calls')).toBeGreaterThan(40_000)
    expect(rows.get('public.chat_messages')).toBeGreaterThan(40_000)
    expect((await countedFor(tx, begun)).bytes).toBeGreaterThanOrEqual(bytes)
  })
})

test('a call without a result counts its arguments, and a repeated last batch counts once', async () => {
  await rolledBack(sql, async (tx) => {
    const events = JSON.stringify([{ type: 'start', messageId: 'm'.repeat(1_000) }])
    // Ids of rows are among what is counted, and may have a digit more.
    const digits = 100
    const bytesOf = async (length: number, isRepeated: boolean) => {
      const { begun, server, listed } = await stage(tx, await addOwner(tx), 'auto')
      const call = callOf(server, listed, 'search', {
        arguments: JSON.stringify({ q: 'q'.repeat(length) }),
      })
      await beginCalls(tx, begun, [call])
      const { organization_id, execution_id } = begun
      const append = (t: TransactionSql) => t`
        select public.append_execution_events(${organization_id}, ${execution_id}, 0, ${events})`
      if (isRepeated) await as(tx, 'service_role', append)
      await as(tx, 'service_role', finish(begun, { ...outcomes.success, events, events_seq: 0 }))
      return (await countedFor(tx, begun)).bytes
    }
    const alone = await bytesOf(10, false)
    expect(Math.abs((await bytesOf(10, true)) - alone)).toBeLessThan(digits)
    expect(Math.abs((await bytesOf(1_010, false)) - alone - 1_000)).toBeLessThan(digits)
  })
})

test('a question in parts counts as it is stored, its text beside its parts', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, agent } = await arrange(tx)
    const content = [{ type: 'text', text: 'q'.repeat(30_000) }]
    const begun = await as(tx, owner, begin({ agent, content }))
    await as(tx, 'service_role', finish(begun))
    const rows = await textOf(tx, begun)
    expect(rows.get('public.chat_messages')).toBeGreaterThan(60_000)
    const { bytes } = await countedFor(tx, begun)
    expect(bytes).toBeGreaterThanOrEqual(rows.get('public.chat_messages') ?? 0)
  })
})

test('what only the beginning needed goes with the end, and the parameters stay for a decision', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, agent } = await arrange(tx)
    const first = await as(tx, owner, begin({ agent }))
    const params = { stop: ['p'.repeat(30_000)] }
    const queued = { agent, session_id: first.session_id, on_busy: 'queue', params } as const
    const ends: [string, string[]][] = [
      ['stop', []],
      ['tool_approval_required', ['params']],
    ]
    for (const [finish_reason, kept] of ends) {
      const begun = await as(tx, owner, begin(queued))
      expect((await countedFor(tx, begun)).kept).toEqual([
        'follows',
        'input_bytes',
        'model',
        'params',
      ])
      await as(tx, 'service_role', finish(begun, { ...outcomes.success, finish_reason }))
      const counted = await countedFor(tx, begun)
      expect(counted.kept).toEqual(kept)
      if (kept.length > 0) expect(counted.bytes).toBeGreaterThan(30_000)
      else expect(counted.bytes).toBeLessThan(5_000)
    }
  })
})
