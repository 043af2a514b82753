import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { useDatabase } from '../../support/stack/stack.ts'
import type { Finding } from './cases/types.ts'
import { compareCatalog } from './checks/static.ts'
import { runClaims } from './claims.ts'
import { runEffects } from './effects.ts'
import { relationExpectations as relations } from './expectations/index.ts'
import { routineExpectations as routines } from './expectations/routines.ts'
import { runInvariants } from './invariants/run.ts'
import { catalogRules, invariantRules, matrixRules, type Rule } from './rules-list.ts'
import { createWorlds, type Worlds } from './scratch.ts'
import { withSession } from './session.ts'
import { missingControls, runMatrix } from './suite.ts'

let worlds: Worlds
let cases = 0
let findings: Finding[] = []

beforeAll(async () => {
  worlds = await createWorlds(useDatabase().databaseUrl)
}, 180_000)

afterAll(async () => {
  await worlds.close()
  console.log(`isolation: ${cases} cases as SQL roles, generated from the catalog`)
})

/** Few enough to read, and how many there are. */
function broken(rule: Rule): string[] {
  const lines = findings
    .filter((finding) => finding.rule === rule)
    .map(({ object, actor, message }) => `${object}: ${actor}: ${message}`)
  return lines.length > 20 ? [...lines.slice(0, 20), `and ${lines.length - 20} more`] : lines
}

describe('the catalog', () => {
  beforeAll(() => {
    findings = compareCatalog(worlds.world.catalog, { relations, routines })
  })

  test.each(catalogRules)('%s', (rule) => expect(broken(rule)).toEqual([]))
})

describe('every object, every actor, every verb', () => {
  beforeAll(async () => {
    const report = await withSession(worlds.world, worlds, async (session) => {
      const matrix = await runMatrix(session)
      return { ...matrix, findings: [...matrix.findings, ...missingControls(session, matrix)] }
    })
    cases += report.cases
    findings = report.findings
  }, 600_000)

  test.each(matrixRules)('%s', (rule) => expect(broken(rule)).toEqual([]))

  test('is many cases', () => expect(cases).toBeGreaterThan(40_000))
})

describe('the policies alone, without the guards before them', () => {
  beforeAll(async () => {
    findings = []
    for (const option of [{ guards: false }, { bare: true }]) {
      const report = await withSession(worlds.world, worlds, (session) =>
        runMatrix(session, option),
      )
      cases += report.cases
      findings = [...findings, ...report.findings]
    }
  }, 180_000)

  test('hold by themselves, also had clients a grant on every column', () => {
    expect(matrixRules.flatMap(broken)).toEqual([])
  })
})

describe('what earlier systems got wrong', () => {
  beforeAll(async () => {
    findings = (await withSession(worlds.world, worlds, runInvariants)).findings
  }, 180_000)

  test.each(invariantRules)('%s', (rule) => expect(broken(rule)).toEqual([]))
})

describe('the token is still valid, but', () => {
  beforeAll(async () => {
    const [effects, claims] = [
      await withSession(worlds.world, worlds, runEffects),
      await withSession(worlds.world, worlds, runClaims),
    ]
    cases += effects.cases + claims.cases
    findings = [...effects.findings, ...claims.findings]
  }, 180_000)

  test.each([
    'losing access takes effect on the next statement',
    'malformed claims see no row and cause no error',
  ] as const)('%s', (rule) => expect(broken(rule)).toEqual([]))
})
