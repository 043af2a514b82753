-- Preconditions: what has to be so before anything is made. Each file is applied by itself, so a
-- collision in a later one would leave schemas and changed default privileges behind.
-- Special: makes nothing.

do $$
declare
  taken text;
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
    union all
    -- A table's row type has its name too.
    select 'public.' || t.typname from pg_catalog.pg_type t
    where t.typnamespace = 'public'::regnamespace
      and t.typname in (
        'active_user_sessions', 'admin_audit_log', 'agent_executions', 'agent_health', 'agent_metrics',
        'agents', 'audit_logs', 'chat_messages', 'chat_sessions', 'circuit_breaker_state',
        'client_schema_preferences', 'client_schemas', 'effective_mcp_configurations',
        'founded_organization', 'issued_invitation', 'joined_organization', 'mcp_configurations',
        'mcp_oauth_tokens', 'member_role', 'models', 'oauth_states', 'opened_grant', 'organizations',
        'platform_admins', 'preference_types', 'system_prompts', 'user_sessions', 'users', 'v_agent_status',
        'v_recent_sessions'
      )
    union all
    select 'public.' || p.proname || '()' from pg_catalog.pg_proc p
    where p.pronamespace = 'public'::regnamespace and p.proname = 'custom_access_token_hook'
  ) found;
  if taken is not null then
    raise exception using
      errcode = '42710',
      message = 'migrations_need_free_names',
      detail = format('The database has objects of these names: %s.', taken),
      hint = 'Move them to another schema or rename them, or use a project of its own.';
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
