import { median } from './support.ts'
import { Turns } from './turns-database.ts'

// What the database does for one turn of a conversation: begin_execution() and finish_execution(), in
// transactions as two requests have them. CPU is that of PostgreSQL's process: other work of the machine
// changes it little. BENCH_BASELINE=<another checkout> measures its migrations in
// the same run, in turns.
const rounds = 5
const organizations = 50
const lengths = [2, 50, 200]
const baseline = process.env.BENCH_BASELINE

const names = baseline === undefined ? ['now'] : ['before', 'now']
const databases = new Map<string, Turns>()
try {
  for (const name of names) {
    databases.set(name, await Turns.start(organizations, name === 'before' ? baseline : undefined))
  }
  const figures = new Map<string, number[]>()
  const note = (what: string, name: string, value: number): void => {
    const key = `${what}|${name}`
    figures.set(key, [...(figures.get(key) ?? []), value])
  }
  const conversations = new Map<string, string>()
  for (const [name, turns] of databases) {
    for (const length of lengths)
      conversations.set(`${name}${length}`, await turns.converse(length))
    await turns.analyze()
  }
  const long = 'A long question. '.repeat(12_000)
  for (let round = 0; round <= rounds; round++) {
    for (const [name, turns] of databases) {
      const measured: [string, number][] = []
      for (const length of lengths) {
        // Each time after the last message of the conversation, which so keeps its length.
        const session_id = conversations.get(`${name}${length}`) ?? ''
        const parent_id = turns.lastOf(session_id, length)
        const request = { session_id, parent_id, message: { content: 'And then?' } }
        measured.push([`turn after ${length} messages (CPU-ms)`, await turns.cpu(20, request)])
      }
      const short = { message: { content: 'How long does it take?' } }
      measured.push(['turn of a new conversation (CPU-ms)', await turns.cpu(60, short)])
      const asked = { message: { content: long } }
      measured.push(['turn with a message of 200 KB (CPU-ms)', await turns.cpu(10, asked)])
      measured.push([
        '16 at once, one organization (ms a turn)',
        await turns.atOnce(16, 160, () => 1),
      ])
      measured.push([
        `16 at once, ${organizations} organizations (ms a turn)`,
        await turns.atOnce(16, 160, (n) => 1 + (n % organizations)),
      ])
      if (round > 0) for (const [what, value] of measured) note(what, name, value)
    }
  }
  for (const [name, turns] of databases) {
    const { statements, wal } = await turns.writes(100)
    note('statements of a turn', name, statements)
    note('WAL of a turn (bytes)', name, wal)
  }
  const whats = [...new Set([...figures.keys()].map((key) => key.split('|')[0] ?? ''))]
  const width = Math.max(...whats.map((what) => what.length))
  console.log(
    [''.padEnd(width), ...names.map((name) => `${name} (min, max)`.padStart(26)), 'ratio'].join(
      '  ',
    ),
  )
  for (const what of whats) {
    const columns = names.map((name) => figures.get(`${what}|${name}`) ?? [])
    const shown = columns.map((values) =>
      `${median(values).toFixed(2)} (${Math.min(...values).toFixed(2)}, ${Math.max(...values).toFixed(2)})`.padStart(
        26,
      ),
    )
    const [first = [], last = []] = [columns[0], columns.at(-1)]
    console.log(
      [what.padEnd(width), ...shown, (median(last) / median(first)).toFixed(2)].join('  '),
    )
  }
} finally {
  for (const turns of databases.values()) await turns.close()
}
