-- MCP servers: configurations, and an organization's rules for hosts and issuers.
-- Special: the function seals a bearer token before it reaches the table. A user's configuration overrides
-- the organization's of the same name. Another endpoint never gets the old endpoint's credentials.

-- ── mcp_configurations ────────────────────────────────────────────────────────────────────────

create table public.mcp_configurations (
  organization_id bigint not null default private.current_organization_id()
    references public.organizations (id) on delete cascade,
  id bigint generated always as identity,
  user_id uuid default private.current_user_id(),
  name text not null
    constraint mcp_configurations_name_format check (name ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$'),
  type text not null constraint mcp_configurations_type check (type in ('http', 'sse', 'stdio')),
  endpoint text constraint mcp_configurations_endpoint_length check (char_length(endpoint) <= 2048),
  command text constraint mcp_configurations_command_length check (char_length(command) <= 4096),
  args jsonb not null default '[]'
    constraint mcp_configurations_args_array check (
      jsonb_typeof(args) = 'array'
      and octet_length(args::text) <= 65536
    ),
  env jsonb not null default '{}'
    constraint mcp_configurations_env_object check (
      jsonb_typeof(env) = 'object'
      and octet_length(env::text) <= 65536
    ),
  auth_type text not null default 'none'
    constraint mcp_configurations_auth_type check (auth_type in ('none', 'bearer', 'oauth')),
  oauth_provider text
    constraint mcp_configurations_oauth_provider_length check (char_length(oauth_provider) <= 200),
  enabled boolean not null default true,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (organization_id, id),
  constraint mcp_configurations_name_key unique nulls not distinct (organization_id, user_id, name),
  constraint mcp_configurations_target check (
    (type = 'stdio' and command is not null) or (type <> 'stdio' and endpoint is not null)
  ),
  constraint mcp_configurations_user_fkey foreign key (organization_id, user_id)
    references client_mgmt.client_users (organization_id, user_id) on delete cascade
);
comment on table public.mcp_configurations is
  'MCP servers of a person, or of the organization (user_id null). The server never runs stdio, which is '
  'kept for compatibility.';
comment on column public.mcp_configurations.env is
  'Environment of a stdio server. Readable: put no secret here.';
create index mcp_configurations_enabled_idx on public.mcp_configurations (organization_id, enabled);

alter table public.mcp_configurations enable row level security;
alter table public.mcp_configurations force row level security;
create policy select_member on public.mcp_configurations for select to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and (user_id is null or user_id = (select private.current_user_id()))
  );
comment on policy select_member on public.mcp_configurations is
  'Every member sees the organization''s and their own.';
create policy insert_manager_or_self on public.mcp_configurations for insert to authenticated
  with check (
    organization_id = (select private.current_organization_id())
    and (
      (user_id is null and (select private.has_permission('mcp.manage')))
      or (user_id = (select private.current_user_id()) and (select private.has_permission('agents.invoke')))
    )
  );
comment on policy insert_manager_or_self on public.mcp_configurations is
  'A member''s own; the organization''s with mcp.manage.';
create policy update_manager_or_self on public.mcp_configurations for update to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and (
      (user_id is null and (select private.has_permission('mcp.manage')))
      or (user_id = (select private.current_user_id()) and (select private.has_permission('agents.invoke')))
    )
  )
  with check (
    organization_id = (select private.current_organization_id())
    and (
      (user_id is null and (select private.has_permission('mcp.manage')))
      or (user_id = (select private.current_user_id()) and (select private.has_permission('agents.invoke')))
    )
  );
comment on policy update_manager_or_self on public.mcp_configurations is
  'A member''s own; the organization''s with mcp.manage.';
create policy delete_manager_or_self on public.mcp_configurations for delete to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and (
      (user_id is null and (select private.has_permission('mcp.manage')))
      or (user_id = (select private.current_user_id()) and (select private.has_permission('agents.invoke')))
    )
  );
comment on policy delete_manager_or_self on public.mcp_configurations is
  'A member''s own; the organization''s with mcp.manage.';
revoke all on public.mcp_configurations from anon, authenticated, service_role;
grant select on public.mcp_configurations to authenticated, service_role;
grant insert (user_id, name, type, endpoint, command, args, env, auth_type, oauth_provider, enabled),
  update (user_id, name, type, endpoint, command, args, env, auth_type, oauth_provider, enabled)
  on public.mcp_configurations to authenticated;
grant delete on public.mcp_configurations to authenticated;
create trigger mcp_configurations_keep_columns before update of user_id on public.mcp_configurations
  for each row when (current_user = 'authenticated' and new.user_id is distinct from old.user_id)
  execute function private.refuse_kept_columns('user_id');
create trigger mcp_configurations_updated_at before update on public.mcp_configurations
  for each row execute function private.update_updated_at_column();
create trigger mcp_configurations_audit_insert after insert on public.mcp_configurations
  referencing new table as after_rows
  for each statement execute function private.audit_change('mcp_configuration', 'id', 'env', 'args');
create trigger mcp_configurations_audit_update after update on public.mcp_configurations
  referencing old table as before_rows new table as after_rows
  for each statement execute function private.audit_change('mcp_configuration', 'id', 'env', 'args');
create trigger mcp_configurations_audit_delete after delete on public.mcp_configurations
  referencing old table as before_rows
  for each statement execute function private.audit_change('mcp_configuration', 'id', 'env', 'args');

create table private.mcp_bearer_tokens (
  organization_id bigint not null,
  mcp_configuration_id bigint not null,
  bearer_token text not null
    constraint mcp_bearer_tokens_sealed check (
      bearer_token ~ '^v1\.[A-Za-z0-9_-]{1,64}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$'
    ),
  primary key (organization_id, mcp_configuration_id),
  constraint mcp_bearer_tokens_configuration_fkey foreign key (organization_id, mcp_configuration_id)
    references public.mcp_configurations (organization_id, id) on delete cascade
);
comment on table private.mcp_bearer_tokens is
  'Bearer tokens of MCP configurations. set_mcp_bearer_token() stores one and records it.';
comment on column private.mcp_bearer_tokens.bearer_token is
  'Secret: sealed in the function (docs/storage.md); no API role can read it.';
alter table private.mcp_bearer_tokens enable row level security;
alter table private.mcp_bearer_tokens force row level security;
revoke all on private.mcp_bearer_tokens from public, anon, authenticated, service_role;
-- No grant: a sealed text of a client's own making would stop the rotation of keys.

-- ── client_mgmt.mcp_allowed_hosts ─────────────────────────────────────────────────────────────

create table client_mgmt.mcp_allowed_hosts (
  organization_id bigint not null default private.current_organization_id()
    references public.organizations (id) on delete cascade,
  id bigint generated always as identity,
  host text not null constraint mcp_allowed_hosts_host check (
    host ~ '^(\*\.)?[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$'
      and char_length(host) <= 253
  ),
  created_by uuid default private.current_user_id(),
  created_at timestamptz not null default now(),
  primary key (organization_id, id),
  constraint mcp_allowed_hosts_host_key unique (organization_id, host)
);
comment on table client_mgmt.mcp_allowed_hosts is
  'The allowed hosts of MCP servers and of their authorization servers. Without a row: every public host. '
  'Addresses of private networks are always refused.';
comment on column client_mgmt.mcp_allowed_hosts.host is
  'A name, or *. and a domain for every name below the domain. Lower case, no port.';
alter table client_mgmt.mcp_allowed_hosts enable row level security;
alter table client_mgmt.mcp_allowed_hosts force row level security;
create policy select_member on client_mgmt.mcp_allowed_hosts for select to authenticated
  using (organization_id = (select private.current_organization_id()));
comment on policy select_member on client_mgmt.mcp_allowed_hosts is 'Members see the allowed hosts.';
create policy insert_manager on client_mgmt.mcp_allowed_hosts for insert to authenticated
  with check (
    organization_id = (select private.current_organization_id())
    and (select private.has_permission('mcp.manage'))
  );
comment on policy insert_manager on client_mgmt.mcp_allowed_hosts is 'With mcp.manage.';
create policy delete_manager on client_mgmt.mcp_allowed_hosts for delete to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and (select private.has_permission('mcp.manage'))
  );
comment on policy delete_manager on client_mgmt.mcp_allowed_hosts is 'With mcp.manage.';
revoke all on client_mgmt.mcp_allowed_hosts from anon, authenticated, service_role;
grant select, delete on client_mgmt.mcp_allowed_hosts to authenticated;
grant insert (host) on client_mgmt.mcp_allowed_hosts to authenticated;
grant select on client_mgmt.mcp_allowed_hosts to service_role;
create trigger mcp_allowed_hosts_audit_insert after insert on client_mgmt.mcp_allowed_hosts
  referencing new table as after_rows
  for each statement execute function private.audit_change('mcp_allowed_host', 'id');
create trigger mcp_allowed_hosts_audit_update after update on client_mgmt.mcp_allowed_hosts
  referencing old table as before_rows new table as after_rows
  for each statement execute function private.audit_change('mcp_allowed_host', 'id');
create trigger mcp_allowed_hosts_audit_delete after delete on client_mgmt.mcp_allowed_hosts
  referencing old table as before_rows
  for each statement execute function private.audit_change('mcp_allowed_host', 'id');

create function private.mcp_allowed_hosts(organization_id bigint) returns jsonb
language sql stable security definer set search_path = ''
as $$
  -- Definer: called by definer functions that have checked their caller.
  select jsonb_agg(h.host order by h.host) from client_mgmt.mcp_allowed_hosts h
  where h.organization_id = mcp_allowed_hosts.organization_id
$$;
comment on function private.mcp_allowed_hosts(bigint) is
  'The organization''s hosts as a JSON array; null for every public host.';

-- ── client_mgmt.oauth_issuer_exceptions ───────────────────────────────────────────────────────

create table client_mgmt.oauth_issuer_exceptions (
  organization_id bigint not null default private.current_organization_id()
    references public.organizations (id) on delete cascade,
  id bigint generated always as identity,
  issuer text not null
    constraint oauth_issuer_exceptions_issuer check (issuer ~ '^https?://' and char_length(issuer) <= 2048),
  exception text not null
    constraint oauth_issuer_exceptions_exception check (exception in ('pkce_not_declared')),
  reason text not null
    constraint oauth_issuer_exceptions_reason check (char_length(reason) between 1 and 1000),
  created_by uuid default private.current_user_id(),
  created_at timestamptz not null default now(),
  primary key (organization_id, id),
  constraint oauth_issuer_exceptions_key unique (organization_id, issuer, exception)
);
comment on table client_mgmt.oauth_issuer_exceptions is
  'Authorization servers that an organization allows although they break a rule, each by name and with a '
  'reason.';
comment on column client_mgmt.oauth_issuer_exceptions.exception is
  'pkce_not_declared: its metadata does not declare S256, which the protocol requires. S256 is still sent.';
alter table client_mgmt.oauth_issuer_exceptions enable row level security;
alter table client_mgmt.oauth_issuer_exceptions force row level security;
create policy select_manager on client_mgmt.oauth_issuer_exceptions for select to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and (select private.has_permission('mcp.manage'))
  );
comment on policy select_manager on client_mgmt.oauth_issuer_exceptions is 'With mcp.manage.';
create policy insert_manager on client_mgmt.oauth_issuer_exceptions for insert to authenticated
  with check (
    organization_id = (select private.current_organization_id())
    and (select private.has_permission('mcp.manage'))
  );
comment on policy insert_manager on client_mgmt.oauth_issuer_exceptions is 'With mcp.manage.';
create policy delete_manager on client_mgmt.oauth_issuer_exceptions for delete to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and (select private.has_permission('mcp.manage'))
  );
comment on policy delete_manager on client_mgmt.oauth_issuer_exceptions is 'With mcp.manage.';
revoke all on client_mgmt.oauth_issuer_exceptions from anon, authenticated, service_role;
grant select, delete on client_mgmt.oauth_issuer_exceptions to authenticated;
grant insert (issuer, exception, reason) on client_mgmt.oauth_issuer_exceptions to authenticated;
grant select on client_mgmt.oauth_issuer_exceptions to service_role;
create trigger oauth_issuer_exceptions_audit_insert after insert on client_mgmt.oauth_issuer_exceptions
  referencing new table as after_rows
  for each statement execute function private.audit_change('oauth_issuer_exception', 'id');
create trigger oauth_issuer_exceptions_audit_update after update on client_mgmt.oauth_issuer_exceptions
  referencing old table as before_rows new table as after_rows
  for each statement execute function private.audit_change('oauth_issuer_exception', 'id');
create trigger oauth_issuer_exceptions_audit_delete after delete on client_mgmt.oauth_issuer_exceptions
  referencing old table as before_rows
  for each statement execute function private.audit_change('oauth_issuer_exception', 'id');

revoke all on function
  private.mcp_allowed_hosts(bigint)
  from public, anon, authenticated, service_role;

create function private.lock_mcp_endpoint(organization_id bigint, id bigint, endpoint text) returns void
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: called by functions for service_role that have checked their person. A change of the endpoint
-- waits for this lock, and then deletes what was entered for the old server.
#variable_conflict use_column
declare
  present text;
begin
  select c.endpoint into present from public.mcp_configurations c
  where c.organization_id = lock_mcp_endpoint.organization_id and c.id = lock_mcp_endpoint.id
  for no key update;
  if present is distinct from lock_mcp_endpoint.endpoint then
    raise exception using errcode = 'PT409', message = 'mcp_configuration_changed',
      detail = 'The configuration names another server by now. Read its endpoint, and enter the '
        'credential again.';
  end if;
end
$$;
comment on function private.lock_mcp_endpoint(bigint, bigint, text) is
  'Locks a configuration, so that a credential is stored for the server that the person saw. PT409 '
  'mcp_configuration_changed when the configuration names another one.';
revoke all on function private.lock_mcp_endpoint(bigint, bigint, text)
  from public, anon, authenticated, service_role;

create function public.set_mcp_bearer_token(
  organization_id bigint, user_id uuid, id bigint, endpoint text, sealed_token text default null
) returns void
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no API role holds a grant on the tokens. Executable by service_role only, for the person whose
-- token the function oauth has verified.
#variable_conflict use_column
declare
  organization constant bigint := set_mcp_bearer_token.organization_id;
  account constant uuid := set_mcp_bearer_token.user_id;
  owner uuid;
begin
  select c.user_id into owner from public.mcp_configurations c
  where c.organization_id = organization and c.id = set_mcp_bearer_token.id
    and (c.user_id is null or c.user_id = account);
  if not found then
    raise exception using errcode = 'PT404', message = 'mcp_configuration_not_found',
      detail = 'No MCP configuration that the caller sees has this id.';
  end if;
  perform private.require_acting_member(
    organization, account, case when owner is null then 'mcp.manage' else 'agents.invoke' end
  );
  perform private.lock_mcp_endpoint(organization, set_mcp_bearer_token.id, set_mcp_bearer_token.endpoint);
  perform 1 from public.mcp_configurations c
  where c.organization_id = organization and c.id = set_mcp_bearer_token.id and c.auth_type = 'bearer'
    and c.user_id is not distinct from owner;
  if not found then
    raise exception using errcode = '22023', message = 'invalid_request',
      detail = 'The configuration does not use a bearer token.';
  end if;
  if sealed_token is null then
    delete from private.mcp_bearer_tokens b
    where b.organization_id = organization and b.mcp_configuration_id = set_mcp_bearer_token.id;
  else
    insert into private.mcp_bearer_tokens (organization_id, mcp_configuration_id, bearer_token)
    values (organization, set_mcp_bearer_token.id, sealed_token)
    on conflict on constraint mcp_bearer_tokens_pkey do update set bearer_token = excluded.bearer_token;
  end if;
  perform private.write_audit_event(
    organization, 'mcp_configuration.' || case
      when sealed_token is null then 'remove'
      else 'set' end || '_bearer_token',
    'mcp_configuration', set_mcp_bearer_token.id::text
  );
  perform set_config('colloquy.acting_user', '', true);
exception
  when check_violation then
    raise exception using errcode = '22023', message = 'invalid_request', detail = 'The token is not sealed.';
end
$$;
comment on function public.set_mcp_bearer_token(bigint, uuid, bigint, text, text) is
  'Stores the sealed bearer token of a configuration, or removes it (null), for a member: of their own, or '
  'of the organization''s with mcp.manage. For the function oauth, which seals. endpoint: the server that '
  'the token is for, PT409 mcp_configuration_changed when it is another one by now. 22023 for a '
  'configuration of another kind. Service role only.';

revoke all on function
  public.set_mcp_bearer_token(bigint, uuid, bigint, text, text)
  from public, anon, authenticated, service_role;
grant execute on function public.set_mcp_bearer_token(bigint, uuid, bigint, text, text) to service_role;
create trigger mcp_configurations_require_permission
  before insert or update or delete on public.mcp_configurations
  for each statement execute function private.require_permission('agents.invoke', 'mcp.manage');
create trigger mcp_allowed_hosts_require_permission
  before insert or update or delete on client_mgmt.mcp_allowed_hosts
  for each statement execute function private.require_permission('mcp.manage');
create trigger oauth_issuer_exceptions_require_permission
  before insert or update or delete on client_mgmt.oauth_issuer_exceptions
  for each statement execute function private.require_permission('mcp.manage');
