import postgres, { type Sql, type TransactionSql } from 'postgres'

import { addAgent } from './executions.ts'
import { as, type Member } from './tenants.ts'

export interface Price {
  input: number | string | null
  output: number | string | null
  cached?: number | string | null
  /** Default: always. */
  from?: Date
}

/** US dollars per million tokens of the models of an agent made by addAgent(). */
export async function setPrice(
  tx: Sql | TransactionSql,
  agent: string,
  { input, output, cached = null, from }: Price,
  model = 'only',
): Promise<void> {
  await tx`
    insert into client_mgmt.model_prices
      (provider, model_id, input_per_million, output_per_million, cached_input_per_million, valid_from)
    values ('openrouter', ${`${agent}/${model}`}, ${input}, ${output}, ${cached},
      coalesce(${from ?? null}::timestamptz, '-infinity'))`
}

/** An agent with one model that costs one dollar per million tokens, in and out. */
export async function addPricedAgent(tx: Sql | TransactionSql, owner: Member): Promise<string> {
  const { name } = await addAgent(tx, owner)
  await setPrice(tx, name, { input: 1, output: 1 })
  return name
}

export interface Budget {
  period: 'day' | 'month'
  limit_usd?: string | null
  limit_tokens?: number | null
  project_id?: string | null
  user_id?: string | null
  warn_at?: number
}

/** A budget set by someone with billing.manage. */
export function addBudget(tx: TransactionSql, manager: Member, budget: Budget): Promise<string> {
  return as(tx, manager, async (t) => {
    const [row] = await t<{ id: string }[]>`
      insert into client_mgmt.budgets ${t(budget as unknown as Record<string, string>)} returning id`
    return row?.id ?? ''
  })
}

/** Lifts the limits of how many executions of an organization may run at once. */
export async function liftLimits(tx: Sql | TransactionSql, { organizationId }: Member) {
  await tx`
    update client_mgmt.organization_limits
    set max_concurrent_executions = 1000, max_concurrent_per_user = 1000
    where organization_id = ${organizationId}`
}

/** What an execution of the organization reserved in its budget with the lowest id. */
export async function reservedBy(
  tx: Sql | TransactionSql,
  execution: { organization_id: number; execution_id: string },
): Promise<{ usd: string; tokens: number }> {
  const [row] = await tx<{ usd: string; tokens: number }[]>`
    select reserved_usd as usd, reserved_tokens::integer as tokens
    from client_mgmt.budget_reservations
    where organization_id = ${execution.organization_id} and execution_id = ${execution.execution_id}
    order by budget_id limit 1`
  if (row === undefined) throw new Error('the execution reserved nothing')
  return row
}

/** What a budget has spent and holds, over all its periods. */
export async function spentOf(tx: Sql | TransactionSql, budgetId: string) {
  const [row] = await tx<
    { settled: string; reserved: string; tokens: number; reserved_tokens: number }[]
  >`
    select coalesce(sum(settled_usd), 0)::numeric(18, 9) as settled,
      coalesce(sum(reserved_usd), 0)::numeric(18, 9) as reserved,
      coalesce(sum(settled_tokens), 0)::integer as tokens,
      coalesce(sum(reserved_tokens), 0)::integer as reserved_tokens
    from client_mgmt.budget_counters where budget_id = ${budgetId}`
  if (row === undefined) throw new Error('the sum answered nothing')
  return row
}

/**
 * Every way in which an organization's books disagree: counters against the sums of their
 * reservations, open reservations against live executions, settled ones against the ledger, and
 * the ledger against the executions. Nothing when they add up, to the last of nine decimals.
 */
export async function discrepancies(
  tx: Sql | TransactionSql,
  organizationId: number,
): Promise<string[]> {
  const rows = await tx<{ wrong: string }[]>`
    with sums as (
      select budget_id, period_start,
        coalesce(sum(settled_usd), 0) as settled, coalesce(sum(settled_tokens), 0) as settled_tokens,
        coalesce(sum(reserved_usd) filter (where settled_at is null), 0) as reserved,
        coalesce(sum(reserved_tokens) filter (where settled_at is null), 0) as reserved_tokens
      from client_mgmt.budget_reservations where organization_id = ${organizationId}
      group by budget_id, period_start
    ),
    books as (
      select r.execution_id, r.settled_at, r.settled_usd, r.settled_tokens, x.status, l.cost_usd,
        l.input_tokens, l.output_tokens, l.execution_id is not null as in_ledger
      from client_mgmt.budget_reservations r
      left join public.agent_executions x
        on x.organization_id = r.organization_id and x.id = r.execution_id
      left join client_mgmt.usage_ledger l
        on l.organization_id = r.organization_id and l.execution_id = r.execution_id
      where r.organization_id = ${organizationId}
    )
    select format('budget %s: counter %s, reservations %s', c.budget_id,
      (c.settled_usd, c.settled_tokens, c.reserved_usd, c.reserved_tokens),
      (s.settled, s.settled_tokens, s.reserved, s.reserved_tokens)) as wrong
    from client_mgmt.budget_counters c
    left join sums s on s.budget_id = c.budget_id and s.period_start = c.period_start
    where c.organization_id = ${organizationId}
      and (c.settled_usd, c.settled_tokens, c.reserved_usd, c.reserved_tokens) is distinct from (
        coalesce(s.settled, 0), coalesce(s.settled_tokens, 0),
        coalesce(s.reserved, 0), coalesce(s.reserved_tokens, 0))
    union all
    select format('execution %s is %s, its reservation %s', execution_id, status, settled_at)
    -- Of a deleted conversation no execution is left, and nothing may be held.
    from books where coalesce(status in ('pending', 'running'), false) <> (settled_at is null)
    union all
    select format('execution %s: charged %s and %s tokens, in the ledger %s and %s', execution_id,
      settled_usd, settled_tokens, cost_usd, (input_tokens, output_tokens))
    from books
    where settled_at is not null and (
      not in_ledger
      -- An unknown cost is charged as it was reserved.
      or settled_usd is distinct from coalesce(cost_usd, case when input_tokens is null then 0 else settled_usd end)
      or settled_tokens is distinct from coalesce(input_tokens + output_tokens, 0)
    )
    union all
    select format('execution %s ended %s, its ledger has %s entries', x.id, x.status, count(l.id))
    from public.agent_executions x
    left join client_mgmt.usage_ledger l
      on l.organization_id = x.organization_id and l.execution_id = x.id
    where x.organization_id = ${organizationId} and x.completed_at is not null
    group by x.id, x.status having count(l.id) <> 1`
  return rows.map(({ wrong }) => wrong)
}

/** The refusal of a statement: its message, and the JSON of its hint. */
export async function refusedWith(
  statement: Promise<unknown>,
): Promise<{ message: string; hint: Record<string, unknown> }> {
  try {
    await statement
  } catch (error) {
    if (!(error instanceof postgres.PostgresError)) throw error
    const { message, hint } = error
    return { message, hint: JSON.parse(hint ?? '{}') as Record<string, unknown> }
  }
  throw new Error('the statement was not refused')
}
