import postgres, { type Sql, type TransactionSql } from 'postgres'
import { as, type Member } from '../people/tenants.ts'
import { addAgent } from './executions.ts'

export { discrepancies } from './discrepancies.ts'

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
    set max_concurrent_executions = 1000, max_concurrent_per_user = 1000,
      requests_per_minute = 100000, requests_per_minute_per_user = 100000,
      changes_per_minute = 100000, changes_per_minute_per_user = 100000
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
