import { arch, cpus, platform, totalmem } from 'node:os'

import { type Finding, shown } from './invariants/invariant.ts'
import type { Growth } from './memory.ts'
import type { SoakOptions } from './options.ts'

/** What a run has to say. */
export interface Report {
  readonly options: SoakOptions
  /** Of the disturbed part, and of all of it. */
  readonly seconds: { readonly clients: number; readonly all: number }
  readonly operations: ReadonlyMap<string, number>
  readonly answers: ReadonlyMap<string, number>
  readonly disturbances: ReadonlyMap<string, number>
  readonly faults: ReadonlyMap<string, number>
  readonly recoveries: readonly number[]
  readonly growth: readonly Growth[]
  readonly findings: readonly Finding[]
}

export function writeReport(report: Report): string {
  const { options, seconds, recoveries, growth, findings } = report
  const processors = cpus()
  return `# The soak

\`npm run test:soak\` starts a stack of its own and lets ${options.clients} clients of ${options.organizations} organizations work
on it for ${options.minutes} minutes, some with a tool of an MCP server, while workers, database connections and PostgreSQL itself are killed, the
network to the provider stops, and the provider does what the table of faults has. Then the clients
stop, what runs comes to its end, session-cleanup runs once, and what must hold is checked. This
page is written by \`npm run test:soak -- --write\`.

- machine: ${processors.length} cores (${processors[0]?.model.trim() ?? arch()}), ${Math.round(totalmem() / 2 ** 30)} GB, ${platform()} ${arch()}, Node.js ${process.versions.node}
- seed ${options.seed}; clients ${Math.round(seconds.clients)} s, all of it ${Math.round(seconds.all)} s
${recoveries.length === 0 ? '' : `- PostgreSQL answered again ${range(recoveries)} ms after its postmaster was killed\n`}
## What holds

${table(
  ['Invariant', 'Checked', 'Wrong'],
  findings.map(({ name, checked, wrong }) => [name, checked, String(wrong.length)]),
)}

## What was disturbed

${table(['Disturbance', 'Times'], [...counts(report.disturbances), ...counts(report.faults)])}

## What clients did

${table(['Operation and end', 'Times'], counts(report.operations))}

## What was answered

${table(['Answer', 'Times'], counts(report.answers))}

## Memory

Resident memory of each process that lived for a minute: the median of the second third of its life,
when it is warm, and of the last.

${table(
  ['Process', 'Seconds', 'Second third, MB', 'Last third, MB'],
  growth.map(({ name, seconds, before, after }) => [
    name,
    seconds.toFixed(0),
    before.toFixed(0),
    after.toFixed(0),
  ]),
)}
`
}

/** Everything that is wrong, for the one who reads the run. */
export function describeWrong(findings: readonly Finding[]): string[] {
  return findings.flatMap(({ name, wrong }) =>
    wrong.length === 0
      ? []
      : [
          `${name}: ${wrong.length} wrong`,
          ...[...new Set(wrong)].slice(0, shown).map((line) => `  ${line.slice(0, 600)}`),
        ],
  )
}

const counts = (map: ReadonlyMap<string, number>) =>
  [...map].sort(([a], [b]) => a.localeCompare(b)).map(([name, count]) => [name, String(count)])

const range = (values: readonly number[]) => `${Math.min(...values)} to ${Math.max(...values)}`

function table(head: string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) =>
    Math.max(title.length, 3, ...rows.map((row) => (row[column] ?? '').length)),
  )
  const line = (cells: readonly string[]) =>
    `| ${widths.map((width, column) => (cells[column] ?? '').padEnd(width)).join(' | ')} |`
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`
  return [line(head), rule, ...rows.map(line)].join('\n')
}
