-- MCP servers: configurations, and an organization's rules for hosts and issuers.
-- Special: the function seals a credential before it reaches a table. A user's configuration overrides
-- the organization's of the same name. Another endpoint never gets the old endpoint's credentials. No
-- endpoint holds a secret: its query stands in a private table, and a name for it in its place.

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
  oauth_resource text constraint mcp_configurations_oauth_resource check (
    oauth_resource ~ '^([A-Za-z][A-Za-z0-9+.-]*:[!-~]+)?$' and char_length(oauth_resource) <= 2048
  ),
  accept_new_tools boolean not null default false,
  accept_descriptions boolean not null default false,
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
comment on column public.mcp_configurations.endpoint is
  'The address of the server. A query is kept in private.mcp_endpoint_queries; ?redacted=<number> stands '
  'in its place, also in the audit log. read_mcp_endpoint() shows it to a person who may change the row.';
comment on column public.mcp_configurations.oauth_resource is
  'The parameter resource (RFC 8707) of authorizations and refreshes, in place of the discovered one; an '
  'empty text: the parameter is left out. Null: the discovered one. Microsoft Entra wants its own.';
comment on column public.mcp_configurations.accept_new_tools is
  'Whether a tool that the server lists later is accepted without a member''s review.';
comment on column public.mcp_configurations.accept_descriptions is
  'Whether a change of nothing but titles and descriptions is accepted without a member''s review.';
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
grant
  insert (
    user_id, name, type, endpoint, command, args, env, auth_type, oauth_provider, oauth_resource,
    accept_new_tools, accept_descriptions, enabled
  ),
  update (
    user_id, name, type, endpoint, command, args, env, auth_type, oauth_provider, oauth_resource,
    accept_new_tools, accept_descriptions, enabled
  )
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

-- ── Endpoints ─────────────────────────────────────────────────────────────────────────────────

create function private.is_special_address(address inet) returns boolean
language sql immutable security invoker set search_path = ''
as $$
  select case when family(address) = 4
    then exists (
      select 1 from unnest(array[
        '0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '169.254.0.0/16', '172.16.0.0/12', '192.0.0.0/24',
        '192.0.2.0/24', '192.88.99.0/24', '192.168.0.0/16', '198.18.0.0/15', '198.51.100.0/24',
        '203.0.113.0/24', '224.0.0.0/4', '240.0.0.0/4', '168.63.129.16/32'
      ]::inet[]) r(range) where address <<= r.range
    )
    else not address <<= '2000::/3'::inet or exists (
      select 1 from unnest(array['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20']::inet[]) r(range)
      where address <<= r.range
    ) end
$$;
comment on function private.is_special_address(inet) is
  'Whether an address is none of the public internet, as the function''s guard decides '
  '(_shared/outbound/address.ts). Loopback of IPv4 is not in the list: mcp_endpoint_problem() judges it.';

create function private.mcp_endpoint_problem(endpoint text) returns text
language plpgsql immutable security invoker set search_path = ''
as $$
declare
  authority constant text := substring(endpoint from '^[A-Za-z]+://([^/?#]*)');
  -- As URLs are read: full-width letters and ideographic stops are plain ones, and a last dot is none.
  host constant text := rtrim(lower(normalize(
    translate((regexp_match(authority, '^(\[[^][]*\]|[^]:[]+)(:[0-9]{1,5})?$'))[1], '。｡', '..'), NFKC
  )), '.');
  address inet;
  is_local boolean;
begin
  if endpoint !~* '^https?://' then
    return 'It is not an address over https.';
  elsif authority ~ '@' then
    return 'It has credentials: store them as header keys.';
  elsif endpoint ~ '[[:space:][:cntrl:]\\]' or host is null or host = '' or host ~ '[%<>^|]' then
    return 'It has no valid host.';
  end if;
  -- A host whose last label is a number is an address, in whatever spelling.
  if host ~ '^\[.*\]$' or host ~ '(^|\.)([0-9]+|0x[0-9a-f]*)$' then
    begin
      address := btrim(host, '[]')::inet;
    exception
      when invalid_text_representation then
        return 'Its host is not a plain IP address.';
    end;
    if host ~ '/' or host ~ '(^|\.)0[0-9]' then
      return 'Its host is not a plain IP address.';
    end if;
  end if;
  -- Only a local stack reaches its own machine. The function decides that: the database does not know it.
  is_local := case when address is null then host ~ '(^|\.)localhost$'
    else address <<= '127.0.0.0/8'::inet
      or address = '::1'::inet end;
  if is_local then
    return null;
  elsif endpoint !~* '^https://' then
    return 'It is not an address over https.';
  elsif address is not null and private.is_special_address(address) then
    return 'Its host is an address of a private network.';
  end if;
  return null;
end
$$;
comment on function private.mcp_endpoint_problem(text) is
  'Why the function''s guard would refuse an endpoint, as far as its text shows it; null: it would not. The '
  'guard checks the addresses of a name when it dials.';

create table private.mcp_endpoint_queries (
  organization_id bigint not null references public.organizations (id) on delete cascade,
  id bigint generated always as identity,
  user_id uuid,
  address text not null,
  query text not null,
  named_at timestamptz not null default clock_timestamp(),
  endpoint text not null generated always as (address || '?redacted=' || id) stored,
  primary key (organization_id, id),
  constraint mcp_endpoint_queries_user_fkey foreign key (organization_id, user_id)
    references client_mgmt.client_users (organization_id, user_id) on delete cascade
);
comment on table private.mcp_endpoint_queries is
  'The queries of endpoints, which often hold keys. A key in a header is sealed: mcp_header_keys.';
comment on column private.mcp_endpoint_queries.user_id is
  'The person whose configurations use it; null: the organization. No other configuration gets it.';
comment on column private.mcp_endpoint_queries.endpoint is
  'The endpoint as configurations name it: the address, and the number of this row.';
comment on column private.mcp_endpoint_queries.named_at is
  'The time when a statement last gave the endpoint to a configuration.';
comment on column private.mcp_endpoint_queries.query is
  'Secret: what stands after the question mark; no API role can read it.';
create index mcp_endpoint_queries_user_id_idx on private.mcp_endpoint_queries (organization_id, user_id);
alter table private.mcp_endpoint_queries enable row level security;
alter table private.mcp_endpoint_queries force row level security;
revoke all on private.mcp_endpoint_queries from public, anon, authenticated, service_role;

create function private.keep_mcp_endpoint() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no API role holds a grant on the queries.
declare
  problem constant text := private.mcp_endpoint_problem(new.endpoint);
  base constant text := split_part(split_part(new.endpoint, '#', 1), '?', 1);
  given constant text := substr(split_part(new.endpoint, '#', 1), char_length(base) + 2);
  kept text;
begin
  if new.organization_id is null then
    -- The policies refuse the row.
    return new;
  end if;
  if problem is not null then
    raise exception using errcode = 'PT422', message = 'address_not_allowed',
      detail = 'The endpoint is refused. ' || problem;
  end if;
  -- What no configuration names any more; an insert that did nothing may have left it. A statement that
  -- names the endpoint at the same time has moved named_at, which this statement waits for and sees.
  delete from private.mcp_endpoint_queries q
  where q.organization_id = new.organization_id and q.user_id is not distinct from new.user_id
    and q.named_at < clock_timestamp() - interval '1 minute'
    and not exists (
      select 1 from public.mcp_configurations c
      where c.organization_id = q.organization_id and c.endpoint = q.endpoint
        and c.user_id is not distinct from q.user_id
    );
  new.endpoint := base;
  if given = '' then
    return new;
  end if;
  -- The same query keeps its name, and so the configuration its connections.
  update private.mcp_endpoint_queries q set named_at = clock_timestamp()
  where q.organization_id = new.organization_id and q.id = (
    select s.id from private.mcp_endpoint_queries s
    where s.organization_id = new.organization_id and s.user_id is not distinct from new.user_id
      and s.address = base and (s.endpoint = base || '?' || given or s.query = given)
    order by s.id limit 1
  )
  returning q.endpoint into kept;
  if not found then
    if given ~ '^redacted=[0-9]+$' then
      raise exception using errcode = '22023', message = 'invalid_request',
        detail = 'The owner of the configuration has no query of this name. Enter the whole endpoint.';
    end if;
    if (
      select count(*) from private.mcp_endpoint_queries q
      where q.organization_id = new.organization_id and q.user_id is not distinct from new.user_id
    ) >= 1000 then
      perform private.refuse_quota(
        'At most 1,000 endpoints with a query are kept of a member. Enter one without a query.',
        'private.mcp_endpoint_queries', 'member', 'rows', 1000
      );
    end if;
    insert into private.mcp_endpoint_queries as q (organization_id, user_id, address, query)
    values (new.organization_id, new.user_id, base, given)
    returning q.endpoint into kept;
  end if;
  new.endpoint := kept;
  return new;
end
$$;
comment on function private.keep_mcp_endpoint() is
  'Trigger: refuses with PT422 address_not_allowed an endpoint that the function could not use, and moves '
  'the query of another one to private.mcp_endpoint_queries. 22023 for the name of a query that is not kept.';
revoke all on function
  private.is_special_address(inet), private.mcp_endpoint_problem(text), private.keep_mcp_endpoint()
  from public, anon, authenticated, service_role;
create trigger mcp_configurations_check_endpoint
  before insert or update of type, endpoint on public.mcp_configurations
  for each row when (new.endpoint is not null and (new.type, new.endpoint) <> ('stdio', ''))
  execute function private.keep_mcp_endpoint();

create function private.forget_mcp_endpoint() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no API role holds a grant on the queries.
begin
  -- Waits for a transaction that gives the endpoint to another configuration or takes it from one; the next
  -- statement sees what it did.
  perform 1 from private.mcp_endpoint_queries q
  where q.organization_id = old.organization_id and q.endpoint = old.endpoint
    and q.user_id is not distinct from old.user_id
  for update;
  delete from private.mcp_endpoint_queries q
  where q.organization_id = old.organization_id and q.endpoint = old.endpoint
    and q.user_id is not distinct from old.user_id
    and not exists (
      select 1 from public.mcp_configurations c
      where c.organization_id = q.organization_id and c.endpoint = q.endpoint
        and c.user_id is not distinct from q.user_id
    );
  return null;
end
$$;
comment on function private.forget_mcp_endpoint() is
  'Trigger: deletes the query of an endpoint that no configuration of its owner names any more.';
revoke all on function private.forget_mcp_endpoint() from public, anon, authenticated, service_role;
create trigger mcp_configurations_forget_endpoint
  after delete or update of endpoint on public.mcp_configurations
  for each row when (old.endpoint like '%?redacted=%')
  execute function private.forget_mcp_endpoint();

create function private.mcp_endpoint_query(server public.mcp_configurations) returns text
language sql stable security definer set search_path = ''
as $$
  -- Definer: called by definer functions that have checked their caller.
  select q.query from private.mcp_endpoint_queries q
  where q.organization_id = server.organization_id and q.endpoint = server.endpoint
    and q.user_id is not distinct from server.user_id
$$;
comment on function private.mcp_endpoint_query(public.mcp_configurations) is
  'What stands after the question mark of a configuration''s endpoint; null: nothing.';

create function private.read_mcp_endpoint(id bigint) returns text
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: no API role holds a grant on the queries. It checks that the caller may change the
-- configuration.
declare
  organization constant bigint := private.require_organization();
  server public.mcp_configurations;
begin
  select c.* into server from public.mcp_configurations c
  where c.organization_id = organization and c.id = read_mcp_endpoint.id
    and (c.user_id is null or c.user_id = private.current_user_id());
  if not found then
    raise exception using errcode = 'PT404', message = 'mcp_configuration_not_found',
      detail = 'No MCP configuration that the caller sees has this id.';
  end if;
  perform private.require_organization(
    case when server.user_id is null then 'mcp.manage' else 'agents.invoke' end
  );
  return split_part(server.endpoint, '?', 1)
    || coalesce('?' || private.mcp_endpoint_query(server), '');
end
$$;
comment on function private.read_mcp_endpoint(bigint) is 'Body of public.read_mcp_endpoint().';

create function public.read_mcp_endpoint(id bigint) returns text
language sql stable security invoker set search_path = ''
as $$ select private.read_mcp_endpoint(id) $$;
comment on function public.read_mcp_endpoint(bigint) is
  'The whole endpoint of a configuration with its query, for a member who may change it. PT404 '
  'mcp_configuration_not_found.';

revoke all on function
  private.mcp_endpoint_query(public.mcp_configurations), private.read_mcp_endpoint(bigint),
  public.read_mcp_endpoint(bigint)
  from public, anon, authenticated, service_role;
grant execute on function private.read_mcp_endpoint(bigint), public.read_mcp_endpoint(bigint)
  to authenticated;

-- ── Credentials ───────────────────────────────────────────────────────────────────────────────

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

create table private.mcp_header_keys (
  organization_id bigint not null,
  id bigint generated always as identity,
  mcp_configuration_id bigint not null,
  user_id uuid,
  name text not null constraint mcp_header_keys_name check (name ~ '^[a-z0-9!#$%&''*+.^_`|~-]{1,64}$'),
  sealed_value text not null
    constraint mcp_header_keys_sealed check (
      sealed_value ~ '^v1\.[A-Za-z0-9_-]{1,64}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$'
    ),
  updated_at timestamptz not null default now(),
  primary key (organization_id, id),
  constraint mcp_header_keys_key unique nulls not distinct (
    organization_id, mcp_configuration_id, user_id, name
  ),
  constraint mcp_header_keys_configuration_fkey foreign key (organization_id, mcp_configuration_id)
    references public.mcp_configurations (organization_id, id) on delete cascade,
  constraint mcp_header_keys_user_fkey foreign key (organization_id, user_id)
    references client_mgmt.client_users (organization_id, user_id) on delete cascade
);
comment on table private.mcp_header_keys is
  'Headers with keys that the function sends to an MCP server. A person''s own replaces the organization''s '
  'of the same name. set_mcp_header_key() stores one and records it without the value.';
comment on column private.mcp_header_keys.user_id is
  'The person who alone uses the key; null: the organization''s, for every member.';
comment on column private.mcp_header_keys.name is 'Name of the header, in lower case.';
comment on column private.mcp_header_keys.sealed_value is
  'Secret: sealed in the function (docs/storage.md); no API role can read it.';
create index mcp_header_keys_user_id_idx on private.mcp_header_keys (organization_id, user_id);
alter table private.mcp_header_keys enable row level security;
alter table private.mcp_header_keys force row level security;
revoke all on private.mcp_header_keys from public, anon, authenticated, service_role;
create trigger mcp_header_keys_updated_at before update on private.mcp_header_keys
  for each row execute function private.update_updated_at_column();

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
      detail = 'The configuration names another server now. Read its endpoint, and enter the '
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

create function public.set_mcp_header_key(
  organization_id bigint, user_id uuid, id bigint, endpoint text, is_organizations boolean, name text,
  sealed_value text default null
) returns void
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no API role holds a grant on the keys. Executable by service_role only, for the person whose
-- token the function oauth has verified.
#variable_conflict use_column
declare
  organization constant bigint := set_mcp_header_key.organization_id;
  account constant uuid := set_mcp_header_key.user_id;
  holder constant uuid := case when not is_organizations then account end;
  owner uuid;
begin
  if is_organizations is null then
    raise exception using errcode = '22023', message = 'invalid_request',
      detail = 'is_organizations is true or false.';
  end if;
  select c.user_id into owner from public.mcp_configurations c
  where c.organization_id = organization and c.id = set_mcp_header_key.id
    and (c.user_id is null or c.user_id = account);
  if not found then
    raise exception using errcode = 'PT404', message = 'mcp_configuration_not_found',
      detail = 'No MCP configuration that the caller sees has this id.';
  end if;
  perform private.require_acting_member(
    organization, account, case when is_organizations then 'mcp.manage' else 'agents.invoke' end
  );
  perform private.lock_mcp_endpoint(organization, set_mcp_header_key.id, set_mcp_header_key.endpoint);
  if is_organizations and owner is not null then
    raise exception using errcode = '22023', message = 'invalid_request',
      detail = 'The configuration is one person''s, so it has no key of the organization.';
  end if;
  if sealed_value is null then
    delete from private.mcp_header_keys k
    where k.organization_id = organization and k.mcp_configuration_id = set_mcp_header_key.id
      and k.user_id is not distinct from holder and k.name = set_mcp_header_key.name;
  else
    insert into private.mcp_header_keys (
      organization_id, mcp_configuration_id, user_id, name, sealed_value
    )
    values (
      organization, set_mcp_header_key.id, holder, set_mcp_header_key.name, set_mcp_header_key.sealed_value
    )
    on conflict on constraint mcp_header_keys_key do update
      set sealed_value = excluded.sealed_value;
    if (
      select count(*) from private.mcp_header_keys k
      where k.organization_id = organization and k.mcp_configuration_id = set_mcp_header_key.id
        and k.user_id is not distinct from holder
    ) > 16 then
      perform private.refuse_quota(
        'A configuration has at most 16 header keys of the organization and 16 of each person. Remove one.',
        'private.mcp_header_keys', 'configuration', 'rows', 16
      );
    end if;
  end if;
  perform private.write_audit_event(
    organization, 'mcp_configuration.' || case
      when sealed_value is null then 'remove'
      else 'set' end || '_header_key',
    'mcp_configuration', set_mcp_header_key.id::text,
    jsonb_build_object('name', set_mcp_header_key.name, 'is_organizations', is_organizations)
  );
  perform set_config('colloquy.acting_user', '', true);
exception
  when check_violation or not_null_violation then
    raise exception using errcode = '22023', message = 'invalid_request',
      detail = 'The name is not that of a header, or the value is not sealed.';
end
$$;
comment on function public.set_mcp_header_key(bigint, uuid, bigint, text, boolean, text, text) is
  'Stores the sealed key that a header of a configuration''s requests carries, or removes it (null), for a '
  'member: their own, or the organization''s with mcp.manage. endpoint: the server that the key is for, '
  'PT409 mcp_configuration_changed when it is another one by now. For the function oauth, which seals. '
  'Service role only.';

create function private.mcp_header_keys()
returns table (mcp_configuration_id bigint, name text, is_organizations boolean, updated_at timestamptz)
language sql stable security definer set search_path = ''
as $$
  -- Definer: no API role holds a grant on the keys; this returns the names of those that the caller uses.
  select k.mcp_configuration_id, k.name, k.user_id is null, k.updated_at
  from private.mcp_header_keys k
  join public.mcp_configurations c on c.organization_id = k.organization_id
    and c.id = k.mcp_configuration_id
    and (c.user_id is null or c.user_id = private.current_user_id())
  where k.organization_id = private.current_organization_id()
    and (k.user_id is null or k.user_id = private.current_user_id())
  order by 1, 2, 3
$$;
comment on function private.mcp_header_keys() is 'Body of public.mcp_header_keys().';

create function public.mcp_header_keys()
returns table (mcp_configuration_id bigint, name text, is_organizations boolean, updated_at timestamptz)
language sql stable security invoker set search_path = ''
as $$ select * from private.mcp_header_keys() $$;
comment on function public.mcp_header_keys() is
  'The headers with keys that the caller''s requests to MCP servers carry: names, never values.';

create function private.usable_header_keys(server public.mcp_configurations, user_id uuid) returns jsonb
language sql stable security definer set search_path = ''
as $$
  -- Definer: called by functions for service_role.
  select coalesce(jsonb_agg(jsonb_build_object(
    'name', u.name, 'is_organizations', u.user_id is null, 'sealed_value', u.sealed_value
  )), '[]')
  from (
    select distinct on (k.name) k.name, k.user_id, k.sealed_value
    from private.mcp_header_keys k
    where k.organization_id = server.organization_id and k.mcp_configuration_id = server.id
      and (k.user_id is null or k.user_id = usable_header_keys.user_id)
    order by k.name, k.user_id nulls last
  ) u
$$;
comment on function private.usable_header_keys(public.mcp_configurations, uuid) is
  'The sealed header keys of a person''s requests to a server: [{ name, is_organizations, sealed_value }].';

create function public.resolve_mcp_endpoint(
  organization_id bigint, user_id uuid, id bigint, endpoint text
) returns jsonb
language sql stable security definer set search_path = ''
as $$
  -- Definer: no API role holds a grant on the queries and the keys. Executable by service_role only, for a
  -- configuration that the caller has opened. One statement reads all of it, so a key that is stored for
  -- another endpoint in the meantime never goes to this one.
  select jsonb_build_object(
    'endpoint', split_part(c.endpoint, '?', 1) || coalesce('?' || private.mcp_endpoint_query(c), ''),
    'headers', private.usable_header_keys(c, resolve_mcp_endpoint.user_id)
  )
  from public.mcp_configurations c
  join client_mgmt.client_users m on m.organization_id = c.organization_id
    and m.user_id = resolve_mcp_endpoint.user_id
    and m.ended_at is null
  where c.organization_id = resolve_mcp_endpoint.organization_id and c.id = resolve_mcp_endpoint.id
    and (c.user_id is null or c.user_id = resolve_mcp_endpoint.user_id)
    and c.endpoint = resolve_mcp_endpoint.endpoint
$$;
comment on function public.resolve_mcp_endpoint(bigint, uuid, bigint, text) is
  'What a person''s requests to a server need before there is a connection: { endpoint, with its query, '
  'headers: the sealed keys as usable_header_keys() returns them }. Null when the person does not use the '
  'configuration, or it names another endpoint by now. Service role only.';

revoke all on function
  public.set_mcp_header_key(bigint, uuid, bigint, text, boolean, text, text), private.mcp_header_keys(),
  public.mcp_header_keys(), private.usable_header_keys(public.mcp_configurations, uuid),
  public.resolve_mcp_endpoint(bigint, uuid, bigint, text)
  from public, anon, authenticated, service_role;
grant execute on function
  public.set_mcp_header_key(bigint, uuid, bigint, text, boolean, text, text),
  public.resolve_mcp_endpoint(bigint, uuid, bigint, text)
  to service_role;
grant execute on function private.mcp_header_keys(), public.mcp_header_keys() to authenticated;
create trigger mcp_configurations_require_permission
  before insert or update or delete on public.mcp_configurations
  for each statement execute function private.require_permission('agents.invoke', 'mcp.manage');
create trigger mcp_allowed_hosts_require_permission
  before insert or update or delete on client_mgmt.mcp_allowed_hosts
  for each statement execute function private.require_permission('mcp.manage');
create trigger oauth_issuer_exceptions_require_permission
  before insert or update or delete on client_mgmt.oauth_issuer_exceptions
  for each statement execute function private.require_permission('mcp.manage');
