/** Mutants that nothing notices because they change nothing that anyone could notice, and why. */
export const explained: readonly { pattern: RegExp; reason: string }[] = [
  {
    pattern:
      /^policy \w+ on (client_mgmt\.(budget_counters|mcp_tools|mcp_tool_policies)|conversation\.(execution_events|tool_approvals|tool_calls|tool_elicitations)) without \(organization_id = /,
    reason:
      'the row shows only beside one of the table it hangs on, found by both columns of their key and under the policies of that table, which name the tenant',
  },
  {
    pattern:
      /^policy insert_self on client_mgmt\.system_prompt_opt_outs without \(organization_id = /,
    reason: 'no client may name the column; its default is the caller’s organization',
  },
  {
    pattern: /^policy \w+ on public\.system_prompts without \(scope = 'user'::text\)$/,
    reason: 'system_prompts_scope_columns: only a person’s layer has a person',
  },
  {
    pattern:
      /^(client_mgmt\.mcp_(tools|tool_policies) unique on "mcp_configuration_id"|conversation\.(block_turns|block_lens_version) unique on "block_id"|client_mgmt\.llm_configs unique on "project_id"|public\.mcp_oauth_tokens unique on "user_id", "mcp_configuration_id"|public\.client_schema_preferences unique on "client_schema_id")/,
    reason: 'the id that the key has beside the tenant is one tenant’s already: two never share it',
  },
  {
    pattern:
      /^private\.claim_mcp_authorization\(text\) without its conditions on the organization$/,
    reason: 'the state is named by its id as well, which is one row’s on the whole platform',
  },
  {
    pattern:
      /^public\.(delete_mcp_connection|end_oauth_state|fail_mcp_refresh|reject_oauth_client|release_oauth_client|store_mcp_refresh|store_oauth_client|store_oauth_code|take_oauth_code)\(.*\) without its conditions on the organization$/,
    reason:
      'for service_role alone, which names a row that it has read by its id as well, and that is one row’s on the whole platform',
  },
  {
    pattern:
      /^private\.(search|search_matches|words_wanted|nearest_matches)\(.*\) without its conditions on the organization$/,
    reason:
      'each word of the index and of the query begins with the id of the organization, and each vector belongs to a text whose place names it: tests/database/search',
  },
  {
    pattern:
      /^public\.(create_oauth_state|lease_oauth_client|require_mcp_scope|reseal_value|store_mcp_connection|use_mcp_connection)\(/,
    reason:
      'for the function oauth alone, whose own tests start workers and are not asked here: tests/functions/oauth',
  },
]
