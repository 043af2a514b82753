import type { Sql } from 'postgres'

import type { Disturbance } from '../chaos.ts'
import type { ProviderCall } from '../provider.ts'
import type { World } from '../world.ts'
import type { Finding } from './invariant.ts'

/** Twice per model, four times in all (docs/executions.md). */
const callsPerAttempt = 4

/**
 * One key, one answer that is paid for: once the provider has begun to speak it is not asked again,
 * unless the network or the worker was lost at that moment; and never more often than documented.
 */
export async function checkCalls(
  sql: Sql,
  { provider, asked }: World,
  disturbances: readonly Disturbance[],
): Promise<Finding[]> {
  const wrong: string[] = []
  const executions = new Map(asked.map(({ seed, executionId }) => [seed, executionId]))
  const calls = new Map<string, ProviderCall[]>()
  for (const call of provider.calls) {
    const key = `${call.seed} ${call.step}`
    calls.set(key, [...(calls.get(key) ?? []), call])
  }
  for (const own of calls.values()) {
    const executionId = executions.get(own[0]?.seed ?? NaN)
    const last = own.at(-1)
    const all = { at: own[0]?.at ?? 0, closedAt: last?.closedAt ?? null }
    const lost = disturbances.filter(
      (other) => ['worker', 'postmaster'].includes(other.kind) && meets(all, other),
    )
    if (own.length > callsPerAttempt * (1 + lost.length)) {
      wrong.push(`${executionId} called the provider ${own.length} times`)
    }
    const spoke = own.findIndex((call) => call.speaks && !wasDisturbed(call, disturbances))
    if (spoke !== -1 && spoke < own.length - 1) {
      const kinds = own.map(({ fault }) => fault ?? 'answer').join(', ')
      wrong.push(`${executionId} called again after an answer had begun: ${kinds}`)
    }
  }
  const twice = await sql<{ wrong: string }[]>`
    select format('%s executions for one message', count(*)) as wrong
    from public.agent_executions x
    where x.idempotency_key is not null
    group by x.organization_id, x.user_id, x.idempotency_key having count(*) > 1`
  return [
    {
      name: 'no call beyond the rule of retries',
      checked: `${provider.calls.length} calls for ${calls.size} steps of ${asked.length} requests`,
      wrong: [...wrong, ...twice.map(({ wrong }) => wrong)],
    },
    {
      name: 'a request of one organization alone',
      checked: `${provider.calls.length} requests at the provider`,
      wrong: provider.mixed,
    },
  ]
}

/** A lost connection of REST is bridged: only a worker, the database and the network are lost. */
function wasDisturbed(call: Span, disturbances: readonly Disturbance[]): boolean {
  return disturbances.some((other) => other.kind !== 'backend' && meets(call, other))
}

type Span = Pick<ProviderCall, 'at' | 'closedAt'>

function meets({ at, closedAt }: Span, { from, until }: Disturbance): boolean {
  return from - 250 <= (closedAt ?? Infinity) && until + 250 >= at
}
