import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { addOwner } from '../support/people/tenants.ts'
import { connectOwner, rolledBack } from '../support/stack/database.ts'

const sql = connectOwner()

test('docs/limits.md says what a guest, a person and an organization have by default', async () => {
  const text = await readFile('docs/limits.md', 'utf8')
  const [limits] = await rolledBack(sql, async (tx) => {
    const { organizationId } = await addOwner(tx)
    return tx<Record<string, number>[]>`
      select to_jsonb(l) as l from client_mgmt.organization_limits l
      where l.organization_id = ${organizationId}`.then((rows) =>
      rows.map(({ l }) => l as unknown as Record<string, number>),
    )
  })
  const cell = (name: string) => {
    const value = limits?.[name] ?? Number.NaN
    const [unit, size] = value >= 2 ** 30 ? [' GiB', 2 ** 30] : [' MiB', 2 ** 20]
    return name.includes('bytes')
      ? `${(value / size).toLocaleString('en')}${unit}`
      : value.toLocaleString('en')
  }
  const documented = [
    ...text.matchAll(
      /^\| (executions at once|[a-z ]+ in a minute|bytes of conversations|guests) +\| (.+?) +\|$/gm,
    ),
  ]
  const columns: Readonly<Record<string, readonly string[]>> = {
    'executions at once': [
      'max_concurrent_per_guest',
      'max_concurrent_per_user',
      'max_concurrent_executions',
    ],
    'requests begun in a minute': [
      'requests_per_minute_per_guest',
      'requests_per_minute_per_user',
      'requests_per_minute',
    ],
    'tokens begun in a minute': [
      'tokens_per_minute_per_guest',
      'tokens_per_minute_per_user',
      'tokens_per_minute',
    ],
    'changes in a minute': [
      'changes_per_minute_per_guest',
      'changes_per_minute_per_user',
      'changes_per_minute',
    ],
    'updates in a minute': ['changes_per_minute_per_guest', 'changes_per_minute_per_user', ''],
    'bytes of conversations': ['stored_bytes_per_guest', 'stored_bytes_per_user', 'stored_bytes'],
    'new guests in a minute': ['', '', 'joins_per_minute'],
    guests: ['', '', 'max_guests'],
  }
  const said = documented.map(([, name, rest]) => [
    name,
    rest
      ?.split('|')
      .map((one) => one.trim())
      .slice(0, 3),
  ])
  const expected = Object.entries(columns).map(([name, three]) => [
    name,
    three.map((column) => (column === '' ? '' : cell(column))),
  ])
  expect(said.sort()).toEqual(expected.sort())
})
