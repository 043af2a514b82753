import type { Outcome } from '../attempt.ts'
import type { Case, Finding } from '../cases/types.ts'
import type { Row } from '../rules.ts'
import type { MatrixRule } from '../rules-list.ts'
import { describe } from './leaks.ts'

/**
 * Classes of SQLSTATE that say the request was wrong. Anything else, such as 42P17 (a policy that
 * recurses), 54 (a limit of the program) or XX, would be our fault and a 500. PGRST carries its status.
 */
const answers =
  /^(22|23|0A000|42501|P0001|55000|PT\d{3}|PGRST \{"code" : "PT429"|428C9|42601|21000)/

/**
 * No grant or no policy; or what no grant could allow, which the server finds out first. PostgREST's
 * role refuses a change without a filter before the server looks at grants.
 */
const refusals = [
  /^42501/,
  /^428C9/,
  /^55000 cannot (insert into|update|delete from) view/,
  /^21000 (UPDATE|DELETE) requires a WHERE clause/,
]

/** Compares what came of a case with what was expected of it. */
export function compareOutcome(one: Case, outcome: Outcome): Finding[] {
  const { expected, actor } = one
  const { code, message, rows } = outcome
  const finding = (rule: MatrixRule, text: string): Finding => ({
    rule,
    object: one.object,
    actor: actor === 'owner' ? 'owner of the tables' : actor.name,
    message: `${describe(one)}: ${text}`,
  })
  const came = code === null ? `gave ${rows?.length ?? 0} rows` : `${code} ${message ?? ''}`
  if (code !== null && !answers.test(came)) {
    return [finding('every refusal is an answer, not a fault', came)]
  }
  switch (expected.kind) {
    case 'open':
      return []
    case 'refused':
      if (expected.orDangling === true && code?.startsWith('23') === true) return []
      return refusals.some((one) => one.test(`${code} ${message}`))
        ? []
        : [finding('what is not granted is refused with 42501', came)]
    case 'denied':
      // Values that cannot be read are refused before the function begins.
      return code === '42501' || code?.startsWith('22') === true
        ? []
        : [finding('what is not granted is refused with 42501', came)]
    case 'nothing':
      return code?.startsWith('22') === true || (code === null && (rows ?? []).every(isNothing))
        ? []
        : [finding('everyone sees exactly the rows they may', came)]
    case 'dangling':
      return code?.startsWith('23') === true
        ? []
        : [finding('no reference leads out of its tenant', came)]
    case 'succeeds':
      // The policies let it through; the table may hold such a row already.
      return code === null || code === '23505' ? [] : [finding('what is allowed succeeds', came)]
    case 'in use':
      return code === 'PT409' && message === 'in_use'
        ? []
        : [finding('everyone changes exactly the rows they may', `${came}, not in_use`)]
    case 'affected':
      return code === null && rows?.length === expected.count
        ? []
        : [finding('everyone changes exactly the rows they may', `${came}, not ${expected.count}`)]
    case 'rows':
      if (code !== null) return [finding('everyone sees exactly the rows they may', came)]
      return compareRows(rows ?? [], expected.rows, expected.key).map((text) =>
        finding('everyone sees exactly the rows they may', text),
      )
  }
}

const isNothing = (row: Row): boolean => Object.values(row).every((value) => value === null)

function compareRows(
  found: readonly Row[],
  expected: readonly Row[],
  key: readonly string[],
): string[] {
  const keyOf = (row: Row) => JSON.stringify(key.map((name) => row[name] ?? null))
  const [have, want] = [new Set(found.map(keyOf)), new Set(expected.map(keyOf))]
  return [
    ...[...have].filter((one) => !want.has(one)).map((one) => `sees ${one}`),
    ...[...want].filter((one) => !have.has(one)).map((one) => `does not see ${one}`),
  ]
}
