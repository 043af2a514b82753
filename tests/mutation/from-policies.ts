import type { Catalog, Policy } from '../database/isolation/catalog.ts'
import type { Mutant } from './mutant.ts'

/** Each policy dropped, opened to every row, and without each of its conditions in turn. */
export function policyMutants(catalog: Catalog): Mutant[] {
  return catalog.relations.flatMap(({ id, policies }) =>
    policies.flatMap((policy): Mutant[] => {
      const on = `${policy.name} on ${id}`
      return [
        {
          kind: 'policy dropped',
          objects: [id],
          name: `policy ${on} dropped`,
          sql: `drop policy ${on}`,
        },
        {
          kind: 'policy opened',
          objects: [id],
          name: `policy ${on} true`,
          sql: `alter policy ${on} ${clauses(policy, () => 'true')}`,
        },
        ...conditionsOf(policy).map((condition): Mutant => ({
          kind: 'condition of a policy removed',
          objects: [id],
          name: `policy ${on} without ${condition.replace(/\s+/g, ' ').slice(0, 110)}`,
          sql: `alter policy ${on} ${clauses(policy, (text) => text.replaceAll(condition, 'true'))}`,
        })),
      ]
    }),
  )
}

/** Both expressions after a change, as the command takes them. */
function clauses({ using, check }: Policy, change: (text: string) => string): string {
  return [
    ...(using === null ? [] : [`using (${change(using)})`]),
    ...(check === null ? [] : [`with check (${change(check)})`]),
  ].join(' ')
}

/** The innermost conditions: comparisons, calls and EXISTS, as the catalog writes them. */
function conditionsOf({ using, check }: Policy): string[] {
  const text = using ?? check ?? ''
  const patterns = [
    /\(\s*SELECT private\.has_permission\('[^']*'::text\) AS has_permission\)/g,
    /\(\(\w+ >= \(\s*SELECT private\.organization_with\([^()]*\) AS \w+\)\) AND \(\w+ <= \(\s*SELECT private\.organization_with\([^()]*\) AS \w+\)\)\)/g,
    /\(\w+ = \(\s*SELECT private\.\w+\(\) AS \w+\)\)/g,
    /\(\w+ = '[^']*'::text\)/g,
    /\(\w+ IS (NOT )?NULL\)/g,
    /\(\(\s*SELECT private\.\w+\(\) AS \w+\) IS NOT NULL\)/g,
  ]
  const found = patterns.flatMap((pattern) => [...text.matchAll(pattern)].map(([match]) => match))
  const exists = existsIn(text)
  return [...new Set([...found, ...(exists === undefined ? [] : [exists])])]
}

/** `(EXISTS ( … ))` with its parentheses, if there is one. */
function existsIn(text: string): string | undefined {
  const start = text.indexOf('(EXISTS (')
  if (start === -1) return undefined
  let depth = 0
  for (let at = start; at < text.length; at++) {
    if (text[at] === '(') depth++
    else if (text[at] === ')' && --depth === 0) return text.slice(start, at + 1)
  }
  return undefined
}
