import { perStatement } from './triggers.ts'

/** Tables whose rows and bytes are counted against a quota. */
const counted: readonly string[] = [
  'client_mgmt.budgets',
  'client_mgmt.client_users',
  'client_mgmt.invitations',
  'client_mgmt.llm_configs',
  'client_mgmt.mcp_allowed_hosts',
  'client_mgmt.mcp_tool_policies',
  'client_mgmt.model_prices',
  'client_mgmt.oauth_clients',
  'client_mgmt.oauth_issuer_exceptions',
  'client_mgmt.projects',
  'client_mgmt.prompts',
  'conversation.block_lens_version',
  'conversation.block_turns',
  'conversation.blocks',
  'conversation.lens_prototypes',
  'conversation.message_feedback',
  'conversation.participants',
  'conversation.turns',
  'private.files',
  'public.agents',
  'public.chat_sessions',
  'public.client_schema_preferences',
  'public.client_schemas',
  'public.mcp_configurations',
  'public.mcp_oauth_tokens',
  'public.models',
  'public.oauth_states',
  'public.system_prompts',
]

/** The triggers that count the rows of a table, by name. */
export function quotaTriggers(id: string): Readonly<Record<string, string>> {
  if (!counted.includes(id)) return {}
  const [, table = ''] = id.split('.')
  return perStatement(table, 'quota', 'count_quota()', ['insert', 'update', 'delete'])
}
