import { setMaxListeners } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'

import { Acknowledged } from './acknowledged.ts'
import { Answers } from './answers.ts'
import { startChaos } from './chaos.ts'
import { checkAll } from './check.ts'
import { runClient } from './client-loop.ts'
import { watchMemory } from './memory.ts'
import type { SoakOptions } from './options.ts'
import type { Parts } from './parts.ts'
import type { Random } from './random.ts'
import { setUp } from './set-up.ts'
import type { World } from './world.ts'

/** Milliseconds after which a client gives up a connection when the clients have stopped. */
const patience = 100_000

/** Lets the clients work while the parts are disturbed, and checks what must hold after it. */
export async function disturb(parts: Parts, options: SoakOptions, random: Random, lines: string[]) {
  const { provider, stack, network } = parts
  const [stopping, over] = [new AbortController(), new AbortController()]
  const world: World = {
    ...parts,
    acknowledged: new Acknowledged(),
    answers: new Answers(),
    asked: [],
    organizations: [],
    clients: [],
    operations: new Map(),
    stopping: stopping.signal,
    over: over.signal,
    executionsOf: new Map(),
  }
  // Each client waits on both.
  setMaxListeners(0, stopping.signal, over.signal)
  await setUp(world, random.fork(), options)
  const started = Date.now()
  const secondsSince = () => (Date.now() - started) / 1000
  const progress = () => {
    const done = [...world.operations.values()].reduce((sum, count) => sum + count, 0)
    console.log(`${Math.round(secondsSince())} s: ${done} operations`)
  }
  const duration = options.minutes * 60_000
  provider.faulty = !options.without.has('faults')
  const memory = watchMemory(stack.pid)
  const { superuserUrl = '' } = stack
  const chaos = startChaos({ ...options, random: random.fork(), duration, network, superuserUrl })
  const reporting = setInterval(progress, 30_000)
  try {
    const clients = world.clients.map((client) => runClient(world, client))
    await Promise.race([pause(duration), ...clients.map(rejection)])
    stopping.abort()
    await chaos.stop()
    provider.faulty = false
    const late = setTimeout(() => over.abort(), patience)
    await Promise.all(clients)
    clearTimeout(late)
  } finally {
    stopping.abort()
    await chaos.stop()
    clearInterval(reporting)
    memory.stop()
  }
  progress()
  const seconds = { clients: secondsSince() }
  const after = { ...world, over: new AbortController().signal }
  const checked = await checkAll({ world: after, chaos, memory, lines, options })
  return {
    ...checked,
    seconds,
    operations: world.operations,
    answers: world.answers.counts,
    recoveries: chaos.recoveries,
  }
}

/** Settles only when the work fails: a defect of the soak ends it at once. */
function rejection(work: Promise<unknown>): Promise<never> {
  return new Promise((_, reject) => {
    work.catch(reject)
  })
}
