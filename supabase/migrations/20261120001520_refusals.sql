-- Refusals: a write by someone who may write nothing of the kind is an error, not zero rows.
-- Special: row policies only hide rows, so an update or delete after a removal, a demotion or a
-- revocation would succeed and change nothing, and a check on a row could speak before they do. One
-- trigger per table that clients may write says no first, once per statement.

create function private.require_permission() returns trigger
language plpgsql volatile security invoker set search_path = ''
as $$
begin
  -- Clients only: definer functions check their caller themselves, and the secret key has no caller.
  if current_user <> 'authenticated' then
    return null;
  end if;
  if private.current_organization_id() is null then
    raise exception using errcode = '42501', message = 'no_organization',
      detail = 'The token names no organization in which the caller is an active member.';
  end if;
  if tg_nargs > 0 and not exists (
    select 1 from unnest(tg_argv) permission where private.has_permission(permission)
  ) then
    raise exception using errcode = '42501', message = 'permission_denied',
      detail = format('This needs the permission %s.', array_to_string(tg_argv, ' or '));
  end if;
  return null;
end
$$;
comment on function private.require_permission() is
  'Trigger: refuses a client''s statement without an active membership, or without any of the '
  'permissions given. Which rows they reach is the policies'' to say.';
revoke all on function private.require_permission() from public, anon, authenticated, service_role;

-- Accounts are left out: people change their own also while they belong to no organization.
create trigger organizations_require_permission before insert or update or delete on public.organizations
  for each statement execute function private.require_permission('members.manage');
create trigger user_sessions_require_permission before insert or update or delete on public.user_sessions
  for each statement execute function private.require_permission();
create trigger billing_accounts_require_permission
  before insert or update or delete on client_mgmt.billing_accounts
  for each statement execute function private.require_permission('billing.manage');
create trigger budgets_require_permission before insert or update or delete on client_mgmt.budgets
  for each statement execute function private.require_permission('billing.manage');
create trigger agents_require_permission before insert or update or delete on public.agents
  for each statement execute function private.require_permission('agents.manage');
create trigger models_require_permission before insert or update or delete on public.models
  for each statement execute function private.require_permission('agents.manage');
create trigger client_schema_preferences_require_permission
  before insert or update or delete on public.client_schema_preferences
  for each statement execute function private.require_permission('agents.manage');
create trigger llm_configs_require_permission before insert or update or delete on client_mgmt.llm_configs
  for each statement execute function private.require_permission('agents.manage');
create trigger prompts_require_permission before insert or update or delete on client_mgmt.prompts
  for each statement execute function private.require_permission('prompts.manage');
create trigger system_prompts_require_permission before insert or update or delete on public.system_prompts
  for each statement execute function private.require_permission('agents.invoke', 'prompts.manage');
create trigger system_prompt_opt_outs_require_permission
  before insert or update or delete on client_mgmt.system_prompt_opt_outs
  for each statement execute function private.require_permission('agents.invoke');
create trigger chat_sessions_require_permission before insert or update or delete on public.chat_sessions
  for each statement execute function private.require_permission('agents.invoke');
create trigger mcp_configurations_require_permission
  before insert or update or delete on public.mcp_configurations
  for each statement execute function private.require_permission('agents.invoke', 'mcp.manage');
create trigger mcp_allowed_hosts_require_permission
  before insert or update or delete on client_mgmt.mcp_allowed_hosts
  for each statement execute function private.require_permission('mcp.manage');
create trigger oauth_issuer_exceptions_require_permission
  before insert or update or delete on client_mgmt.oauth_issuer_exceptions
  for each statement execute function private.require_permission('mcp.manage');
create trigger oauth_clients_require_permission before insert or update or delete on client_mgmt.oauth_clients
  for each statement execute function private.require_permission('mcp.manage');
create trigger projects_require_permission before insert or update or delete on client_mgmt.projects
  for each statement execute function private.require_permission('projects.manage');
create trigger participants_require_permission before insert or update or delete on conversation.participants
  for each statement execute function private.require_permission('projects.manage');
create trigger blocks_require_permission before insert or update or delete on conversation.blocks
  for each statement execute function private.require_permission('projects.manage');
create trigger turns_require_permission before insert or update or delete on conversation.turns
  for each statement execute function private.require_permission('projects.manage');
create trigger block_turns_require_permission before insert or update or delete on conversation.block_turns
  for each statement execute function private.require_permission('projects.manage');
create trigger lens_prototypes_require_permission
  before insert or update or delete on conversation.lens_prototypes
  for each statement execute function private.require_permission('projects.manage');
create trigger block_lens_version_require_permission
  before insert or update or delete on conversation.block_lens_version
  for each statement execute function private.require_permission('projects.manage');
