import { execFileSync } from 'node:child_process'

export interface ProcessRow {
  readonly pid: number
  readonly parent: number
  /** Resident memory, MB. */
  readonly megabytes: number
  readonly command: string
}

/** Every process of the machine that descends from `root`. */
export function processesUnder(root: number): ProcessRow[] {
  const table = execFileSync('ps', ['-A', '-o', 'pid=,ppid=,rss=,args='], {
    encoding: 'utf8',
    maxBuffer: 32 * 1024 * 1024,
  })
  const rows = table.split('\n').flatMap((line): ProcessRow[] => {
    const [, pid, parent, kilobytes, command] = /^\s*(\d+)\s+(\d+)\s+(\d+)\s+(.*)$/.exec(line) ?? []
    if (command === undefined) return []
    const megabytes = Number(kilobytes) / 1024
    return [{ pid: Number(pid), parent: Number(parent), megabytes, command }]
  })
  const found = new Set([root])
  for (let before = 0; before !== found.size;) {
    before = found.size
    for (const row of rows) if (found.has(row.parent)) found.add(row.pid)
  }
  return rows.filter(({ pid }) => found.has(pid))
}

/** Workers of the function `agents`: the stack's own, and the soak's. */
export const isWorker = ({ command }: ProcessRow) =>
  // Not the shell that ties one to its parent, whose arguments name it too.
  /^\S*\bdeno\S* serve\b.*\/agents\/index\.ts/.test(command)

/** The postmaster, not its children, whose titles differ. */
export const isPostmaster = ({ command }: ProcessRow) => /\/postgres -D /.test(command)
