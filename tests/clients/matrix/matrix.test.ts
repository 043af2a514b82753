import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { root } from '../../../dev/check/command.ts'
import { describeClients } from './describe-clients.ts'
import { drivers } from './drivers.ts'
import { toTable } from './table.ts'
import { useClient } from './use-client.ts'

describeClients(drivers, (use) => useClient(drivers, use))

it('the table of clients in the documents is what these tests run', () => {
  const text = readFileSync(new URL('../../../docs/clients.md', import.meta.url), 'utf8')
  expect(text).toContain(toTable(drivers, root))
})
