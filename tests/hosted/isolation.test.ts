import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { compareCatalog } from '../database/isolation/checks/static.ts'
import { relationExpectations as relations } from '../database/isolation/expectations/index.ts'
import { routineExpectations as routines } from '../database/isolation/expectations/routines.ts'
import { catalogRules, matrixRules } from '../database/isolation/rules-list.ts'
import { createWorlds, type Worlds } from '../database/isolation/scratch.ts'
import { withSession } from '../database/isolation/session.ts'
import { missingControls, runMatrix } from '../database/isolation/suite.ts'
import type { Finding } from '../database/isolation/cases/types.ts'
import { useDatabase } from '../support/stack/stack.ts'

// The matrix of tests/database/isolation where the platform made the roles, owners and default
// privileges: every object and every verb, by one of each kind. The comparison with a database
// without the other tenant is about policies, which are the same there.

const people = [
  'anon',
  'owner',
  'administrator',
  'member',
  'guest',
  'former member',
  'owner of the other',
  'platform administrator',
  'platform administrator on content',
]

let worlds: Worlds
beforeAll(async () => {
  worlds = await createWorlds(useDatabase().databaseUrl)
}, 180_000)
afterAll(() => worlds.close())

const broken = (findings: readonly Finding[], rules: readonly string[]): string[] =>
  findings
    .filter(({ rule }) => rules.includes(rule))
    .map(({ rule, object, actor, message }) => `${rule}: ${object}: ${actor}: ${message}`)

test('every object of the catalog is as it is expected', () => {
  const findings = compareCatalog(worlds.world.catalog, { relations, routines })
  expect(broken(findings, catalogRules)).toEqual([])
})

describe('every object, every verb, by one of each kind', () => {
  let cases = 0
  let findings: Finding[] = []
  beforeAll(async () => {
    await withSession(worlds.world, worlds, async (session) => {
      const by = ({ name, role }: { name: string; role: string }) =>
        people.includes(name) || role === 'service_role'
      const report = await runMatrix(session, { by, compare: false })
      cases = report.cases
      findings = [...report.findings, ...missingControls(session, report)]
    })
  }, 600_000)

  test.each(matrixRules)('%s', (rule) => {
    expect(broken(findings, [rule]).slice(0, 20)).toEqual([])
  })

  test('is many cases', () => expect(cases).toBeGreaterThan(20_000))
})
