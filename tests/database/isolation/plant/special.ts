import { createHash } from 'node:crypto'

import type { Row, Value } from '../rules.ts'
import type { Planting } from './rows.ts'

type Overrides = Readonly<Record<string, Value>>

/** The tokens of the planted invitations, by what is the matter with each. */
export const invitationKinds = ['pending', 'of another', 'expired', 'used', 'revoked'] as const
export const invitationToken = (tenant: string, kind: string): string =>
  `invitation of ${tenant}, ${kind}`

const hashed = (text: string): string => `\\x${createHash('sha256').update(text).digest('hex')}`
const some = (one: string | undefined): string[] => (one === undefined ? [] : [one])
const past = '2020-01-01T00:00:00Z'
const sealed = (planting: Planting): string => `v1.key.nonce.${planting.names.text()}`
/** Settings that the trigger check_settings accepts. */
const settings = ({ names }: Planting): Value => ({ stop: [names.text()] })

/**
 * Rows that the catalog alone cannot give: several columns under one check, or several kinds of
 * row under one policy. One planted row per entry; what an entry does not say is generated.
 */
export const special: Readonly<Record<string, (planting: Planting) => readonly Overrides[]>> = {
  // A takes guests and B none, so that nobody joins B.
  'public.organizations': ({ names }) => [
    { settings: { stop: [names.text()], guests_may_join: names.tenant === 'a' } },
  ],
  'public.agents': (planting) => [{ type: 'openrouter', config: settings(planting) }],
  'public.models': (planting) => [{ provider: 'openrouter', config: settings(planting) }],
  'client_mgmt.projects': (planting) => [{ settings: settings(planting) }],
  'client_mgmt.prompts': ({ names }) => [
    { variables: { [names.tenant]: { type: 'text', value: names.text() } } },
  ],
  'public.agent_health': ownAndPlatformAgent,
  'public.agent_metrics': ownAndPlatformAgent,
  'public.circuit_breaker_state': (planting) => [
    { state: 'open' },
    { organization_id: null, state: planting.names.tenant === 'b' ? 'open' : 'closed' },
  ],
  'public.client_schema_preferences': ({ preferenceType }) => [
    { preference_type_id: preferenceType },
  ],
  'client_mgmt.llm_configs': (planting) => [
    { project_id: null, settings: settings(planting) },
    { settings: settings(planting) },
  ],
  'client_mgmt.budgets': ({ member }) => [
    { limit_usd: 1_000_000, period: 'month', project_id: null, user_id: null },
    { limit_usd: 1_000_000, period: 'month', project_id: null, user_id: member },
    { limit_usd: 1_000_000, period: 'month', user_id: null },
  ],
  'client_mgmt.provider_credentials': () => [{ last_four: 'tail' }],
  'private.provider_keys': (planting) => [{ sealed_key: sealed(planting) }],
  'private.mcp_bearer_tokens': (planting) => [{ bearer_token: sealed(planting) }],
  'private.mcp_header_keys': (planting) =>
    [null, planting.member].map((user_id) => ({
      user_id,
      name: `x-${planting.names.text()}`.toLowerCase(),
      sealed_value: sealed(planting),
    })),
  'private.oauth_client_secrets': (planting) => [{ client_secret: sealed(planting) }],
  'private.invitation_tokens': ({ names, rows }) =>
    invitationKinds.map((kind, index) => ({
      invitation_id: rows.get('client_mgmt.invitations')?.[index]?.id ?? null,
      token_hash: hashed(invitationToken(names.tenant, kind)),
    })),
  'client_mgmt.invitations': ({ names, invited }) =>
    invitationKinds.map((kind): Overrides => {
      const another = { email: `${names.text()}@example.com`, role: 'member' }
      // B invites nobody whom A's tests know.
      const mine = names.tenant === 'b' ? another : { ...another, email: invited }
      if (kind === 'expired') return { ...another, expires_at: past }
      if (kind === 'used') return { ...mine, accepted_at: past }
      if (kind === 'revoked') return { ...mine, revoked_at: past }
      return kind === 'pending' ? mine : another
    }),
  'public.system_prompts': ({ member, owner, veteran }) => [
    { scope: 'organization', user_id: null, project_id: null, context: null },
    { scope: 'organization', user_id: null, context: 'support' },
    ...[member, owner, ...some(veteran)].map((user_id) => ({
      scope: 'user',
      user_id,
      project_id: null,
      context: null,
    })),
  ],
  'public.chat_sessions': ({ member, owner, veteran, customers }) => [
    { user_id: member, handled_by: null },
    { user_id: member, visibility: 'organization', handled_by: owner },
    { user_id: owner, handled_by: null },
    ...some(veteran).map((user_id) => ({ user_id, handled_by: null })),
    ...customers.map((user_id) => ({
      user_id,
      agent_id: null,
      model_id: null,
      project_id: null,
      handled_by: null,
    })),
  ],
  'public.chat_messages': () => [{ role: 'user' }],
  'public.agent_executions': () => [{ status: 'success', completed_at: past, route: [] }],
  'public.mcp_configurations': (planting) =>
    [null, planting.member, planting.owner, ...some(planting.veteran)].map((user_id) => ({
      user_id,
      type: 'http',
      oauth_resource: `api://${planting.names.text()}`,
      // The trigger moves the query to private.mcp_endpoint_queries.
      endpoint: `https://${planting.names.text()}.example.com/?${planting.names.text()}`,
    })),
  'client_mgmt.oauth_clients': () => [
    { source: 'preregistered', redirect_uri: null },
    { source: 'dynamic' },
  ],
  'client_mgmt.mcp_allowed_hosts': ({ names }) => [{ host: `${names.text()}.example.com` }],
  'conversation.participants': ({ member }) => [{ user_id: null }, { user_id: member }],
  'conversation.lens_prototypes': () => [
    { agent: null, model: null, variables: {}, output_schema: { type: 'object' } },
  ],
  // Two results of one block, so that a comparison has a row.
  'conversation.block_lens_version': ({ names }) =>
    [1, 2].map((version) => ({
      version,
      result: { text: names.text() },
      error_code: null,
      execution_ids: '{}',
    })),
  // The first is written with the lens.
  'conversation.lens_versions': () => [{ version: 2 }],
}

/** What a further row of these tables needs to differ in from the planted ones. */
export const further: Readonly<Record<string, (planting: Planting) => Overrides>> = {
  'client_mgmt.llm_configs': () => ({ provider: 'openai-compatible' }),
  'client_mgmt.budgets': () => ({ period: 'day' }),
  'client_mgmt.system_prompt_opt_outs': ({ rows }) => ({
    system_prompt_id:
      (rows.get('public.system_prompts') ?? []).find((row) => row.user_id === null)?.id ?? null,
  }),
  'conversation.block_turns': ({ rows }) => ({
    turn_id: rows.get('conversation.turns')?.[1]?.id ?? null,
    sequence_order: 2,
  }),
}

function ownAndPlatformAgent({ rows, platformAgent }: Planting): readonly Overrides[] {
  const [own] = rows.get('public.agents') ?? ([] as Row[])
  return [{ agent_id: own?.id ?? null }, { agent_id: platformAgent }]
}
