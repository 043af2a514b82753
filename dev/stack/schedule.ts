export interface Schedule {
  close(): void
}

export interface ScheduleOptions {
  /** Address of the function session-cleanup on the gateway. */
  url: string
  cleanupKey: string
  intervalMs: number
  log: (line: string) => void
}

/**
 * Calls session-cleanup at once, to end the executions of an earlier stack, and then on a timer
 * with its named key, as pg_cron with pg_net does on the platform. It prints a failure and makes
 * the next call on time.
 */
export function startSchedule({ url, cleanupKey, intervalMs, log }: ScheduleOptions): Schedule {
  const call = async () => {
    const response = await fetch(url, {
      method: 'POST',
      headers: { apikey: cleanupKey, 'content-type': 'application/json' },
      body: '{}',
      signal: AbortSignal.timeout(60_000),
    })
    if (!response.ok) throw new Error(`status ${response.status}: ${await response.text()}`)
    await response.arrayBuffer()
  }
  const run = () => {
    call().catch((error: unknown) => log(`session-cleanup: ${String(error)}`))
  }
  run()
  const timer = setInterval(run, intervalMs)
  timer.unref()
  return { close: () => clearInterval(timer) }
}
