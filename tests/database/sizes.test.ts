import type { TransactionSql as Tx } from 'postgres'
import { expect, test } from 'vitest'
import { addMember, addOwner, refusal } from '../support/people/tenants.ts'
import { connectOwner, rolledBack } from '../support/stack/database.ts'

const sql = connectOwner()

/** What bounds a value: a length, a closed set, a pattern that ends. */
const bound = (column: string) =>
  new RegExp(
    [
      String.raw`(char_length|octet_length|cardinality)\(\(?${column}\b[^=<>]*<=?`,
      String.raw`char_length\(${column}\) >= \d+\) AND \(char_length\(${column}\) <=`,
      String.raw`\b${column} = (ANY \(ARRAY\[|')`,
      String.raw`\b${column} ~ '\^.*\{0,\d+\}\$'`,
    ].join('|'),
  )

test('every text, JSON or array that a client may write has a bound', async () => {
  const columns = await sql<{ name: string; column: string; checks: string }[]>`
    select format('%I.%I.%I', n.nspname, c.relname, a.attname) as name, a.attname as column,
      coalesce((
        select string_agg(pg_get_constraintdef(k.oid), ' ') from pg_constraint k
        where k.conrelid = c.oid and k.contype = 'c' and a.attnum = any (k.conkey)
      ), '') as checks
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    where n.nspname in ('public', 'client_mgmt', 'conversation') and c.relkind = 'r'
      and a.attlen = -1 and a.atttypid <> 'numeric'::regtype
      and (has_column_privilege('authenticated', c.oid, a.attnum, 'insert')
        or has_column_privilege('authenticated', c.oid, a.attnum, 'update'))
    order by 1`
  expect(columns.length).toBeGreaterThan(40)
  const without = columns.filter(({ column, checks }) => !bound(column).test(checks))
  expect(without.map(({ name }) => name)).toEqual([])
})

test('a value beyond its bound is refused, of a member and of an owner', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const member = await addMember(tx, owner.organizationId)
    const huge = tx.json({ a: 'x'.repeat(65_536) })
    // Settings have no long text: a number in JSON may have 16,383 digits.
    const names = ['temperature', 'top_p', 'presence_penalty', 'frequency_penalty']
    const one = `1.${'0'.repeat(16_383)}`
    const precise = `{${names.map((name) => `"${name}": ${one}`).join()}}`
    const statements = {
      users: [member, (t: Tx) => t`update public.users set metadata = ${huge}`],
      user_sessions: [
        member,
        (t: Tx) => t`update public.user_sessions set session_metadata = ${huge}`,
      ],
      chat_sessions: [
        member,
        (t: Tx) => t`insert into public.chat_sessions (metadata) values (${huge})`,
      ],
      organizations: [
        owner,
        (t: Tx) => t`update public.organizations set settings = ${precise}::text::jsonb`,
      ],
    } as const
    for (const [table, [person, statement]] of Object.entries(statements)) {
      expect(await refusal(tx, person, statement), table).toMatch(/^23514 .*_length"$/)
    }
  })
})
