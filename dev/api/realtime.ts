import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocketServer } from 'ws'
import { listen } from '../postgres/pg-listener.ts'
import { openPool } from '../postgres/pg-pool.ts'
import { firstLine } from '../process/start-error.ts'
import { growingPause } from '../process/growing-pause.ts'
import type { LiteOptions } from './lite.ts'
import { refuseUpgrade } from './refuse-upgrade.ts'
import { readToken, requireHearer } from './realtime-rights.ts'
import { type Broadcast, RealtimeSocket } from './realtime-socket.ts'

/** Bytes of one message of a client. */
const maxMessage = 256 * 1024

const TAKE_MESSAGES = `
  with told as (
    delete from realtime.messages returning id, topic, event, payload, extension, inserted_at
  )
  select id, topic, event, payload from told where extension = 'broadcast' order by inserted_at, id`

export interface Realtime {
  /** Takes a WebSocket of `/realtime/v1/websocket`. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void
  close(): Promise<void>
}

/**
 * A small stand-in for Realtime: broadcast from the database on private channels. It reads what
 * `realtime.send()` wrote, and asks the policies of `realtime.messages` who may join. A client sends
 * nothing but joins, leaves, tokens and heartbeats.
 */
export async function startRealtime({
  database,
  secrets,
  log,
}: Pick<LiteOptions, 'database' | 'secrets' | 'log'>): Promise<Realtime> {
  const pool = openPool({ url: database.ownerUrl, options: {} }, 3)
  const server = new WebSocketServer({ noServer: true, maxPayload: maxMessage })
  const sockets = new Set<RealtimeSocket>()
  const delivery = deliver(
    async () => {
      const { rows } = await pool.query(TAKE_MESSAGES, [])
      return rows as unknown as Broadcast[]
    },
    (message) => sockets.forEach((socket) => socket.send(message)),
    log,
  )
  let isClosed = false
  // Read after each new connection: what was written meanwhile is still in the table.
  const listener = await listen({
    url: database.ownerUrl,
    channel: 'realtime_messages',
    wake: delivery.wake,
    log,
  }).catch(async (error: unknown) => {
    await pool.end()
    throw error
  })

  const authorize = async (topic: string, token: unknown) => {
    const claims = await readToken(token, secrets)
    await requireHearer(pool, topic, claims)
    return claims
  }
  return {
    upgrade(request, socket, head) {
      const { searchParams } = new URL(request.url ?? '/', 'http://gateway')
      const key = searchParams.get('apikey')
      if (key !== secrets.publishableKey && key !== secrets.secretKey) {
        return refuseUpgrade(socket, '401 Unauthorized')
      }
      if (isClosed) return refuseUpgrade(socket, '503 Service Unavailable')
      // Without a version it is the first one, as in Phoenix.
      const version = searchParams.get('vsn') === '2.0.0' ? '2.0.0' : '1.0.0'
      server.handleUpgrade(request, socket, head, (client) => {
        const joined = new RealtimeSocket(client, { version, authorize, log })
        sockets.add(joined)
        client.once('close', () => sockets.delete(joined))
      })
    },
    async close() {
      isClosed = true
      for (const socket of sockets) socket.close()
      await listener.close()
      await delivery.close()
      await pool.end()
    },
  }
}

/** Reads when woken, one reading at a time, and again after a failure. */
function deliver(
  read: () => Promise<readonly Broadcast[]>,
  tell: (message: Broadcast) => void,
  log: (line: string) => void,
): { wake: () => void; close: () => Promise<void> } {
  const ending = new AbortController()
  let isDue = false
  let running: Promise<void> | undefined
  const run = async () => {
    const nextPause = growingPause()
    while (isDue && !ending.signal.aborted) {
      isDue = false
      try {
        for (const message of await read()) tell(message)
      } catch (error) {
        isDue = true
        log(`realtime: ${firstLine(error)}`)
        await sleep(nextPause(0), undefined, { signal: ending.signal }).catch(() => {
          // Closing ends the pause.
        })
      }
    }
  }
  const wake = () => {
    isDue = true
    running ??= run().finally(() => (running = undefined))
  }
  return {
    wake,
    async close() {
      ending.abort()
      await running
    },
  }
}
