import type { SupabaseClient } from '@supabase/supabase-js'
import { type DemoPerson, newClient } from './person.ts'
import type { DemoReport } from './report.ts'
import type { DemoTarget } from './target.ts'

interface Shown {
  schema: 'public' | 'client_mgmt' | 'conversation'
  table: string
  /** Column that names the organization. */
  tenant: 'organization_id' | 'id'
  /** Whether founding an organization alone gives it rows; the other tables stay empty for it. */
  hasOwn: boolean
}

const shown: Shown[] = [
  { schema: 'public', table: 'chat_sessions', tenant: 'organization_id', hasOwn: false },
  { schema: 'public', table: 'v_recent_sessions', tenant: 'organization_id', hasOwn: false },
  { schema: 'public', table: 'chat_messages', tenant: 'organization_id', hasOwn: false },
  { schema: 'public', table: 'agent_executions', tenant: 'organization_id', hasOwn: false },
  { schema: 'public', table: 'agent_metrics', tenant: 'organization_id', hasOwn: false },
  { schema: 'client_mgmt', table: 'usage_ledger', tenant: 'organization_id', hasOwn: false },
  { schema: 'client_mgmt', table: 'projects', tenant: 'organization_id', hasOwn: false },
  { schema: 'public', table: 'audit_logs', tenant: 'organization_id', hasOwn: true },
  { schema: 'public', table: 'organizations', tenant: 'id', hasOwn: true },
  { schema: 'public', table: 'user_sessions', tenant: 'organization_id', hasOwn: true },
  { schema: 'client_mgmt', table: 'client_users', tenant: 'organization_id', hasOwn: true },
  { schema: 'client_mgmt', table: 'clients', tenant: 'id', hasOwn: true },
]

/**
 * Reads the same tables as three people: the owner of the rows sees some, or the comparison would
 * show nothing; a stranger sees rows of another organization only; someone not signed in, none.
 */
export async function compareTables(
  target: DemoTarget,
  report: DemoReport,
  owner: DemoPerson,
  stranger: DemoPerson,
): Promise<void> {
  const visitor = newClient(target)
  const readers = [owner.name, stranger.name, `of which ${owner.name}’s`, 'not signed in']
  report.line(`  ${columns('rows read by', readers)}`)
  for (const entry of shown) {
    const mine = owner.organization.id
    const own = await read(owner.client, entry)
    const foreign = await read(stranger.client, entry)
    const asked = await read(stranger.client, entry, mine)
    const anonymous = await read(visitor, entry)
    const seen = foreign.rows.length
    const expected = entry.hasOwn ? seen > 0 : seen === 0
    const isolated =
      own.rows.length > 0 &&
      own.rows.every((row) => row[entry.tenant] === mine) &&
      foreign.error === null &&
      foreign.rows.every((row) => row[entry.tenant] === stranger.organization.id) &&
      expected &&
      asked.error === null &&
      asked.rows.length === 0 &&
      anonymous.rows.length === 0
    const name = entry.schema === 'public' ? entry.table : `${entry.schema}.${entry.table}`
    const theirs = foreign.rows.filter((row) => row[entry.tenant] === mine).length
    report.check(columns(name, [own.rows.length, seen, theirs, anonymous.rows.length]), isolated, {
      own,
      foreign,
      asked,
      anonymous,
    })
  }
}

function columns(name: string, cells: (string | number)[]): string {
  return name.padEnd(26) + cells.map((cell) => String(cell).padStart(16)).join('')
}

type Row = Record<string, unknown>

async function read(
  client: DemoPerson['client'],
  { schema, table, tenant }: Shown,
  organizationId?: number,
): Promise<{ rows: Row[]; error: string | null }> {
  // The names are known at run time only, so the types of this database do not apply here.
  const query = (client as unknown as SupabaseClient).schema(schema).from(table).select()
  const answer = await (organizationId === undefined ? query : query.eq(tenant, organizationId))
  return { rows: (answer.data ?? []) as Row[], error: answer.error?.code ?? null }
}
