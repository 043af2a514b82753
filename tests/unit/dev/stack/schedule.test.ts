import { createServer, type IncomingHttpHeaders } from 'node:http'
import { expect, test } from 'vitest'
import { startSchedule } from '../../../../dev/stack/schedule.ts'

test('calls at once with the named key, prints a failure, and calls again', async () => {
  const seen: IncomingHttpHeaders[] = []
  const server = createServer((request, response) => {
    seen.push({ ...request.headers, ':method': request.method })
    response.writeHead(seen.length === 1 ? 500 : 200).end('{"reason":"out of order"}')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const lines: string[] = []
  const schedule = startSchedule({
    url: `http://127.0.0.1:${port}/`,
    cleanupKey: 'sb_secret_cleanup',
    intervalMs: 20,
    log: (line) => lines.push(line),
  })
  try {
    await expect.poll(() => seen.length).toBeGreaterThan(1)
    await expect.poll(() => lines.length).toBeGreaterThan(0)
    expect(seen[0]).toMatchObject({ apikey: 'sb_secret_cleanup', ':method': 'POST' })
    expect(lines).toEqual(['session-cleanup: Error: status 500: {"reason":"out of order"}'])
  } finally {
    schedule.close()
    server.close()
  }
})

test('does not wait for the first interval: what died with an earlier stack ends at the start', async () => {
  let calls = 0
  const server = createServer((_request, response) => {
    calls += 1
    response.writeHead(200).end('{}')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const schedule = startSchedule({
    url: `http://127.0.0.1:${port}/`,
    cleanupKey: 'sb_secret_cleanup',
    intervalMs: 3_600_000,
    log: () => undefined,
  })
  try {
    await expect.poll(() => calls).toBe(1)
  } finally {
    schedule.close()
    server.close()
  }
})
