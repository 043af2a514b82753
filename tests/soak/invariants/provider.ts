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
  const calls = new Map<number, ProviderCall[]>()
  for (const call of provider.calls) {
    calls.set(call.seed, [...(calls.get(call.seed) ?? []), call])
  }
  for (const { seed, executionId } of asked) {
    const own = calls.get(seed) ?? []
    const lost = own.filter((call) => wasDisturbed(call, disturbances)).length
    if (own.length > callsPerAttempt * (1 + lost)) {
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
      checked: `${provider.calls.length} calls for ${calls.size} requests`,
      wrong: [...wrong, ...twice.map(({ wrong }) => wrong)],
    },
    {
      name: 'a request of one organization alone',
      checked: `${provider.calls.length} requests at the provider`,
      wrong: provider.mixed,
    },
  ]
}

function wasDisturbed(call: ProviderCall, disturbances: readonly Disturbance[]): boolean {
  const until = call.closedAt ?? Infinity
  return disturbances.some(
    ({ kind, from, until: end }) =>
      kind !== 'backend' && from - 250 <= until && end + 250 >= call.at,
  )
}
