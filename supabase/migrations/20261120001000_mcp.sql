-- MCP servers: configurations, OAuth states and tokens.
-- Special: every secret is sealed in the function before it reaches a table; states and tokens have no
-- client grant at all; a user's configuration overrides the organization's of the same name.

-- ── mcp_configurations ────────────────────────────────────────────────────────────────────────

create table public.mcp_configurations (
  organization_id bigint not null default private.current_organization_id()
    references public.organizations (id) on delete cascade,
  id bigint generated always as identity,
  user_id uuid default private.current_user_id(),
  name text not null constraint mcp_configurations_name_format check (name ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$'),
  type text not null constraint mcp_configurations_type check (type in ('http', 'sse', 'stdio')),
  endpoint text constraint mcp_configurations_endpoint_length check (char_length(endpoint) <= 2048),
  command text,
  args jsonb not null default '[]' constraint mcp_configurations_args_array check (jsonb_typeof(args) = 'array'),
  env jsonb not null default '{}' constraint mcp_configurations_env_object check (jsonb_typeof(env) = 'object'),
  auth_type text not null default 'none'
    constraint mcp_configurations_auth_type check (auth_type in ('none', 'bearer', 'oauth')),
  bearer_token text constraint mcp_configurations_bearer_token_sealed check (bearer_token ~ '^v1\.[^.]+\.[^.]+\.[^.]+$'),
  oauth_provider text,
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
  'MCP servers of a person, or of the organization (user_id null). stdio is kept for compatibility and never run on the server.';
comment on column public.mcp_configurations.bearer_token is 'Secret: sealed in the function (docs/storage.md); no API role can read it.';
comment on column public.mcp_configurations.env is 'Environment of a stdio server. Readable: put no secret here.';
create index mcp_configurations_enabled_idx on public.mcp_configurations (organization_id, enabled);

alter table public.mcp_configurations enable row level security;
alter table public.mcp_configurations force row level security;
create policy select_member on public.mcp_configurations for select to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and (user_id is null or user_id = (select private.current_user_id()))
  );
comment on policy select_member on public.mcp_configurations is 'The organization''s and one''s own.';
create policy insert_manager_or_self on public.mcp_configurations for insert to authenticated
  with check (
    organization_id = (select private.current_organization_id())
    and (
      (user_id is null and (select private.has_permission('mcp.manage')))
      or (user_id = (select private.current_user_id()) and (select private.has_permission('agents.invoke')))
    )
  );
comment on policy insert_manager_or_self on public.mcp_configurations is 'One''s own; the organization''s with mcp.manage.';
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
comment on policy update_manager_or_self on public.mcp_configurations is 'One''s own; the organization''s with mcp.manage.';
create policy delete_manager_or_self on public.mcp_configurations for delete to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and (
      (user_id is null and (select private.has_permission('mcp.manage')))
      or (user_id = (select private.current_user_id()) and (select private.has_permission('agents.invoke')))
    )
  );
comment on policy delete_manager_or_self on public.mcp_configurations is 'One''s own; the organization''s with mcp.manage.';
revoke all on public.mcp_configurations from anon, authenticated, service_role;
grant select (
    organization_id, id, user_id, name, type, endpoint, command, args, env, auth_type, oauth_provider,
    enabled, created_at, updated_at
  ) on public.mcp_configurations to authenticated, service_role;
grant insert (user_id, name, type, endpoint, command, args, env, auth_type, oauth_provider, enabled),
  update (name, type, endpoint, command, args, env, auth_type, oauth_provider, enabled)
  on public.mcp_configurations to authenticated;
grant delete on public.mcp_configurations to authenticated;
-- bearer_token: no grant at all. A token is sealed and stored by the function.
create trigger mcp_configurations_updated_at before update on public.mcp_configurations
  for each row execute function private.update_updated_at_column();
create trigger mcp_configurations_audit after insert or update or delete on public.mcp_configurations
  for each row execute function private.audit_change('mcp_configuration', 'id', 'bearer_token', 'env', 'args');

create view public.effective_mcp_configurations with (security_invoker = true) as
select e.*
from (
  select distinct on (c.organization_id, c.name)
    c.organization_id, c.id, c.user_id, c.name, c.type, c.endpoint, c.command, c.args, c.env,
    c.auth_type, c.oauth_provider, c.enabled, c.created_at, c.updated_at
  from public.mcp_configurations c
  where c.user_id is null or c.user_id = (select private.current_user_id())
  order by c.organization_id, c.name, c.user_id nulls last
) e
where e.enabled;
comment on view public.effective_mcp_configurations is
  'The servers a person''s agents use: their own entry wins over the organization''s of the same name, also when it is disabled.';
revoke all on public.effective_mcp_configurations from anon, authenticated, service_role;
grant select on public.effective_mcp_configurations to authenticated, service_role;

-- ── oauth_states ──────────────────────────────────────────────────────────────────────────────

create table public.oauth_states (
  organization_id bigint not null,
  id bigint generated always as identity,
  user_id uuid not null,
  state bytea not null,
  code_verifier text not null constraint oauth_states_code_verifier_sealed check (code_verifier ~ '^v1\.[^.]+\.[^.]+\.[^.]+$'),
  provider text not null,
  mcp_name text not null,
  redirect_uri text not null,
  expires_at timestamptz not null default now() + interval '10 minutes',
  used boolean not null default false,
  created_at timestamptz not null default now(),
  primary key (organization_id, id),
  constraint oauth_states_state_key unique (state),
  constraint oauth_states_user_fkey foreign key (organization_id, user_id)
    references client_mgmt.client_users (organization_id, user_id) on delete cascade
);
comment on table public.oauth_states is 'Authorizations under way. Single use, ten minutes.';
comment on column public.oauth_states.state is 'Secret: SHA-256 of the state parameter.';
comment on column public.oauth_states.code_verifier is 'Secret: sealed in the function (docs/storage.md).';
create index oauth_states_user_id_idx on public.oauth_states (organization_id, user_id);
create index oauth_states_expires_at_idx on public.oauth_states (expires_at);
alter table public.oauth_states enable row level security;
alter table public.oauth_states force row level security;
revoke all on public.oauth_states from anon, authenticated, service_role;
-- No grant and no policy: deny everyone.

-- ── mcp_oauth_tokens ──────────────────────────────────────────────────────────────────────────

create table public.mcp_oauth_tokens (
  organization_id bigint not null,
  id bigint generated always as identity,
  user_id uuid not null,
  mcp_name text not null,
  oauth_provider text not null,
  access_token text not null constraint mcp_oauth_tokens_access_token_sealed check (access_token ~ '^v1\.[^.]+\.[^.]+\.[^.]+$'),
  refresh_token text constraint mcp_oauth_tokens_refresh_token_sealed check (refresh_token ~ '^v1\.[^.]+\.[^.]+\.[^.]+$'),
  token_type text not null default 'Bearer',
  scope text,
  expires_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (organization_id, id),
  constraint mcp_oauth_tokens_key unique (organization_id, user_id, mcp_name),
  constraint mcp_oauth_tokens_user_fkey foreign key (organization_id, user_id)
    references client_mgmt.client_users (organization_id, user_id) on delete cascade
);
comment on table public.mcp_oauth_tokens is 'Tokens of connected accounts. A row that can still be refreshed is never cleaned up.';
comment on column public.mcp_oauth_tokens.access_token is 'Secret: sealed in the function (docs/storage.md).';
comment on column public.mcp_oauth_tokens.refresh_token is 'Secret: sealed in the function (docs/storage.md).';
comment on column public.mcp_oauth_tokens.expires_at is 'Of the access token; null: unknown.';
create index mcp_oauth_tokens_expires_at_idx on public.mcp_oauth_tokens (expires_at) where refresh_token is null;
alter table public.mcp_oauth_tokens enable row level security;
alter table public.mcp_oauth_tokens force row level security;
revoke all on public.mcp_oauth_tokens from anon, authenticated, service_role;
-- No grant and no policy: deny everyone.
create trigger mcp_oauth_tokens_updated_at before update on public.mcp_oauth_tokens
  for each row execute function private.update_updated_at_column();
create trigger mcp_oauth_tokens_audit after insert or update or delete on public.mcp_oauth_tokens
  for each row execute function private.audit_change('connection', 'id', 'access_token', 'refresh_token');

-- ── The older sealed format ───────────────────────────────────────────────────────────────────

create function public.encrypt_token(token text, key text) returns text
language plpgsql volatile security invoker set search_path = ''
as $$
begin
  if token is null or key is null or key = '' then
    raise exception using errcode = '22004', message = 'invalid_request',
      detail = 'Neither token nor key may be null, nor the key empty.';
  end if;
  return encode(extensions.pgp_sym_encrypt(token, key, 'cipher-algo=aes256'), 'base64');
end
$$;
comment on function public.encrypt_token(text, text) is
  'Older format (pgcrypto), for data stored before sealing moved into the function. Service role only. 22004 for null.';

create function public.decrypt_token(encrypted text, key text) returns text
language plpgsql stable security invoker set search_path = ''
as $$
begin
  if encrypted is null or key is null or key = '' then
    raise exception using errcode = '22004', message = 'invalid_request',
      detail = 'Neither ciphertext nor key may be null, nor the key empty.';
  end if;
  return extensions.pgp_sym_decrypt(decode(encrypted, 'base64'), key);
exception
  when external_routine_invocation_exception or invalid_parameter_value then
    raise exception using errcode = '22023', message = 'decryption_failed',
      detail = 'Wrong key or damaged ciphertext.';
end
$$;
comment on function public.decrypt_token(text, text) is
  'Opens the older format. Service role only. 22004 for null, 22023 decryption_failed for a wrong key or damaged text; never null.';
revoke all on function public.encrypt_token(text, text), public.decrypt_token(text, text)
  from public, anon, authenticated, service_role;
grant execute on function public.encrypt_token(text, text), public.decrypt_token(text, text) to service_role;
