import { readFileSync, readlinkSync } from 'node:fs'

/** Whether a process with this id exists, of any owner. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // EPERM: it exists but belongs to someone else.
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

/**
 * When the process started, in ticks since boot (proc(5), field 22 of /proc/pid/stat). Process ids
 * are reused, in containers almost at once, so an id alone does not name a process. Undefined where
 * there is no /proc.
 */
export function startTicks(pid: number): string | undefined {
  const stat = readProc(pid, 'stat')
  // The second field is the command in parentheses and may itself contain spaces.
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
}

/** The working directory of a process; undefined where there is no /proc or it is not ours to see. */
export function workingDirectory(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/cwd`)
  } catch {
    return undefined
  }
}

function readProc(pid: number, file: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    return undefined
  }
}
