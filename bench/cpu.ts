import { readdirSync, readFileSync } from 'node:fs'

/** Ticks of a second in /proc (USER_HZ), which Linux fixes for programs on every architecture we run on. */
const ticksPerSecond = 100

interface Stat {
  parent: number
  /** Milliseconds, of all threads. */
  own: number
  /** Milliseconds, of children that have ended. */
  ended: number
}

/** Milliseconds of CPU that a process has used so far. Linux only. */
export function cpuOf(pid: number): number {
  return readStat(pid).own
}

/** The same of a process and all its descendants, those that have ended included. */
export function cpuOfTree(pid: number): number {
  const stats = new Map<number, Stat>()
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    try {
      stats.set(Number(entry), readStat(Number(entry)))
    } catch {
      // Ended between the two looks: its parent has its time by now.
    }
  }
  const sum = (of: number): number => {
    const stat = stats.get(of)
    if (stat === undefined) return 0
    const children = [...stats].filter(([, { parent }]) => parent === of)
    return stat.own + stat.ended + children.reduce((total, [child]) => total + sum(child), 0)
  }
  return sum(pid)
}

/** proc(5): the name may hold spaces and brackets, so fields are counted from its end. */
function readStat(pid: number): Stat {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number)
  const [user = 0, system = 0, childUser = 0, childSystem = 0] = fields.slice(11, 15)
  const ms = (ticks: number) => (ticks * 1000) / ticksPerSecond
  return { parent: fields[1] ?? 0, own: ms(user + system), ended: ms(childUser + childSystem) }
}
