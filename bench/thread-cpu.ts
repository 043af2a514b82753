import { readdirSync, readFileSync } from 'node:fs'

/** What a process has used so far. Linux only. */
export interface Use {
  /** Milliseconds of CPU of the main thread. */
  readonly main: number
  /** Milliseconds of CPU of all threads. */
  readonly all: number
  /** How often the main thread slept and was woken. */
  readonly wakes: number
}

export function useOf(pid: number): Use {
  const threads = readdirSync(`/proc/${pid}/task`)
  const all = threads.reduce((sum, thread) => sum + runTime(`/proc/${pid}/task/${thread}`), 0)
  const main = `/proc/${pid}/task/${pid}`
  const wakes = /^voluntary_ctxt_switches:\s*(\d+)/m.exec(readFileSync(`${main}/status`, 'utf8'))
  return { main: runTime(main), all, wakes: Number(wakes?.[1]) }
}

export function useSince(before: Use, after: Use): Use {
  return {
    main: after.main - before.main,
    all: after.all - before.all,
    wakes: after.wakes - before.wakes,
  }
}

/** In nanoseconds, where utime and stime of `stat` have ticks of 10 ms. */
function runTime(directory: string): number {
  const [nanoseconds] = readFileSync(`${directory}/schedstat`, 'utf8').split(' ')
  return Number(nanoseconds) / 1e6
}
