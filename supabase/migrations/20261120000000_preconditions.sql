-- Preconditions: what has to be so before anything is made. Each file is applied by itself, so a
-- collision in a later one would leave schemas and changed default privileges behind.
-- Special: makes nothing.

do $$
declare
  -- Each table with its indexes and its sequence, then views and types.
  relations constant text[] := string_to_array(btrim(regexp_replace('
    admin_audit_log admin_audit_log_admin_id_idx admin_audit_log_id_seq admin_audit_log_pkey
      admin_audit_log_timestamp_idx
    agent_executions agent_executions_agent_id_idx agent_executions_created_at_idx
      agent_executions_end_user_idx
      agent_executions_idempotency_key agent_executions_keys_idx agent_executions_lease_idx
      agent_executions_live_idx agent_executions_message_id_idx agent_executions_model_id_idx
      agent_executions_person_idx agent_executions_pkey agent_executions_project_id_idx
      agent_executions_session_id_idx agent_executions_status_idx agent_executions_user_id_idx
    agent_health agent_health_agent_id_idx agent_health_agent_id_key agent_health_id_seq agent_health_pkey
      agent_health_status_idx
    agent_metrics agent_metrics_agent_id_idx agent_metrics_date_idx agent_metrics_day_key
      agent_metrics_id_seq agent_metrics_pkey
    agents agents_enabled_idx agents_id_seq agents_name_key agents_pkey
    audit_logs audit_logs_action_idx audit_logs_id_seq audit_logs_pkey audit_logs_resource_idx
      audit_logs_sequence_key audit_logs_timestamp_idx audit_logs_user_id_idx
    chat_messages chat_messages_author_id_idx chat_messages_created_at_idx chat_messages_parent_idx
      chat_messages_pkey chat_messages_session_created_idx chat_messages_session_key chat_messages_user_id_idx
    chat_sessions chat_sessions_agent_id_idx chat_sessions_created_at_idx chat_sessions_end_user_idx
      chat_sessions_handled_by_idx chat_sessions_last_message_at_idx chat_sessions_of_guest_idx
      chat_sessions_waiting_idx
      chat_sessions_model_id_idx chat_sessions_pkey chat_sessions_project_id_idx chat_sessions_shared_idx
      chat_sessions_status_idx chat_sessions_transient_idx chat_sessions_updated_at_idx
      chat_sessions_user_id_idx
    circuit_breaker_state circuit_breaker_state_agent_id_idx circuit_breaker_state_id_seq
      circuit_breaker_state_key circuit_breaker_state_model_id_idx circuit_breaker_state_open_idx
      circuit_breaker_state_pkey
    client_schema_preferences client_schema_preferences_id_seq client_schema_preferences_key
      client_schema_preferences_pkey client_schema_preferences_type_idx
    client_schemas client_schemas_id_seq client_schemas_organization_id_schema_name_idx client_schemas_pkey
      client_schemas_schema_name_key
    mcp_configurations mcp_configurations_enabled_idx mcp_configurations_id_seq mcp_configurations_name_key
      mcp_configurations_pkey
    mcp_oauth_tokens mcp_oauth_tokens_client_idx mcp_oauth_tokens_configuration_idx
      mcp_oauth_tokens_expires_at_idx mcp_oauth_tokens_id_seq mcp_oauth_tokens_key mcp_oauth_tokens_pkey
    models models_agent_id_idx models_agent_id_name_key models_enabled_idx models_id_seq models_pkey
    oauth_states oauth_states_client_idx oauth_states_configuration_idx oauth_states_expires_at_idx
      oauth_states_handle_key oauth_states_id_seq oauth_states_pkey oauth_states_state_key
      oauth_states_user_id_idx
    organizations organizations_id_seq organizations_pkey organizations_slug_key organizations_suspended_idx
    platform_admins platform_admins_email_key platform_admins_id_seq platform_admins_pkey
      platform_admins_user_id_key
    preference_types preference_types_id_seq preference_types_name_key preference_types_pkey
    system_prompts system_prompts_effective_idx system_prompts_id_seq system_prompts_pkey
      system_prompts_project_id_idx system_prompts_scope_idx system_prompts_user_id_idx
    user_sessions user_sessions_expires_at_idx user_sessions_id_key
      user_sessions_organization_id_user_id_idx user_sessions_pkey user_sessions_revoked_at_idx
      user_sessions_user_id_idx
    users users_email_idx users_organization_id_idx users_pkey
    active_user_sessions answered_message effective_mcp_configurations founded_organization
      handled_session imported_session issued_api_key issued_invitation joined_organization
      lens_run_estimate made_schedule member_role
      opened_grant search_result v_agent_status v_recent_sessions
  ', '\s+', ' ', 'g')), ' ');
  -- Also with other arguments: PostgREST could not choose between the two.
  functions constant text[] := string_to_array(btrim(regexp_replace('
    accept_invitation accept_my_invitation acquire_probe act_with_api_key answer_session answer_tool_call
    append_execution_events appoint_owner approve_mcp_tool ask_for_person assign_session available_models
    begin_due_schedule begin_execution begin_execution_as begin_lens_run begin_tool_calls cancel_execution
    cancel_lens_run claim_embeddings claim_lens_block claim_mcp_authorization claim_mcp_revocations
    claim_removed_files claim_tool_calls clean_ups cleanup_abandoned_guests cleanup_change_windows
    cleanup_ended_invitations cleanup_ended_mcp_revocations cleanup_expired_oauth_states
    cleanup_expired_oauth_tokens cleanup_expired_sessions cleanup_old_embeddings
    cleanup_transient_sessions cleanup_unused_oauth_clients close_break_glass consume_oauth_state
    create_api_key create_client_schema create_oauth_state create_organization create_schedule
    custom_access_token_hook decide_tool_call decrypt_token delete_mcp_connection delete_schedule
    encrypt_token end_mcp_revocation end_oauth_state estimate_lens_run expire_execution_leases
    expire_idempotency_keys expire_tool_approvals explain_effective_llm explain_effective_prompts
    export_audit_log fail_embeddings fail_mcp_refresh feedback_by_agent finish_execution finish_lens_block
    finish_tool_call follow_execution get_effective_system_prompts hand_back_session has_due_schedule
    has_permission identify_api_key import_chat_session import_transcripts invite_member join_organization
    lease_oauth_client leave_organization lens_run_state list_api_keys list_schedule_runs list_schedules
    list_sealed_values list_sessions log_audit_event mcp_connections mcp_header_keys mcp_tool_changes
    migrate_site_preferences my_invitations my_organizations open_break_glass open_mcp_configuration
    open_mcp_connection organization_members pause_schedule platform_organizations preview_system_prompt
    provider_credential queue_embeddings queue_mcp_revocation rate_message read_elicitation read_execution
    read_execution_result read_hand_back_note read_mcp_endpoint read_response record_mcp_tools
    reindex_search reject_oauth_client release_oauth_client remove_member remove_provider_credential
    renew_execution_lease require_mcp_scope reseal_value reserve_execution_step resolve_mcp_endpoint
    resume_schedule revoke_api_key revoke_invitation revoke_session rotate_api_key sealed_key_usage search
    search_model sessions_to_answer set_account_active set_block_readers set_block_turns
    set_mcp_bearer_token set_mcp_header_key set_member_role set_oauth_client set_organization_active
    start_execution start_execution_as store_embeddings store_mcp_connection store_mcp_refresh
    store_oauth_client store_oauth_code store_provider_credential suspend_tool_call switch_organization
    take_oauth_code take_over_session usage_by_day usage_by_end_user use_mcp_connection verify_audit_chain
  ', '\s+', ' ', 'g')), ' ');
  taken text;
  place text;
  called text;
begin
  if current_setting('server_version_num')::integer < 150000 then
    raise exception using
      errcode = '0A000',
      message = 'migrations_need_postgres_15',
      detail = format('This is PostgreSQL %s; 17 is best.', current_setting('server_version'));
  end if;

  -- Security definer functions are owned by the role that runs the migrations, and every table forces
  -- row-level security on its owner too. Without bypassrls they would read nothing.
  if not exists (
    select 1 from pg_catalog.pg_roles r
    where r.rolname = current_user and (r.rolsuper or r.rolbypassrls)
  ) then
    raise exception using
      errcode = '42501',
      message = 'migrations_need_bypassrls',
      detail = 'Run the migrations as a role with bypassrls, as the role postgres of the platform is.';
  end if;

  select string_agg(found.name, ', ' order by found.name) into taken
  from (
    select 'schema ' || n.nspname as name from pg_catalog.pg_namespace n
    where n.nspname in ('private', 'client_mgmt', 'conversation')
    union
    select 'public.' || c.relname from pg_catalog.pg_class c
    where c.relnamespace = 'public'::regnamespace and c.relname = any(relations)
    union
    -- A table's row type has its name too.
    select 'public.' || t.typname from pg_catalog.pg_type t
    where t.typnamespace = 'public'::regnamespace and t.typname = any(relations)
    union
    select 'public.' || p.proname || '()' from pg_catalog.pg_proc p
    where p.pronamespace = 'public'::regnamespace and p.proname = any(functions)
  ) found;
  if taken is not null then
    raise exception using
      errcode = '42710',
      message = 'migrations_need_free_names',
      detail = format('The database has objects of these names: %s.', taken),
      hint = 'Move them to another schema or rename them, or use a project of its own.';
  end if;

  -- Our functions call it by its schema, and `create extension if not exists` moves none.
  select e.extnamespace::regnamespace::text into place from pg_catalog.pg_extension e
  where e.extname = 'pgcrypto' and e.extnamespace::regnamespace::text <> 'extensions';
  if place is not null then
    raise exception using
      errcode = '55000',
      message = 'migrations_need_pgcrypto_in_extensions',
      detail = format('The extension pgcrypto stands in schema %s.', place),
      hint = 'Run: create schema if not exists extensions; alter extension pgcrypto set schema extensions; '
        'then call it there in your own functions too.';
  end if;

  -- PostgREST calls one function before each request, and the migrations set it to their own.
  select substr(s.line, length('pgrst.db_pre_request=') + 1) into called
  from pg_catalog.pg_db_role_setting r
  join pg_catalog.pg_database d on d.datname = current_database() and r.setdatabase in (0, d.oid),
    unnest(r.setconfig) s(line)
  where r.setrole = 'authenticator'::regrole and s.line like 'pgrst.db\_pre\_request=%'
    and s.line not in ('pgrst.db_pre_request=', 'pgrst.db_pre_request=private.check_request')
  limit 1;
  if called is not null then
    raise exception using
      errcode = '55000',
      message = 'migrations_need_the_pre_request',
      detail = format('PostgREST already calls %s before each request (pgrst.db_pre_request).', called),
      hint = 'Reset the setting of the role authenticator. After the migrations let your function call '
        'private.check_request() first, and set it again; or use a project of its own.';
  end if;

  -- Tried, and undone: the platform lets its postgres do so without a right that could be asked for.
  begin
    alter role authenticator set pgrst.db_pre_request = '';
    alter role authenticator set pgrst.db_plan_enabled = '';
    raise exception 'undo';
  exception
    when insufficient_privilege then
      raise exception using
        errcode = '42501',
        message = 'migrations_need_authenticator',
        detail = format(
          'The role %s may not set pgrst.db_pre_request and pgrst.db_plan_enabled for authenticator.',
          current_user
        ),
        hint = format(
          'The role postgres of the platform may. Elsewhere, as a superuser: '
          'grant set on parameter pgrst.db_pre_request, pgrst.db_plan_enabled to %1$I; '
          'grant authenticator to %1$I with admin option;',
          current_user
        );
    when raise_exception then
      null;
  end;
end
$$;
