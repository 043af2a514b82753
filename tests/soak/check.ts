import { existsSync, readFileSync } from 'node:fs'
import postgres from 'postgres'
import { logFile } from '../../dev/postgres/postgres.ts'
import type { ProcessMark } from '../support/stack/processes.ts'
import type { Chaos } from './chaos.ts'
import { drain } from './drain.ts'
import { checkAnswers, checkCounts } from './invariants/clients.ts'
import { checkAudit, checkBooks, checkEnds, checkRows } from './invariants/database.ts'
import type { Finding } from './invariants/invariant.ts'
import { checkLogs, checkMemory, checkProcesses } from './invariants/machine.ts'
import { checkCalls } from './invariants/provider.ts'
import { checkStreams } from './invariants/streams.ts'
import { checkToolCalls } from './invariants/tools.ts'
import { type Growth, growthOf, type Life } from './memory.ts'
import type { SoakOptions } from './options.ts'
import { spoil } from './spoil.ts'
import type { World } from './world.ts'

interface Run {
  readonly world: World
  readonly chaos: Chaos
  readonly memory: { readonly lives: Life[] }
  readonly lines: string[]
  readonly options: SoakOptions
}

interface Checked {
  readonly findings: Finding[]
  readonly growth: Growth[]
  readonly disturbances: Map<string, number>
  readonly faults: Map<string, number>
}

/** All that is checked while the stack still runs. */
export async function checkAll({ world, chaos, memory, lines, options }: Run): Promise<Checked> {
  const { superuserUrl = '' } = world.stack
  const sql = postgres(superuserUrl, { max: 4, onnotice: () => undefined })
  const { calls } = world.provider
  try {
    await drain(sql, world)
    if (options.spoil) await spoil(sql, world, { lives: memory.lives, lines })
    const growth = growthOf(memory.lives)
    const findings = [
      await checkEnds(sql),
      ...(await checkStreams(sql, world)),
      ...(await checkBooks(sql, world)),
      await checkAudit(sql, world),
      ...(await checkRows(sql, world)),
      ...(await checkCalls(sql, world, chaos.disturbances)),
      ...(await checkToolCalls(sql, world)),
      await checkCounts(sql, world),
      ...checkAnswers(world),
      checkMemory(growth),
      {
        name: 'what was killed came back',
        checked: `${chaos.disturbances.length} disturbances`,
        wrong: options.spoil ? [...chaos.lost, 'spoilt'] : chaos.lost,
      },
    ]
    return {
      findings,
      growth,
      disturbances: tally(chaos.disturbances.map(({ kind }) => names[kind])),
      faults: tally(
        calls.flatMap(({ fault }) => (fault === null ? [] : [`a provider that ${fault}`])),
      ),
    }
  } finally {
    await sql.end({ timeout: 5 })
  }
}

const names = {
  worker: 'SIGKILL of a worker of agents',
  backend: 'connections of REST or Auth ended (1 to 4)',
  postmaster: 'SIGKILL of PostgreSQL',
  network: 'network to the provider stopped (1 to 5 s)',
}

/** All that is checked once the stack is closed. */
export async function checkClosed(
  marks: ProcessMark[],
  lines: string[],
  directory: string,
): Promise<Finding[]> {
  const file = logFile(directory)
  const database = existsSync(file) ? readFileSync(file, 'utf8').split('\n') : []
  return [await checkProcesses(marks), checkLogs([...lines, ...database])]
}

function tally(values: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1)
  return counts
}
