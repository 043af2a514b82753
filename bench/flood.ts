import type { Flood } from './flood-peer.ts'

// One member's flood, in a process of its own: sends the same request again and again, so many at
// once, whatever is answered, until it is told to stop. Then tells how often which status came.
const { url, init, atOnce } = JSON.parse(process.env.FLOOD ?? '') as Flood
const statuses: Record<string, number> = {}
const stop = new AbortController()

async function askAgain(): Promise<void> {
  while (!stop.signal.aborted) {
    try {
      const answer = await fetch(url, { ...init, signal: stop.signal })
      statuses[answer.status] = (statuses[answer.status] ?? 0) + 1
      await answer.text()
    } catch (error) {
      if (!stop.signal.aborted) throw error
    }
  }
}

const flood = Promise.all(Array.from({ length: atOnce }, askAgain))
process.once('message', () => {
  stop.abort()
  void flood.then(() => process.send?.(statuses, () => process.exit()))
})
process.send?.('running')
await flood
