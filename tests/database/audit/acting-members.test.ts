import { expect, test } from 'vitest'
import { connectOwner } from '../../support/stack/database.ts'

// An event of the log is never deleted, so each one that a member can cause counts as the member's act
// (private.require_acting_member()), or follows one that did.

const sql = connectOwner()

/** Functions that change an audited table for the service role, and why no act is counted. */
const uncounted: Readonly<Record<string, string>> = {
  begin_due_schedule: 'It pauses a schedule once, which a counted act resumes.',
  cleanup_abandoned_guests:
    'The schedule calls it: a guest ends once, and the guests of a minute are bounded.',
  cleanup_ended_invitations: 'The schedule calls it: each event follows a counted invitation.',
  cleanup_unused_oauth_clients: 'The schedule calls it: each event follows a counted registration.',
  log_audit_event: 'Programs of the platform call it, for no member.',
  reject_oauth_client: 'The log does not record a rejection.',
  release_oauth_client: 'It ends a counted lease, once.',
}

/** The functions of the service role alone, with the bodies of the functions that they call. */
async function serviceFunctions(): Promise<Map<string, string>> {
  const rows = await sql<{ name: string; body: string; starts: boolean }[]>`
    select p.proname as name, p.prosrc as body,
      p.pronamespace = 'public'::regnamespace
        and has_function_privilege('service_role', p.oid, 'execute')
        and not has_function_privilege('authenticated', p.oid, 'execute') as starts
    from pg_proc p
    where p.pronamespace = any ('{public,private}'::regnamespace[]) and p.prosrc <> ''`
  const bodies = new Map<string, string>()
  for (const { name, body } of rows) bodies.set(name, `${bodies.get(name) ?? ''}\n${body}`)
  const whole = (name: string, seen: Set<string>): string => {
    if (seen.has(name)) return ''
    seen.add(name)
    const body = bodies.get(name) ?? ''
    const called = [...body.matchAll(/\bprivate\.(\w+)\(/g)].map(([, one]) => one ?? '')
    return [body, ...called.map((one) => whole(one, seen))].join('\n')
  }
  const starts = rows.filter((row) => row.starts).map(({ name }) => name)
  return new Map(starts.map((name) => [name, whole(name, new Set())]))
}

test('each function of the service role that makes events counts them, or has its reason', async () => {
  const audited = await sql<{ name: string }[]>`
    select distinct t.tgrelid::regclass::text as name from pg_trigger t
    where t.tgfoid = 'private.audit_change'::regproc`
  const names = audited.map(({ name }) => name.replace('.', '\\.')).join('|')
  expect(audited.length).toBeGreaterThan(10)
  const writes = new RegExp(
    `(insert into|update|delete from)\\s+(${names})\\b|write_audit_event\\(`,
  )
  const found: string[] = []
  for (const [name, body] of await serviceFunctions()) {
    if (!writes.test(body)) continue
    if (!body.includes('perform private.require_acting_member(')) found.push(name)
  }
  expect(found.sort()).toEqual(Object.keys(uncounted).sort())
})
