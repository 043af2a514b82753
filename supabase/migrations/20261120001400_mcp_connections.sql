-- Connections to MCP servers: clients registered at issuers, authorizations under way, and tokens.
-- Special: the function seals every secret before it reaches a table. Clients have no grant on states and
-- tokens. A refresh and a registration happen once for all workers: a lease decides which worker does it,
-- and a generation decides which result counts. The row of a client never becomes another client: a
-- connection keeps the client that it was made with.

create function private.disconnect_changed_server() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: connections deny everyone. Another endpoint is another server, so it must not get the bearer
-- token, the header keys, the connections or the authorizations of the old one.
begin
  if (new.type, new.endpoint, new.auth_type, new.oauth_resource)
    is distinct from (old.type, old.endpoint, old.auth_type, old.oauth_resource)
  then
    delete from private.mcp_bearer_tokens b
    where b.organization_id = old.organization_id and b.mcp_configuration_id = old.id;
    delete from private.mcp_header_keys k
    where k.organization_id = old.organization_id and k.mcp_configuration_id = old.id;
    delete from public.oauth_states s
    where s.organization_id = old.organization_id and s.mcp_configuration_id = old.id;
    delete from public.mcp_oauth_tokens t
    where t.organization_id = old.organization_id and t.mcp_configuration_id = old.id;
  end if;
  if new.name <> old.name then
    update public.mcp_oauth_tokens t set mcp_name = new.name
    where t.organization_id = old.organization_id and t.mcp_configuration_id = old.id;
  end if;
  return new;
end
$$;
comment on function private.disconnect_changed_server() is
  'Trigger: a changed endpoint, type, kind of authorization or resource disconnects. A new name is copied '
  'to the connections.';
revoke all on function private.disconnect_changed_server() from public, anon, authenticated, service_role;
create trigger mcp_configurations_disconnect
  before update of name, type, endpoint, auth_type, oauth_resource on public.mcp_configurations
  for each row execute function private.disconnect_changed_server();

-- ── Functions of the caller ───────────────────────────────────────────────────────────────────

create function private.open_mcp_configuration(id bigint) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: reads the caller's connection, which denies everyone. It checks its caller and returns no
-- secret.
declare
  organization constant bigint := private.require_organization('agents.invoke');
  result jsonb;
begin
  select jsonb_build_object(
    'organization_id', c.organization_id, 'user_id', private.current_user_id(), 'id', c.id, 'name', c.name,
    'type', c.type, 'endpoint', c.endpoint, 'auth_type', c.auth_type, 'oauth_provider', c.oauth_provider,
    'oauth_resource', c.oauth_resource, 'enabled', c.enabled, 'shared', c.user_id is null,
    'scope', t.scope, 'required_scope', t.required_scope,
    'allowed_hosts', private.mcp_allowed_hosts(organization),
    'pkce_exceptions', coalesce((
      select jsonb_agg(e.issuer) from client_mgmt.oauth_issuer_exceptions e
      where e.organization_id = organization and e.exception = 'pkce_not_declared'
    ), '[]')
  ) into result
  from public.mcp_configurations c
  left join public.mcp_oauth_tokens t
    on t.organization_id = c.organization_id
      and t.mcp_configuration_id = c.id
      and t.user_id = private.current_user_id()
  where c.organization_id = organization and c.id = open_mcp_configuration.id
    and (c.user_id is null or c.user_id = private.current_user_id());
  if not found then
    raise exception using errcode = 'PT404', message = 'mcp_configuration_not_found',
      detail = 'No MCP configuration that the caller sees has this id.';
  end if;
  return result;
end
$$;
comment on function private.open_mcp_configuration(bigint) is 'Body of public.open_mcp_configuration().';

revoke all on function
  private.open_mcp_configuration(bigint)
  from public, anon, authenticated, service_role;
grant execute on function private.open_mcp_configuration(bigint) to authenticated;

create function public.open_mcp_configuration(id bigint) returns jsonb
language sql stable security invoker set search_path = ''
as $$ select private.open_mcp_configuration(id) $$;
comment on function public.open_mcp_configuration(bigint) is
  'A configuration the caller sees, the scopes of the caller''s connection, and the '
  'organization''s hosts and exceptions. Needs agents.invoke. PT404 mcp_configuration_not_found.';

revoke all on function
  public.open_mcp_configuration(bigint)
  from public, anon, authenticated, service_role;
grant execute on function public.open_mcp_configuration(bigint) to authenticated;

-- ── client_mgmt.oauth_clients ─────────────────────────────────────────────────────────────────

create table client_mgmt.oauth_clients (
  organization_id bigint not null default private.current_organization_id()
    references public.organizations (id) on delete cascade,
  id bigint generated always as identity,
  issuer text not null
    constraint oauth_clients_issuer check (issuer ~ '^https?://' and char_length(issuer) <= 2048),
  source text not null constraint oauth_clients_source check (source in ('preregistered', 'dynamic')),
  client_id text
    constraint oauth_clients_client_id check (source = 'dynamic' or client_id is not null)
    constraint oauth_clients_client_id_length check (char_length(client_id) between 1 and 2048),
  redirect_uri text,
  token_endpoint_auth_method text constraint oauth_clients_auth_method check (
    token_endpoint_auth_method in ('none', 'client_secret_basic', 'client_secret_post')
  ),
  registered_at timestamptz,
  secret_expires_at timestamptz,
  rejected_at timestamptz,
  superseded_at timestamptz,
  lease_id uuid,
  lease_expires_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (organization_id, id),
  constraint oauth_clients_redirect_uri check ((source = 'dynamic') = (redirect_uri is not null))
);
comment on table client_mgmt.oauth_clients is
  'The organization''s clients at authorization servers, a row per registration. preregistered: entered by '
  'a manager, and used first. dynamic: registered by the function, for an issuer and redirect URI; a row '
  'without client_id is a registration under way.';
comment on column client_mgmt.oauth_clients.redirect_uri is
  'The redirect URI of a dynamic client. Another redirect URI needs another client; this one stays for its '
  'connections. Null for a preregistered one, whose redirect URI only its issuer knows.';
comment on column client_mgmt.oauth_clients.superseded_at is
  'The time when another client took its place for new authorizations; null: the present client. The row '
  'stays for the connections that were made with it, and cleanup_unused_oauth_clients() deletes it after '
  'the last one.';
create unique index oauth_clients_key on client_mgmt.oauth_clients (
  organization_id, issuer, source, redirect_uri
) nulls not distinct where superseded_at is null;
comment on column client_mgmt.oauth_clients.registered_at is
  'The time when the id and the secret were last stored. Sealing a secret again keeps it.';
comment on column client_mgmt.oauth_clients.secret_expires_at is
  'The time when a dynamic client must be registered again; null: never.';
comment on column client_mgmt.oauth_clients.rejected_at is
  'The time when the issuer answered invalid_client: the next authorization registers again.';
alter table client_mgmt.oauth_clients enable row level security;
alter table client_mgmt.oauth_clients force row level security;
create policy select_manager on client_mgmt.oauth_clients for select to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and (select private.has_permission('mcp.manage'))
  );
comment on policy select_manager on client_mgmt.oauth_clients is 'With mcp.manage.';
create policy delete_manager on client_mgmt.oauth_clients for delete to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and (select private.has_permission('mcp.manage'))
  );
comment on policy delete_manager on client_mgmt.oauth_clients is
  'With mcp.manage. Deletes the connections of the client.';
revoke all on client_mgmt.oauth_clients from anon, authenticated, service_role;
grant select on client_mgmt.oauth_clients to authenticated, service_role;
grant delete on client_mgmt.oauth_clients to authenticated;
-- No insert or update: set_oauth_client() and the function oauth.
create trigger oauth_clients_updated_at before update on client_mgmt.oauth_clients
  for each row execute function private.update_updated_at_column();
create trigger oauth_clients_audit_insert after insert on client_mgmt.oauth_clients
  referencing new table as after_rows
  for each statement execute function private.audit_change('oauth_client', 'id');
create trigger oauth_clients_audit_update after update on client_mgmt.oauth_clients
  referencing old table as before_rows new table as after_rows
  for each statement execute function private.audit_change('oauth_client', 'id');
create trigger oauth_clients_audit_delete after delete on client_mgmt.oauth_clients
  referencing old table as before_rows
  for each statement execute function private.audit_change('oauth_client', 'id');

create table private.oauth_client_secrets (
  organization_id bigint not null,
  oauth_client_id bigint not null,
  client_secret text not null
    constraint oauth_client_secrets_sealed check (
      client_secret ~ '^v1\.[A-Za-z0-9_-]{1,64}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$'
    ),
  primary key (organization_id, oauth_client_id),
  constraint oauth_client_secrets_client_fkey foreign key (organization_id, oauth_client_id)
    references client_mgmt.oauth_clients (organization_id, id) on delete cascade
);
comment on table private.oauth_client_secrets is
  'Secrets of clients at issuers. A public client has no row.';
comment on column private.oauth_client_secrets.client_secret is
  'Secret: sealed in the function (docs/storage.md); no API role can read it.';
alter table private.oauth_client_secrets enable row level security;
alter table private.oauth_client_secrets force row level security;
revoke all on private.oauth_client_secrets from public, anon, authenticated, service_role;

create function private.keep_client_secret(client client_mgmt.oauth_clients, sealed_secret text) returns void
language plpgsql volatile security invoker set search_path = ''
as $$
-- With the rights of the definer functions that call it. They have just written the client's row, and so
-- hold its lock.
begin
  if sealed_secret is null then
    delete from private.oauth_client_secrets s
    where s.organization_id = client.organization_id and s.oauth_client_id = client.id;
  else
    insert into private.oauth_client_secrets (organization_id, oauth_client_id, client_secret)
    values (client.organization_id, client.id, sealed_secret)
    on conflict on constraint oauth_client_secrets_pkey do update set client_secret = excluded.client_secret;
  end if;
end
$$;
comment on function private.keep_client_secret(client_mgmt.oauth_clients, text) is
  'Stores the sealed secret of a client in place of an earlier one; null removes it.';
revoke all on function private.keep_client_secret(client_mgmt.oauth_clients, text)
  from public, anon, authenticated, service_role;

-- ── oauth_states ──────────────────────────────────────────────────────────────────────────────

create table public.oauth_states (
  organization_id bigint not null,
  id bigint generated always as identity,
  user_id uuid not null,
  mcp_configuration_id bigint not null,
  state bytea not null constraint oauth_states_state_hash check (octet_length(state) = 32),
  code_verifier text not null
    constraint oauth_states_code_verifier_sealed check (
      code_verifier ~ '^v1\.[A-Za-z0-9_-]{1,64}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$'
    ),
  provider text not null,
  mcp_name text not null,
  endpoint text not null,
  issuer text not null,
  resource text,
  scope text,
  client_id text not null,
  oauth_client_id bigint,
  server_metadata jsonb not null,
  redirect_uri text not null,
  redirect_to text not null,
  called_back_at timestamptz,
  code text
    constraint oauth_states_code_sealed check (
      code ~ '^v1\.[A-Za-z0-9_-]{1,64}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$'
    ),
  handle bytea constraint oauth_states_handle_hash check (octet_length(handle) = 32),
  expires_at timestamptz not null default now() + interval '10 minutes',
  used boolean not null default false,
  created_at timestamptz not null default now(),
  primary key (organization_id, id),
  constraint oauth_states_state_key unique (state),
  constraint oauth_states_handle_key unique (handle),
  constraint oauth_states_user_fkey foreign key (organization_id, user_id)
    references client_mgmt.client_users (organization_id, user_id) on delete cascade,
  constraint oauth_states_configuration_fkey foreign key (organization_id, mcp_configuration_id)
    references public.mcp_configurations (organization_id, id) on delete cascade,
  constraint oauth_states_client_fkey foreign key (organization_id, oauth_client_id)
    references client_mgmt.oauth_clients (organization_id, id) on delete cascade
);
comment on table public.oauth_states is
  'Authorizations under way. They last ten minutes: one callback, then one finish by the person who began, '
  'which deletes the row.';
comment on column public.oauth_states.state is 'Secret: SHA-256 of the state parameter.';
comment on column public.oauth_states.code_verifier is 'Secret: sealed in the function (docs/storage.md).';
comment on column public.oauth_states.code is
  'Secret: the authorization code, sealed, between callback and finish.';
comment on column public.oauth_states.handle is 'Secret: SHA-256 of the one-time handle of the callback.';
comment on column public.oauth_states.provider is
  'The provider''s name for people: the configuration''s, else the issuer.';
comment on column public.oauth_states.endpoint is
  'The MCP server of the authorization; only it gets the tokens.';
comment on column public.oauth_states.resource is
  'The parameter resource of the authorization; null: it has none.';
comment on column public.oauth_states.server_metadata is
  'The issuer''s endpoints from its checked metadata when the authorization began.';
comment on column public.oauth_states.redirect_uri is
  'The address to which the issuer sends the browser: our callback and the hash of the issuer. A callback '
  'at another address is refused.';
comment on column public.oauth_states.redirect_to is
  'The address to which the callback sends the browser: the client''s, on the allow-list.';
comment on column public.oauth_states.used is 'True: the authorization ended, and no code can be exchanged.';
create index oauth_states_user_id_idx on public.oauth_states (organization_id, user_id);
create index oauth_states_configuration_idx on public.oauth_states (organization_id, mcp_configuration_id);
create index oauth_states_client_idx on public.oauth_states (organization_id, oauth_client_id);
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
  mcp_configuration_id bigint not null,
  mcp_name text not null,
  oauth_provider text not null,
  endpoint text not null,
  issuer text not null,
  resource text,
  client_id text not null,
  oauth_client_id bigint,
  server_metadata jsonb not null,
  access_token text not null
    constraint mcp_oauth_tokens_access_token_sealed check (
      access_token ~ '^v1\.[A-Za-z0-9_-]{1,64}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$'
    ),
  refresh_token text
    constraint mcp_oauth_tokens_refresh_token_sealed check (
      refresh_token ~ '^v1\.[A-Za-z0-9_-]{1,64}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$'
    ),
  token_type text not null default 'Bearer',
  scope text,
  required_scope text,
  expires_at timestamptz,
  status text not null default 'connected'
    constraint mcp_oauth_tokens_status check (status in ('connected', 'needs_reauthorization')),
  generation bigint not null default 1,
  lease_id uuid,
  lease_expires_at timestamptz,
  connected_at timestamptz not null default now(),
  refreshed_at timestamptz not null default now(),
  refresh_failed_at timestamptz,
  refresh_error text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (organization_id, id),
  constraint mcp_oauth_tokens_key unique (organization_id, user_id, mcp_configuration_id),
  constraint mcp_oauth_tokens_user_fkey foreign key (organization_id, user_id)
    references client_mgmt.client_users (organization_id, user_id) on delete cascade,
  constraint mcp_oauth_tokens_configuration_fkey foreign key (organization_id, mcp_configuration_id)
    references public.mcp_configurations (organization_id, id) on delete cascade,
  constraint mcp_oauth_tokens_client_fkey foreign key (organization_id, oauth_client_id)
    references client_mgmt.oauth_clients (organization_id, id) on delete cascade
);
comment on table public.mcp_oauth_tokens is
  'Connections: accounts at MCP servers with their tokens, one per person and configuration. A clean-up '
  'never deletes a row that can still be refreshed.';
comment on column public.mcp_oauth_tokens.access_token is 'Secret: sealed in the function (docs/storage.md).';
comment on column public.mcp_oauth_tokens.refresh_token is
  'Secret: sealed in the function (docs/storage.md).';
comment on column public.mcp_oauth_tokens.endpoint is 'The only server that gets the access token.';
comment on column public.mcp_oauth_tokens.resource is
  'The parameter resource of the token requests; null: they have none.';
comment on column public.mcp_oauth_tokens.scope is
  'The granted scopes; null when the issuer did not name them and the function requested none.';
comment on column public.mcp_oauth_tokens.required_scope is
  'Scopes that the server asked for later: the next authorization requests them too.';
comment on column public.mcp_oauth_tokens.expires_at is
  'The end of the access token; null when the issuer did not name it.';
comment on column public.mcp_oauth_tokens.generation is
  'Counts the stored token sets. A result for an older one changes nothing.';
comment on column public.mcp_oauth_tokens.lease_id is
  'The refresh under way; invalid after lease_expires_at.';
comment on column public.mcp_oauth_tokens.refresh_error is
  'The stable error code of the last failed refresh after the last successful one.';
create index mcp_oauth_tokens_configuration_idx
  on public.mcp_oauth_tokens (organization_id, mcp_configuration_id);
create index mcp_oauth_tokens_client_idx on public.mcp_oauth_tokens (organization_id, oauth_client_id);
create index mcp_oauth_tokens_expires_at_idx on public.mcp_oauth_tokens (expires_at)
  where refresh_token is null;
alter table public.mcp_oauth_tokens enable row level security;
alter table public.mcp_oauth_tokens force row level security;
revoke all on public.mcp_oauth_tokens from anon, authenticated, service_role;
-- No grant and no policy: deny everyone. mcp_connections() shows people their own.
create trigger mcp_oauth_tokens_updated_at before update on public.mcp_oauth_tokens
  for each row execute function private.update_updated_at_column();
create trigger mcp_oauth_tokens_audit_insert after insert on public.mcp_oauth_tokens
  referencing new table as after_rows
  for each statement
  execute function private.audit_change('mcp_connection', 'id', 'access_token', 'refresh_token');
create trigger mcp_oauth_tokens_audit_update after update on public.mcp_oauth_tokens
  referencing old table as before_rows new table as after_rows
  for each statement
  execute function private.audit_change('mcp_connection', 'id', 'access_token', 'refresh_token');
create trigger mcp_oauth_tokens_audit_delete after delete on public.mcp_oauth_tokens
  referencing old table as before_rows
  for each statement
  execute function private.audit_change('mcp_connection', 'id', 'access_token', 'refresh_token');

-- ── Effective configurations ──────────────────────────────────────────────────────────────────

create function private.mcp_connection_status(organization_id bigint, mcp_configuration_id bigint)
returns text
language sql stable security definer set search_path = ''
as $$
  -- Definer: connections deny everyone; this returns the status of the caller's own.
  select coalesce((
    select t.status from public.mcp_oauth_tokens t
    join public.mcp_configurations c on c.organization_id = t.organization_id
      and c.id = t.mcp_configuration_id and c.endpoint = t.endpoint
    where t.organization_id = private.current_organization_id()
      and t.organization_id = mcp_connection_status.organization_id
      and t.mcp_configuration_id = mcp_connection_status.mcp_configuration_id
      and t.user_id = private.current_user_id()
  ), 'not_connected')
$$;
comment on function private.mcp_connection_status(bigint, bigint) is
  'The status of the caller''s connection by a configuration: not_connected, connected or '
  'needs_reauthorization.';
revoke all on function private.mcp_connection_status(bigint, bigint)
  from public, anon, authenticated, service_role;
grant execute on function private.mcp_connection_status(bigint, bigint) to authenticated, service_role;

create view public.effective_mcp_configurations with (security_invoker = true) as
select e.*
from (
  select distinct on (c.organization_id, c.name)
    c.organization_id, c.id, c.user_id, c.name, c.type, c.endpoint, c.command, c.args, c.env,
    c.auth_type, c.oauth_provider, c.oauth_resource, c.accept_new_tools, c.accept_descriptions, c.enabled,
    c.created_at, c.updated_at,
    case when c.auth_type = 'oauth'
      then private.mcp_connection_status(c.organization_id, c.id) end as connection_status
  from public.mcp_configurations c
  where c.user_id is null or c.user_id = (select private.current_user_id())
  order by c.organization_id, c.name, c.user_id nulls last
) e
where e.enabled;
comment on view public.effective_mcp_configurations is
  'The servers that a person''s agents use: their own entry overrides the organization''s of the same '
  'name, also when it is disabled. connection_status: not_connected, connected or needs_reauthorization; '
  'null for a server without OAuth.';
revoke all on public.effective_mcp_configurations from anon, authenticated, service_role;
grant select on public.effective_mcp_configurations to authenticated, service_role;

-- A former member keeps no connection.
create function private.disconnect_former_member() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: connections deny everyone.
begin
  delete from private.mcp_header_keys k
  where k.organization_id = new.organization_id and k.user_id = new.user_id;
  delete from private.mcp_endpoint_queries q
  where q.organization_id = new.organization_id and q.user_id = new.user_id;
  delete from public.oauth_states s where s.organization_id = new.organization_id and s.user_id = new.user_id;
  delete from public.mcp_oauth_tokens t
  where t.organization_id = new.organization_id and t.user_id = new.user_id;
  return null;
end
$$;
comment on function private.disconnect_former_member() is
  'Trigger on memberships: the end of a membership deletes its connections, its header keys and the queries '
  'of its endpoints.';
revoke all on function private.disconnect_former_member() from public, anon, authenticated, service_role;
create trigger client_users_disconnect after update of ended_at on client_mgmt.client_users
  for each row when (old.ended_at is null and new.ended_at is not null)
  execute function private.disconnect_former_member();
create trigger oauth_clients_require_permission before insert or update or delete on client_mgmt.oauth_clients
  for each statement execute function private.require_permission('mcp.manage');
