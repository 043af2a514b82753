import type { Sql } from 'postgres'
import { discrepancies } from '../../support/rows/discrepancies.ts'
import { isInState } from '../acknowledged.ts'
import type { World } from '../world.ts'
import type { Finding } from './invariant.ts'

/** Every execution has ended, and each end is whole. */
export async function checkEnds(sql: Sql): Promise<Finding> {
  const rows = await sql<{ id: string; status: string; ended: boolean }[]>`
    select id, status, completed_at is not null as ended from public.agent_executions`
  const wrong = rows
    .filter(({ status, ended }) => !ended || !['success', 'failed', 'cancelled'].includes(status))
    .map(({ id, status }) => `${id} is ${status}`)
  return { name: 'no execution without an end', checked: `${rows.length} executions`, wrong }
}

/** Nothing is reserved, and the books add up: counters, reservations, ledger, executions. */
export async function checkBooks(sql: Sql, { organizations }: World): Promise<Finding[]> {
  const held = await sql<{ wrong: string }[]>`
    select format('budget %s holds %s tokens and %s USD', budget_id, reserved_tokens, reserved_usd)
      as wrong
    from client_mgmt.budget_counters where reserved_tokens <> 0 or reserved_usd <> 0
    union all
    select format('execution %s still reserves', execution_id)
    from client_mgmt.budget_reservations where settled_at is null`
  const [counted] = await sql<[{ reservations: number; entries: number }]>`
    select (select count(*)::int from client_mgmt.budget_reservations) as reservations,
      (select count(*)::int from client_mgmt.usage_ledger) as entries`
  const books: string[] = []
  for (const { id } of organizations) books.push(...(await discrepancies(sql, id)))
  return [
    {
      name: 'nothing reserved',
      checked: `${counted.reservations} reservations`,
      wrong: held.map(({ wrong }) => wrong),
    },
    {
      name: 'counters = reservations = ledger = executions',
      checked: `${counted.entries} ledger entries`,
      wrong: books,
    },
  ]
}

export async function checkAudit(sql: Sql, { organizations }: World): Promise<Finding> {
  const wrong: string[] = []
  let rows = 0
  for (const { id, marker } of organizations) {
    const [chain] = await sql<{ valid: boolean; rows: number; first: string | null }[]>`
      select valid, rows_checked::int as rows, first_invalid_sequence as first
      from private.verify_audit_chain(${id})`
    rows += chain?.rows ?? 0
    if (chain?.valid !== true) wrong.push(`${marker} breaks at ${chain?.first ?? 'its start'}`)
  }
  return { name: 'audit chains whole', checked: `${rows} rows of ${organizations.length}`, wrong }
}

/** Every row reads as it was acknowledged; a deleted one is gone. */
export async function checkRows(sql: Sql, { acknowledged, asked }: World): Promise<Finding[]> {
  const wrong: string[] = []
  for (const { schema, table, key, organizationId, states } of acknowledged.rows) {
    const names = Object.entries(key)
    const [found] = await sql`
      select * from ${sql(schema)}.${sql(table)}
      where organization_id = ${organizationId}
        and ${names.map(([column, value]) => sql`${sql(column)}::text = ${String(value)}`)[0] ?? sql`false`}`
    const read = found && { ...found }
    // bigint comes as text.
    for (const [column, value] of Object.entries(read ?? {})) {
      if (typeof value === 'string' && /^limit_/.test(column))
        Object.assign(read ?? {}, { [column]: Number(value) })
    }
    if (!states.some((state) => isInState(read, state))) {
      wrong.push(
        `${table} ${JSON.stringify(key)} is ${JSON.stringify(read)?.slice(0, 200)}, promised ${JSON.stringify(states)}`,
      )
    }
  }
  const messages = await checkMessages(sql, asked)
  return [
    {
      name: 'every acknowledged row there',
      checked: `${acknowledged.rows.length} rows written by clients`,
      wrong,
    },
    messages,
  ]
}

/** A request that was answered has left its message; that of a deleted conversation is gone. */
async function checkMessages(sql: Sql, asked: World['asked']): Promise<Finding> {
  const wrong: string[] = []
  let checked = 0
  for (const { executionId, message, conversation, by } of asked) {
    if (executionId === null || message === null) continue
    const [first] = conversation.row.states
    const isGone = conversation.row.states.length === 1 && first === null
    const isKnown = conversation.row.states.length === 1
    if (!isKnown) continue
    checked += 1
    const [row] = await sql<{ content: string; executions: number }[]>`
      select m.content, (select count(*)::int from public.agent_executions x
        where x.organization_id = m.organization_id and x.id = ${executionId}) as executions
      from public.chat_messages m
      where m.organization_id = ${by.organization.id} and m.id = ${message.id}`
    if (isGone !== (row === undefined)) {
      wrong.push(`message ${message.id} is ${isGone ? 'still' : 'not'} there`)
    } else if (row && (row.content !== message.content || row.executions !== 1)) {
      wrong.push(`message ${message.id} reads ${row.content} with ${row.executions} executions`)
    }
  }
  return { name: 'every accepted message there', checked: `${checked} messages`, wrong }
}
