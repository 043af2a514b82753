/** As many requests of one person run at once behind REST; further ones wait there, or are refused. */
const places = 2
const attempts = 3

/**
 * A `fetch` that sends requests to REST in turns, and again when the backend asks to come back. All others
 * pass: an answer that streams takes no place.
 */
export function takeTurns(send: typeof fetch, pause = waitFor): typeof fetch {
  let running = 0
  const waiting: (() => void)[] = []
  return async (input, init) => {
    const address = input instanceof Request ? input.url : String(input)
    if (!address.includes('/rest/v1/')) return send(input, init)
    if (running < places) running += 1
    else await new Promise<void>((resolve) => waiting.push(resolve))
    try {
      for (let attempt = 1; ; attempt += 1) {
        const response = await send(input, init)
        if (response.status !== 429 || attempt === attempts) return response
        await pause(Number(response.headers.get('retry-after') ?? 1))
      }
    } finally {
      // The next one takes the place.
      const next = waiting.shift()
      if (next) next()
      else running -= 1
    }
  }
}

function waitFor(seconds: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, seconds * 1_000))
}
