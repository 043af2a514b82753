import type { RoutineExpectation } from './types.ts'

const secrets = [
  'private.mcp_bearer_tokens.bearer_token',
  'private.mcp_endpoint_queries.query',
  'private.mcp_header_keys.sealed_value',
  'private.mcp_revocations.access_token',
  'private.mcp_revocations.client_secret',
  'private.mcp_revocations.refresh_token',
  'public.mcp_oauth_tokens.access_token',
  'public.mcp_oauth_tokens.refresh_token',
  'public.oauth_states.code_verifier',
  'public.oauth_states.code',
  'private.oauth_client_secrets.client_secret',
  'private.provider_keys.sealed_key',
  'private.elicitation_secrets.request_state',
  'private.elicitation_secrets.answers',
]

/** Ciphertexts go to the functions that hold the key, and to nobody else. */
const sealed = [
  'claim_tool_calls(bigint, uuid, integer)',
  'claim_mcp_revocations(integer)',
  'delete_mcp_connection(bigint, bigint, uuid)',
  'lease_oauth_client(bigint, uuid, text, boolean, text)',
  'list_sealed_values(text, jsonb, integer)',
  'provider_credential(bigint, text)',
  'resolve_mcp_endpoint(bigint, uuid, bigint, text)',
  'store_oauth_client(bigint, uuid, bigint, uuid, jsonb)',
  'take_oauth_code(bigint, bigint, uuid)',
  'use_mcp_connection(bigint, uuid, bigint, bigint, boolean)',
]

const plain = [
  'acquire_probe(bigint, uuid, bigint, integer)',
  'append_execution_events(bigint, uuid, bigint, text, integer)',
  'begin_due_schedule(text[])',
  'begin_execution_as(uuid, bigint, jsonb, text, text[])',
  'begin_tool_calls(bigint, uuid, integer, jsonb, jsonb, integer)',
  'claim_embeddings(text[])',
  'claim_removed_files(integer)',
  'cleanup_abandoned_guests(integer)',
  'cleanup_change_windows(integer)',
  'cleanup_ended_invitations(integer)',
  'cleanup_ended_mcp_revocations(integer)',
  'cleanup_expired_oauth_states(integer)',
  'cleanup_expired_oauth_tokens(integer)',
  'cleanup_expired_sessions(integer)',
  'cleanup_old_embeddings(integer)',
  'cleanup_transient_sessions(integer)',
  'cleanup_unused_oauth_clients(integer)',
  'consume_oauth_state(text)',
  'create_oauth_state(bigint, jsonb)',
  'end_mcp_revocation(bigint, bigint)',
  'end_oauth_state(bigint, bigint)',
  'expire_execution_leases(integer)',
  'expire_tool_approvals(integer)',
  'expire_idempotency_keys(integer)',
  'fail_embeddings(bigint, uuid, text, text, integer, bigint, numeric)',
  'fail_mcp_refresh(bigint, bigint, bigint, uuid, text, boolean)',
  'finish_execution(bigint, uuid, jsonb, integer)',
  'finish_lens_block(bigint, bigint, bigint, jsonb)',
  'finish_tool_call(bigint, uuid, text, jsonb, integer)',
  'follow_execution(bigint, uuid, bigint, uuid[])',
  'has_due_schedule()',
  'identify_api_key(text)',
  'queue_embeddings(integer)',
  'queue_mcp_revocation(bigint, uuid, bigint, jsonb)',
  'record_mcp_tools(bigint, uuid, bigint, text, jsonb, integer)',
  'log_audit_event(bigint, text, text, text, jsonb, boolean, text, text, text)',
  'reindex_search(integer)',
  'reject_oauth_client(bigint, bigint, text)',
  'release_oauth_client(bigint, bigint, uuid)',
  'read_hand_back_note(bigint, uuid)',
  'renew_execution_lease(bigint, uuid, integer)',
  'reserve_execution_step(bigint, uuid, bigint, bigint, integer)',
  'require_mcp_scope(bigint, uuid, bigint, text)',
  'reseal_value(text, bigint, text, text, text, text)',
  'sealed_key_usage()',
  'set_mcp_bearer_token(bigint, uuid, bigint, text, text)',
  'set_mcp_header_key(bigint, uuid, bigint, text, boolean, text, text)',
  'set_oauth_client(bigint, uuid, text, text, text, text)',
  'start_execution_as(uuid, bigint, uuid, text[])',
  'store_embeddings(bigint, uuid, jsonb, bigint, numeric)',
  'store_mcp_connection(bigint, uuid, jsonb)',
  'store_mcp_refresh(bigint, bigint, bigint, jsonb)',
  'store_oauth_code(bigint, bigint, text, text)',
  'store_provider_credential(bigint, uuid, text, text, text)',
  'suspend_tool_call(bigint, uuid, text, integer, jsonb, text, jsonb, integer)',
]

const invoker = [
  'act_with_api_key(text, text, jsonb)',
  'clean_ups()',
  'decrypt_token(text, text)',
  'encrypt_token(text, text)',
]

const forService = (definer: boolean, reveals: readonly string[]) => (signature: string) =>
  [`public.${signature}`, { executors: ['service_role'], definer, reveals }] as const

const entries: readonly (readonly [string, RoutineExpectation])[] = [
  ...sealed.map(forService(true, secrets)),
  ...plain.map(forService(true, [])),
  ...invoker.map(forService(false, [])),
  ['private.enter_api_key(text)', { executors: ['service_role'], definer: true }],
]

/** Functions for the edge functions and for upkeep; no person may call any of them. */
export const serviceRoutines: Readonly<Record<string, RoutineExpectation>> =
  Object.fromEntries(entries)
