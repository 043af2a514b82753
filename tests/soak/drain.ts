import { setTimeout as pause } from 'node:timers/promises'
import type { Sql } from 'postgres'

import type { World } from './world.ts'

/** Seconds that a silent provider and an attempt after it may take, and those of a lease. */
const longest = 150
const lease = 31

/** Waits until nothing runs, as long as a run may take; then one clean-up, for what its worker left. */
export async function drain(sql: Sql, { stack }: World): Promise<void> {
  await untilNothingRuns(sql, longest)
  if ((await running(sql)) > 0) await pause(lease * 1000)
  const response = await fetch(`${stack.url}/functions/v1/session-cleanup`, {
    method: 'POST',
    headers: { apikey: stack.cleanupKey, 'content-type': 'application/json' },
    body: '{}',
  })
  if (!response.ok) throw new Error(`the clean-up failed: ${await response.text()}`)
  // Where an execution goes on at another worker, it goes on to its end.
  await untilNothingRuns(sql, longest)
}

async function untilNothingRuns(sql: Sql, seconds: number): Promise<void> {
  const deadline = Date.now() + seconds * 1000
  while ((await alive(sql)) > 0 && Date.now() < deadline) await pause(500)
}

/** Executions that a worker holds. */
async function alive(sql: Sql): Promise<number> {
  const [row] = await sql<[{ count: number }]>`
    select count(*)::int from public.agent_executions
    where status in ('pending', 'running') and lease_expires_at > clock_timestamp()`
  return row.count
}

async function running(sql: Sql): Promise<number> {
  const [row] = await sql<[{ count: number }]>`
    select count(*)::int from public.agent_executions where status in ('pending', 'running')`
  return row.count
}
