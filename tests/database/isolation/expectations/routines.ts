import { analysisRoutines } from './routines-analysis.ts'
import { peopleRoutines } from './routines-people.ts'
import { anywhere, converses, helper, holds, idOf, inOrganization, ofA, rpc } from './rpc.ts'
import { serviceRoutines } from './routines-service.ts'
import type { RoutineExpectation } from './types.ts'

const hello = { request: { message: { content: 'hello' }, agent: 'droid' } }

export const routineExpectations: Readonly<Record<string, RoutineExpectation>> = {
  ...serviceRoutines,
  'private.claim_uuid(text)': helper(false),
  'private.current_account_id()': helper(true),
  'private.current_organization_id()': helper(false),
  'private.current_session()': helper(true),
  'private.current_tenant_id()': helper(false),
  'private.may_converse()': helper(false),
  'private.current_user_id()': helper(false),
  'private.has_permission(text)': helper(false),
  'private.organization_with(text)': helper(false),
  'private.jwt_claims()': helper(false),
  'private.uuid_v7()': helper(false),
  'private.file_address(text)': { executors: ['authenticated'], definer: false },
  'private.is_removed_file(text)': { executors: ['authenticated'], definer: true },
  'private.may_read_file(text)': { executors: ['authenticated'], definer: false },
  'private.may_write_file(text)': { executors: ['authenticated'], definer: false },
  'private.may_hear(text)': { executors: ['authenticated'], definer: false },
  'private.is_not_explained()': { executors: ['authenticated'], definer: false },
  'private.check_request()': {
    executors: ['anon', 'authenticated', 'service_role'],
    definer: false,
  },
  'private.take_turn(text)': { executors: ['anon', 'authenticated'], definer: false },
  'private.refuse_estimates()': { executors: ['anon', 'authenticated'], definer: false },
  'private.refuse_request()': { executors: ['anon', 'authenticated'], definer: false },
  'private.breaker_states()': helper(true),
  'private.member_addresses()': { ...helper(true), reveals: ['public.users.email'] },
  'private.verify_audit_chain(bigint)': verifier(true),
  'public.verify_audit_chain(bigint)': verifier(false),
  'public.custom_access_token_hook(jsonb)': { executors: ['supabase_auth_admin'], definer: true },

  ...peopleRoutines,
  ...analysisRoutines,
  ...rpc('export_audit_log(bigint, integer)', {
    allowed: holds('audit.read'),
    example: () => ({ after_sequence: 0, max_rows: 100 }),
  }),

  ...rpc('preview_system_prompt(text, jsonb)', {
    allowed: inOrganization,
    example: () => ({ content: 'Hello', variables: {} }),
  }),
  ...rpc('explain_effective_prompts(uuid, text, bigint)', {
    allowed: inOrganization,
    empty: true,
    example: () => ({ agent: 'droid' }),
  }),
  'public.get_effective_system_prompts(uuid, text, bigint)': {
    executors: ['authenticated'],
    definer: false,
    allowed: inOrganization,
    empty: true,
    example: () => ({ agent: 'droid' }),
  },
  ...rpc('remove_provider_credential(text)', {
    allowed: holds('agents.manage'),
    example: () => ({ provider: 'vertex-ai' }),
  }),
  ...rpc('create_client_schema(text)', {
    allowed: holds('agents.manage'),
    example: () => ({ name: 'fresh' }),
  }),
  'public.migrate_site_preferences()': { executors: [], definer: false },
  ...rpc('available_models(text[])', {
    allowed: inOrganization,
    example: () => ({ providers: null }),
  }),
  ...rpc('explain_effective_llm(text, text, uuid, bigint)', {
    allowed: inOrganization,
    example: () => ({ agent: 'droid' }),
  }),
  ...rpc('begin_execution(jsonb, text, text[])', {
    allowed: holds('agents.invoke'),
    example: () => hello,
  }),
  ...rpc('start_execution(uuid, text[])', { allowed: holds('agents.invoke') }),
  ...rpc('cancel_execution(uuid)', { allowed: converses }),
  ...rpc('read_execution_result(uuid)', { allowed: anywhere, empty: true }),
  ...rpc('read_response(uuid)', { allowed: holds('agents.invoke') }),
  'public.read_execution(uuid, bigint, integer)': { executors: ['authenticated'], definer: false },
  'private.event_batches(bigint, uuid, bigint, integer, integer)': {
    executors: ['authenticated'],
    definer: false,
  },
  'private.end_expired_execution(bigint, uuid)': {
    executors: ['authenticated'],
    definer: true,
    aboutOthers: true,
  },

  ...rpc('set_block_turns(bigint, bigint[])', {
    allowed: holds('projects.manage'),
    example: (world) => ({
      block_id: idOf(world, 'conversation.blocks', ofA(world)),
      turn_ids: [idOf(world, 'conversation.turns', ofA(world))],
    }),
  }),
  ...rpc('ask_for_person(uuid)', { allowed: converses }),
  ...rpc('take_over_session(uuid)', { allowed: holds('sessions.answer') }),
  ...rpc('assign_session(uuid, uuid)', { allowed: holds('sessions.answer') }),
  ...rpc('answer_session(uuid, text, uuid)', { allowed: holds('sessions.answer') }),
  ...rpc('hand_back_session(uuid, text)', { allowed: holds('sessions.answer') }),
  ...rpc('sessions_to_answer(integer)', {
    allowed: holds('sessions.answer'),
    example: () => ({ max_rows: 50 }),
  }),
  ...rpc('rate_message(uuid, text, text)', { allowed: converses }),
  ...rpc('feedback_by_agent(date, date)', {
    allowed: holds('agents.manage'),
    example: () => ({ since: '2000-01-01' }),
  }),
  ...rpc('decide_tool_call(uuid, text, text, text[])', { allowed: holds('agents.invoke') }),
  ...rpc('answer_tool_call(uuid, text, integer, jsonb, text, text, text[])', {
    allowed: holds('agents.invoke'),
  }),
  'public.read_elicitation(uuid, text)': {
    executors: ['authenticated'],
    definer: false,
    allowed: inOrganization,
    empty: true,
  },
  ...rpc('approve_mcp_tool(bigint, text)', { allowed: inOrganization }),
  ...Object.fromEntries(
    ['usage_by_day', 'usage_by_end_user'].map((name): [string, RoutineExpectation] => [
      `public.${name}(date, date, uuid, text)`,
      {
        executors: ['authenticated'],
        definer: false,
        allowed: inOrganization,
        empty: true,
        example: () => ({ since: '2000-01-01' }),
      },
    ]),
  ),
  'public.mcp_tool_changes(bigint)': {
    executors: ['authenticated'],
    definer: false,
    allowed: inOrganization,
    empty: true,
  },
  'private.json_leaves(jsonb)': { executors: ['authenticated'], definer: false },

  'private.mcp_connection_status(bigint, bigint)': helper(true),
  ...rpc('mcp_header_keys()', {
    allowed: inOrganization,
    empty: true,
    reveals: ['private.mcp_header_keys.name'],
  }),
  ...rpc('read_mcp_endpoint(bigint)', {
    allowed: inOrganization,
    reveals: ['private.mcp_endpoint_queries.query'],
  }),
  ...rpc('mcp_connections()', { allowed: inOrganization, empty: true, reveals: connection() }),
  ...rpc('open_mcp_configuration(bigint)', {
    allowed: holds('agents.invoke'),
    reveals: [...connection(), 'client_mgmt.oauth_issuer_exceptions.issuer'],
    example: (world) => ({
      id: idOf(
        world,
        'public.mcp_configurations',
        (row) => ofA(world)(row) && row.user_id === null,
      ),
    }),
  }),
  ...rpc('open_mcp_connection(bigint)', { allowed: inOrganization }),
  ...rpc('claim_mcp_authorization(text)', {
    allowed: holds('agents.invoke'),
    example: () => ({ handle: '0'.repeat(64) }),
    // A handle in the wrong hands is destroyed, and its organization told.
    destroys: true,
  }),
}

/** Columns of one's own connection that are no secret. */
function connection(): string[] {
  const columns = 'mcp_name oauth_provider endpoint issuer scope required_scope refresh_error'
  return columns.split(' ').map((name) => `public.mcp_oauth_tokens.${name}`)
}

function verifier(definer: boolean): RoutineExpectation {
  return {
    executors: ['authenticated', 'service_role'],
    definer,
    allowed: ({ role, permissions }) => role === 'service_role' || permissions.has('audit.read'),
    example: (world, actor) => ({
      organization_id: actor.tenant === 'b' ? world.b.organizationId : world.a.organizationId,
    }),
  }
}
