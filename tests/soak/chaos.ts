import { setTimeout as pause } from 'node:timers/promises'
import postgres from 'postgres'

import type { Network } from './network.ts'
import { isPostmaster, isWorker, processesUnder } from './processes.ts'
import type { Random } from './random.ts'

export type Kind = 'worker' | 'backend' | 'postmaster' | 'network'

export interface Disturbance {
  readonly kind: Kind
  readonly from: number
  readonly until: number
}

export interface Chaos {
  readonly disturbances: readonly Disturbance[]
  /** Milliseconds until PostgreSQL answered again, per kill of its postmaster. */
  readonly recoveries: readonly number[]
  /** What did not come back. */
  readonly lost: readonly string[]
  /** Ends the disturbances; resolves when the last one is over. */
  stop(): Promise<void>
}

export interface ChaosOptions {
  readonly random: Random
  readonly without: ReadonlySet<string>
  /** Milliseconds of the whole run: a short one is disturbed more often. */
  readonly duration: number
  readonly network: Network
  readonly superuserUrl: string
}

/** Seconds between two disturbances of a kind in a run of ten minutes, on average. */
const intervals: Record<Kind, number> = { worker: 30, backend: 9, postmaster: 75, network: 120 }
/** No more of a kind than this, however long the run. */
const most = 100

/** Disturbs each part at random, every kind on its own. */
export function startChaos(options: ChaosOptions): Chaos {
  const disturbances: Disturbance[] = []
  const recoveries: number[] = []
  const lost: string[] = []
  const ended = new AbortController()
  const sql = postgres(options.superuserUrl, {
    max: 1,
    connect_timeout: 2,
    onnotice: () => undefined,
  })
  const acts: Record<Kind, (random: Random) => Promise<void>> = {
    worker: killWorker,
    backend: (random) => endBackends(sql, random),
    postmaster: async () => {
      killPostmaster()
      const time = await untilAnswers(sql)
      if (time === null) lost.push('PostgreSQL did not answer within 60 s after its end')
      else recoveries.push(time)
    },
    network: async (random) => {
      options.network.stop(random.pick(['silent', 'reset'] as const))
      await wait(random.integer(1_000, 5_000))
      options.network.resume()
    },
  }
  const wait = (milliseconds: number) =>
    pause(milliseconds, undefined, { signal: ended.signal }).catch(() => {
      // Stopped: what has begun is ended at once.
    })
  const scale = Math.min(options.duration / 240_000, 1)
  const repeat = async (kind: Kind, random: Random) => {
    const mean = intervals[kind] * 1000 * scale
    for (let count = 0; count < most; count += 1) {
      await wait(mean * (count === 0 ? 0.4 : 0.5 + random.next()))
      if (ended.signal.aborted) return
      const from = Date.now()
      try {
        await acts[kind](random)
      } catch (error) {
        // A kill of one part finds another one down.
        if (kind !== 'backend') lost.push(`${kind}: ${String(error)}`)
      }
      disturbances.push({ kind, from, until: Date.now() })
    }
  }
  const kinds = (Object.keys(intervals) as Kind[]).filter((kind) => !options.without.has(kind))
  const running = kinds.map((kind) => repeat(kind, options.random.fork()))
  return {
    disturbances,
    recoveries,
    lost,
    async stop() {
      ended.abort()
      await Promise.all(running)
      await sql.end({ timeout: 1 })
    },
  }
}

async function killWorker(random: Random): Promise<void> {
  const workers = processesUnder(process.pid).filter(isWorker)
  if (workers.length > 0) process.kill(random.pick(workers).pid, 'SIGKILL')
}

function killPostmaster(): void {
  const running = processesUnder(process.pid).filter(isPostmaster)
  for (const { pid } of running) process.kill(pid, 'SIGKILL')
}

/** Some of the connections of REST and Auth, whatever they are in the middle of. */
async function endBackends(sql: postgres.Sql, random: Random): Promise<void> {
  await sql`
    select pg_terminate_backend(pid) from (
      select pid from pg_stat_activity
      where usename in ('authenticator', 'supabase_auth_admin')
      order by random() limit ${random.integer(1, 4)}
    ) backends`
}

/** Milliseconds until PostgreSQL answers; null when it does not. */
async function untilAnswers(sql: postgres.Sql): Promise<number | null> {
  const start = Date.now()
  while (Date.now() - start < 60_000) {
    try {
      await sql`select 1`
      return Date.now() - start
    } catch {
      await pause(100) // Not yet.
    }
  }
  return null
}
