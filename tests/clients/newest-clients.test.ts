import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { newestFolder, useNewestScript } from '../support/clients/newest.ts'
import { describeClients, type Use, type Used } from './matrix/describe-clients.ts'
import { newestClients } from './matrix/newest-clients.ts'
import { toTable } from './matrix/table.ts'

describeClients(newestClients, useNewestScript<Use, Used>('run-verbs.js'))

it('the table of the newest clients in the documents is what these tests run', () => {
  const text = readFileSync(new URL('../../docs/clients.md', import.meta.url), 'utf8')
  expect(text).toContain(toTable(newestClients, newestFolder))
})
