import { readFileSync } from 'node:fs'
import path from 'node:path'
import type { ClientRow } from './driver.ts'
import { verbs } from './verbs.ts'

function versionOf(name: string, folder: string): string {
  const text = readFileSync(path.join(folder, 'node_modules', name, 'package.json'), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}

const words = {
  twoTurns: 'two turns',
  toolLoop: 'a tool',
  structured: 'a schema',
  image: 'an image',
}

/**
 * A table of docs/clients.md: what of each client the tests run.
 * @param folder where the clients are installed
 */
export function toTable(clients: readonly ClientRow[], folder: string): string {
  const rows = clients.map((client) => [
    client.name,
    versionOf(client.package, folder),
    `\`${client.endpoint}\``,
    ...verbs.map(({ verb }) => cell(client, verb)),
  ])
  const head = ['Client', 'Version', 'Endpoint', ...verbs.map(({ verb }) => words[verb])]
  return [...linesOf(head, rows), '', ...clients.flatMap(reasons)].join('\n').trim()
}

/** The table of docs/clients.md of the uses that not every client has, by their names. */
export function toFurtherTable(
  uses: Readonly<Record<string, readonly { readonly client: string; readonly package: string }[]>>,
  folder: string,
): string {
  const rows = Object.entries(uses).flatMap(([name, clients]) =>
    clients.map((one) => [`\`${name}\``, one.client, versionOf(one.package, folder)]),
  )
  return linesOf(['Use', 'Client', 'Version'], rows).join('\n')
}

function linesOf(head: readonly string[], rows: readonly string[][]): string[] {
  const widths = head.map((_, column) =>
    Math.max(...[head, ...rows].map((row) => row[column]?.length ?? 0)),
  )
  const line = (cells: readonly string[]) =>
    `| ${cells.map((text, column) => text.padEnd(widths[column] ?? 0)).join(' | ')} |`
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`
  return [line(head), rule, ...rows.map(line)]
}

/** Why a client lacks a verb: each reason once. */
function reasons({ name, lacks = {} }: ClientRow): string[] {
  const said = new Set(Object.values(lacks).map(({ reason }) => reason))
  return [...said].map((reason) => `- ${name}: ${reason}`)
}

function cell({ lacks = {} }: ClientRow, verb: (typeof verbs)[number]['verb']): string {
  const forms = (['whole', 'streamed'] as const).filter((form) => !lacks[`${verb} ${form}`])
  return forms.join(', ') || 'no'
}
