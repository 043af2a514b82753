import type { Sql, TransactionSql } from 'postgres'

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
