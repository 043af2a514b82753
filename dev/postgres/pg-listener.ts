import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { growingPause } from '../process/growing-pause.ts'
import { firstLine } from '../process/start-error.ts'
import { withSettings } from './pg-pool.ts'

const CONNECT_TIMEOUT_MS = 10_000

export interface Listener {
  close(): Promise<void>
}

interface ListenOptions {
  url: string
  channel: string
  /** Called at each notification, and after each new connection: one may have come meanwhile. */
  wake: () => void
  log: (line: string) => void
}

/** Hears a channel of PostgreSQL, over another connection when one ends. Only the first may fail. */
export async function listen(options: ListenOptions): Promise<Listener> {
  const ending = new AbortController()
  let hearing = await hear(options)
  const keepHearing = async () => {
    const nextPause = growingPause()
    let since = Date.now()
    while (!ending.signal.aborted) {
      await hearing.ended
      await sleep(nextPause(Date.now() - since), undefined, { signal: ending.signal })
      since = Date.now()
      try {
        hearing = await hear(options)
      } catch (error) {
        options.log(`realtime: ${firstLine(error)}`)
      }
      if (ending.signal.aborted) hearing.close()
    }
  }
  const kept = keepHearing().catch((error: unknown) => {
    if (!ending.signal.aborted) options.log(`realtime: ${firstLine(error)}`)
  })
  return {
    async close() {
      ending.abort()
      hearing.close()
      await kept
    },
  }
}

async function hear({ url, channel, wake }: ListenOptions) {
  const client = new pg.Client({
    connectionString: withSettings(url, {}),
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
  })
  const ended = new Promise<void>((resolve) => client.once('end', () => resolve()))
  const close = () => {
    client.end().catch(() => {
      // The connection ended by itself.
    })
  }
  client.on('error', () => {
    // `end` follows. Without a listener Node.js would end the process.
  })
  client.on('notification', wake)
  try {
    await client.connect()
    await client.query(`listen "${channel}"`)
  } catch (error) {
    close()
    throw error
  }
  wake()
  return { ended, close }
}
