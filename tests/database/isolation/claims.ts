import fc from 'fast-check'

import { runAttempts } from './attempt.ts'
import type { Finding } from './cases/types.ts'
import { relationExpectations } from './expectations/index.ts'
import { literal } from './cases/statements.ts'
import type { Session } from './session.ts'

/** Claims that are no one's, or only look like someone's; each in the place of a good one. */
export function malformedClaims(good: Readonly<Record<string, unknown>>): unknown[] {
  const values: unknown[] = [
    null,
    true,
    0,
    -1,
    1.5,
    1e300,
    '',
    ' ',
    '1; drop table users',
    [],
    [1],
    {},
    { id: 1 },
    '99999999999999999999',
    '0x1',
    '1 ',
    '١',
    '\u0000',
    'x'.repeat(5_000),
    nested(3_000),
    good.organization_id === undefined ? 1 : [good.organization_id],
  ]
  const changed = ['organization_id', 'sub', 'session_id'].flatMap((claim) =>
    values.map((value) => ({ ...good, [claim]: value })),
  )
  const missing = ['organization_id', 'sub', 'session_id'].map((claim) =>
    Object.fromEntries(Object.entries(good).filter(([name]) => name !== claim)),
  )
  const random = fc.sample(
    fc.dictionary(
      fc.constantFrom('organization_id', 'sub', 'session_id', 'role', 'x'),
      fc.jsonValue(),
    ),
    { seed: 4, numRuns: 60 },
  )
  return [...changed, ...missing, ...random, [], 'text', 5, null, {}]
}

function nested(depth: number): unknown {
  let value: unknown = 0
  for (let level = 0; level < depth; level++) value = [value]
  return value
}

/** Every table and view that clients may read, with claims of every shape: no row and no error. */
export async function runClaims(session: Session): Promise<{ cases: number; findings: Finding[] }> {
  const owner = session.world.actors.find(({ name }) => name === 'owner')
  if (owner === undefined) throw new Error('there is no owner')
  const readable = Object.entries(relationExpectations).filter(
    // An account is its own person's, whatever the organization.
    ([id, { grants }]) => grants.authenticated?.select !== undefined && !id.endsWith('.users'),
  )
  const counts = readable.map(([id, { grants }]) => {
    const column =
      grants.authenticated?.select === '*' ? '*' : grants.authenticated?.select?.split(' ')[0]
    return `select ${literal(id)} as id, (select count(${column ?? '*'}) from ${id}) as n`
  })
  const sql = `select coalesce(jsonb_agg(to_jsonb(q)), '[]') from (${counts.join(' union all ')}) q where n > 0`
  const claims = malformedClaims(owner.claims)
  const outcomes = await runAttempts(
    session.full,
    claims.map((one) => ({
      actor: { role: 'authenticated' as const, claims: one as Record<string, unknown> },
      sql,
      reads: true,
    })),
  )
  const findings = outcomes.flatMap(({ code, message, rows }, index) =>
    code === null && rows?.length === 0
      ? []
      : [
          {
            rule: 'malformed claims see no row and cause no error' as const,
            object: 'all',
            actor: JSON.stringify(claims[index]).slice(0, 80),
            message: code === null ? JSON.stringify(rows) : `${code} ${message ?? ''}`,
          },
        ],
  )
  return { cases: claims.length * readable.length, findings }
}
