import { readFileSync } from 'node:fs'
import type { ClientDriver } from './driver.ts'
import { verbs } from './verbs.ts'

const root = new URL('../../../', import.meta.url)

function versionOf(name: string): string {
  const text = readFileSync(new URL(`node_modules/${name}/package.json`, root), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}

const words = {
  twoTurns: 'two turns',
  toolLoop: 'a tool',
  structured: 'a schema',
  image: 'an image',
}

/** The table of docs/clients.md: what of each client the tests run. */
export function toTable(drivers: readonly ClientDriver[]): string {
  const rows = drivers.map((driver) => [
    driver.name,
    versionOf(driver.package),
    `\`${driver.endpoint}\``,
    ...verbs.map(({ verb }) => cell(driver, verb)),
  ])
  const head = ['Client', 'Version', 'Endpoint', ...verbs.map(({ verb }) => words[verb])]
  const widths = head.map((_, column) =>
    Math.max(...[head, ...rows].map((row) => row[column]?.length ?? 0)),
  )
  const line = (cells: readonly string[]) =>
    `| ${cells.map((text, column) => text.padEnd(widths[column] ?? 0)).join(' | ')} |`
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`
  return [line(head), rule, ...rows.map(line), '', ...drivers.flatMap(reasons)].join('\n')
}

/** Why a client lacks a verb: each reason once. */
function reasons({ name, lacks = {} }: ClientDriver): string[] {
  return [...new Set(Object.values(lacks))].map((reason) => `- ${name}: ${reason}`)
}

function cell({ lacks = {} }: ClientDriver, verb: (typeof verbs)[number]['verb']): string {
  const forms = (['whole', 'streamed'] as const).filter((form) => !lacks[`${verb} ${form}`])
  return forms.join(', ') || 'no'
}
