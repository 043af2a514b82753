import { execFileSync } from 'node:child_process'
import { isAlive, startTicks } from '../../../dev/process/process-identity.ts'

export interface ProcessMark {
  pid: number
  started: string | undefined
  command: string
}

/** The processes that descend from `pid`, which is not one of them. */
export function descendantsOf(pid: number): ProcessMark[] {
  const table = execFileSync('ps', ['-A', '-o', 'pid=,ppid=,comm='], { encoding: 'utf8' })
  const rows = table.split('\n').flatMap((line) => {
    const [own, parent, ...command] = line.trim().split(/\s+/)
    return own === ''
      ? []
      : [{ pid: Number(own), parent: Number(parent), command: command.join(' ') }]
  })
  const found: ProcessMark[] = []
  let generation = [pid]
  while (generation.length > 0) {
    const children = rows.filter((row) => generation.includes(row.parent))
    found.push(...children.map((row) => ({ ...row, started: startTicks(row.pid) })))
    generation = children.map((row) => row.pid)
  }
  return found
}

/** Waits until all the processes are gone. @returns those that are still there after `timeoutMs` */
export async function survivors(marks: ProcessMark[], timeoutMs: number): Promise<ProcessMark[]> {
  const deadline = Date.now() + timeoutMs
  for (;;) {
    const alive = marks.filter(
      ({ pid, started }) => isAlive(pid) && startTicks(pid) === started && !isZombie(pid),
    )
    if (alive.length === 0 || Date.now() > deadline) return alive
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
}

/** Ended, but not yet collected by its parent; without an init process it may stay so. */
function isZombie(pid: number): boolean {
  try {
    return execFileSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' }).startsWith(
      'Z',
    )
  } catch {
    // ps(1) fails when there is no such process any more.
    return true
  }
}
