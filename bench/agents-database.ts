import { readFileSync } from 'node:fs'
import postgres from 'postgres'

import { cpuOf, cpuOfTree } from './cpu.ts'
import type { AgentsPeer } from './peers.ts'
import { median, timeOf } from './support.ts'

/** What the database does for an invocation, seen from outside and from inside. */
export class DatabaseShare {
  readonly #peer: AgentsPeer
  readonly #sql: postgres.Sql
  #postmaster = 0

  constructor(peer: AgentsPeer) {
    this.#peer = peer
    this.#sql = postgres(peer.superuserUrl, { max: 1, onnotice: () => undefined })
  }

  /** Lifts the limits of concurrent executions, and has the server time its functions. */
  async prepare(): Promise<void> {
    const sql = this.#sql
    await sql`alter system set track_functions = 'all'`
    await sql`select pg_reload_conf()`
    await sql`
      update client_mgmt.organization_limits
      set max_concurrent_executions = 1000, max_concurrent_per_user = 1000,
        requests_per_minute = 1000000, requests_per_minute_per_user = 1000000,
        tokens_per_minute = 1000000000000, tokens_per_minute_per_user = 1000000000000`
    const [row] = await sql<{ pid: number }[]>`select pg_backend_pid() as pid`
    const stat = readFileSync(`/proc/${row?.pid ?? 0}/stat`, 'utf8')
    this.#postmaster = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
  }

  /** Milliseconds of CPU so far. */
  cpu(): { postgres: number; rest: number } {
    return { postgres: cpuOfTree(this.#postmaster), rest: cpuOf(this.#peer.restPid) }
  }

  /** Calls of the functions so far, and the milliseconds they took inside the server. */
  async functions(): Promise<Map<string, { calls: number; ms: number }>> {
    await this.#sql`select pg_stat_force_next_flush(), pg_stat_clear_snapshot()`
    const rows = await this.#sql<{ name: string; calls: number; ms: number }[]>`
      select funcname as name, sum(calls)::integer as calls, sum(total_time) as ms
      from pg_stat_user_functions
      where (schemaname, funcname) in (
        ('private', 'begin_execution'), ('public', 'finish_execution'),
        ('public', 'append_execution_events'))
      group by funcname`
    return new Map(rows.map(({ name, calls, ms }) => [name, { calls, ms }]))
  }

  /** Median milliseconds of the two calls through REST, one at a time, as the function makes them. */
  async roundTrips(token: string, count: number): Promise<{ begin: number; finish: number }> {
    const { publishableKey, secretKey } = this.#peer
    const times = { begin: [] as number[], finish: [] as number[] }
    for (let n = 0; n < count; n++) {
      let begun: Record<string, unknown> = {}
      const message = { content: 'How long does it take?' }
      const request = { message, agent: 'droid', model: 'gpt-4' }
      const args = { request, providers: ['openrouter'] }
      times.begin.push(
        await timeOf(async () => {
          begun = await this.#rpc('begin_execution', publishableKey, token, args)
        }),
      )
      const { organization_id, execution_id } = begun
      const outcome = { status: 'success', finish_reason: 'stop', content: 'As long as this.' }
      const end = { organization_id, execution_id, outcome }
      times.finish.push(
        await timeOf(() => this.#rpc('finish_execution', secretKey, secretKey, end)),
      )
    }
    return { begin: median(times.begin), finish: median(times.finish) }
  }

  async #rpc(name: string, apikey: string, token: string, args: object) {
    const response = await fetch(`${this.#peer.url}/rest/v1/rpc/${name}`, {
      method: 'POST',
      headers: { apikey, authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify(args),
    })
    if (!response.ok) throw new Error(`${name}: ${await response.text()}`)
    return (await response.json()) as Record<string, unknown>
  }

  async close(): Promise<void> {
    await this.#sql.end()
  }
}
