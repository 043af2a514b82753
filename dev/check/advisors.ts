import { z } from 'zod'
import { runSupabaseJson } from './supabase-cli.ts'

const advice = z.object({
  results: z.array(
    z.object({
      name: z.string(),
      level: z.enum(['INFO', 'WARN', 'ERROR']),
      detail: z.string(),
      metadata: z.looseObject({ schema: z.string().optional(), name: z.string().optional() }),
    }),
  ),
})

/**
 * Exposed tables that deny every client on purpose: row-level security without a policy and, as the
 * step `catalog` checks, no grant. Only functions that check their caller, or the service role,
 * reach them. The schema private is not exposed, so its tables need no policy.
 */
const deniesEveryone: readonly string[] = [
  'client_mgmt.mcp_tool_listings',
  'public.admin_audit_log',
  'public.circuit_breaker_state',
  'public.mcp_oauth_tokens',
  'public.oauth_states',
  'public.platform_admins',
]

/**
 * Runs Supabase's security and performance advisors. Only two findings at level info are accepted:
 * `unused_index`, since a fresh database has used none, and `rls_enabled_no_policy` for tables that
 * deny everyone on purpose.
 *
 * @returns one line per finding; empty when there is none
 */
export async function findAdvice(databaseUrl: string): Promise<string[]> {
  const { code, answer, stderr } = await runSupabaseJson(
    databaseUrl,
    ['db', 'advisors', '--level=info', '--fail-on=warn'],
    advice,
  )
  const { results } = answer
  const closed = results.filter((result) => result.name === 'rls_enabled_no_policy').map(tableOf)
  const problems = results
    .filter((result) => !isAccepted(result))
    .map(({ level, name, detail }) => `${level} ${name}: ${detail}`)
  const opened = deniesEveryone.filter((table) => !closed.includes(table))
  problems.push(
    ...opened.map(
      (table) => `${table} no longer denies everyone: take it off the list in advisors.ts`,
    ),
  )
  if (code !== 0 && problems.length === 0) problems.push(`exit code ${code}: ${stderr}`)
  return problems
}

type Finding = z.infer<typeof advice>['results'][number]

function isAccepted(finding: Finding): boolean {
  if (finding.level !== 'INFO') return false
  if (finding.name === 'unused_index') return true
  if (finding.name !== 'rls_enabled_no_policy') return false
  return finding.metadata.schema === 'private' || deniesEveryone.includes(tableOf(finding))
}

function tableOf({ metadata }: Finding): string {
  return `${metadata.schema ?? ''}.${metadata.name ?? ''}`
}
