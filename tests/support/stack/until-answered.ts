import { setTimeout as pause } from 'node:timers/promises'

interface Answer {
  error: { code: string; message: string; hint: string | null } | null
}

/** Asks as a client that comes back when `too_many_requests` says so, until it has its answer. */
export async function untilAnswered<One extends Answer>(ask: () => PromiseLike<One>): Promise<One> {
  for (;;) {
    const answer = await ask()
    if (answer.error?.message !== 'too_many_requests') return answer
    const { retry_after } = JSON.parse(answer.error.hint ?? '') as { retry_after: number }
    // With jitter, or the same requests would meet again.
    await pause(retry_after * (500 + 1000 * Math.random()))
  }
}

/** The same for an answer of a function: sends again while it is 429, when `retry-after` says so. */
export async function untilServed(send: () => Promise<Response>): Promise<Response> {
  for (;;) {
    const response = await send()
    if (response.status !== 429) return response
    await response.body?.cancel()
    await pause(Number(response.headers.get('retry-after')) * (500 + 1000 * Math.random()))
  }
}
