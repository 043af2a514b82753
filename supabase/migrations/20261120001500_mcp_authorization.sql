-- Authorizing a connection: the steps of the function oauth. In each step one statement decides.
-- Special: the callback comes without a token, so it only changes the state. Its handle works for no other
-- person than the one who began. Functions for service_role take ids that a function for the caller
-- returned.

-- ── What the caller does ──────────────────────────────────────────────────────────────────────

create function private.mcp_connections()
returns table (
  id bigint, mcp_configuration_id bigint, mcp_name text, oauth_provider text, endpoint text,
  issuer text, scope text,
  required_scope text, status text, expires_at timestamptz, connected_at timestamptz,
  refreshed_at timestamptz,
  refresh_error text
)
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: connections deny everyone; this returns the caller's own, without their secrets.
begin
  return query
  select t.id, t.mcp_configuration_id, t.mcp_name, t.oauth_provider, t.endpoint, t.issuer, t.scope,
    t.required_scope,
    t.status, t.expires_at, t.connected_at, t.refreshed_at, t.refresh_error
  from public.mcp_oauth_tokens t
  where t.organization_id = private.current_organization_id() and t.user_id = private.current_user_id()
  order by t.mcp_name, t.id;
end
$$;
comment on function private.mcp_connections() is 'Body of public.mcp_connections().';

create function private.open_mcp_connection(id bigint) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: connections deny everyone; this finds the caller's own and returns no secret. It requires no
-- permission: a member without permissions may still disconnect.
declare
  organization constant bigint := private.require_organization();
  result jsonb;
begin
  select jsonb_build_object(
    'organization_id', t.organization_id, 'id', t.id, 'user_id', t.user_id,
    'mcp_configuration_id', t.mcp_configuration_id
  ) into result
  from public.mcp_oauth_tokens t
  where t.organization_id = organization
    and t.id = open_mcp_connection.id
    and t.user_id = private.current_user_id();
  if not found then
    raise exception using errcode = 'PT404', message = 'connection_not_found',
      detail = 'The caller has no connection with this id.';
  end if;
  return result;
end
$$;
comment on function private.open_mcp_connection(bigint) is 'Body of public.open_mcp_connection().';

create function private.claim_mcp_authorization(handle text) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: states deny everyone. A handle that another person, or the person in another organization,
-- presents is stolen or planted: the authorization is destroyed, and the log records it. No error is
-- raised, because an error would undo both.
declare
  organization constant bigint := private.require_organization('agents.invoke');
  found_state public.oauth_states;
begin
  if claim_mcp_authorization.handle !~ '^[0-9a-f]{64}$' then
    return null;
  end if;
  select s.* into found_state from public.oauth_states s
  where s.handle = decode(claim_mcp_authorization.handle, 'hex')
    and not s.used
    and s.expires_at > clock_timestamp();
  if not found then
    return null;
  end if;
  if found_state.organization_id <> organization or found_state.user_id <> private.current_user_id() then
    delete from public.oauth_states s
    where s.organization_id = found_state.organization_id and s.id = found_state.id;
    perform private.write_audit_event(
      found_state.organization_id, 'mcp_connection.finish', 'mcp_configuration',
      found_state.mcp_configuration_id::text,
      jsonb_build_object('began_by', found_state.user_id), false, 'finished_by_someone_else'
    );
    return null;
  end if;
  return jsonb_build_object('organization_id', found_state.organization_id, 'id', found_state.id);
end
$$;
comment on function private.claim_mcp_authorization(text) is 'Body of public.claim_mcp_authorization().';

revoke all on function
  private.mcp_connections(), private.open_mcp_connection(bigint), private.claim_mcp_authorization(text)
  from public, anon, authenticated, service_role;
grant execute on function
  private.mcp_connections(), private.open_mcp_connection(bigint), private.claim_mcp_authorization(text)
  to authenticated;

create function public.mcp_connections()
returns table (
  id bigint, mcp_configuration_id bigint, mcp_name text, oauth_provider text, endpoint text,
  issuer text, scope text,
  required_scope text, status text, expires_at timestamptz, connected_at timestamptz,
  refreshed_at timestamptz,
  refresh_error text
)
language sql stable security invoker set search_path = ''
as $$ select * from private.mcp_connections() $$;
comment on function public.mcp_connections() is
  'The caller''s connections in the active organization. status: connected or needs_reauthorization.';

create function public.open_mcp_connection(id bigint) returns jsonb
language sql stable security invoker set search_path = ''
as $$ select private.open_mcp_connection(id) $$;
comment on function public.open_mcp_connection(bigint) is
  'One of the caller''s connections: { organization_id, id, user_id, mcp_configuration_id }. PT404 '
  'connection_not_found.';

create function public.claim_mcp_authorization(handle text) returns jsonb
language sql volatile security invoker set search_path = ''
as $$ select private.claim_mcp_authorization(handle) $$;
comment on function public.claim_mcp_authorization(text) is
  'Whether the caller began the authorization whose handle has this SHA-256 (hexadecimal): { '
  'organization_id, id }, else null, and the authorization is destroyed.';

revoke all on function
  public.mcp_connections(), public.open_mcp_connection(bigint), public.claim_mcp_authorization(text)
  from public, anon, authenticated, service_role;
grant execute on function
  public.mcp_connections(), public.open_mcp_connection(bigint), public.claim_mcp_authorization(text)
  to authenticated;

-- ── Client registrations ──────────────────────────────────────────────────────────────────────

create function private.oauth_client_json(organization_id bigint, id bigint) returns jsonb
language sql stable security definer set search_path = ''
as $$
  -- Definer: called by functions for service_role. One statement reads the client and its secret: of two
  -- snapshots one could hold the secret of an earlier correction.
  select jsonb_build_object(
    'id', c.id, 'issuer', c.issuer, 'source', c.source, 'redirect_uri', c.redirect_uri,
    'client_id', c.client_id, 'token_endpoint_auth_method', c.token_endpoint_auth_method,
    'client_secret', s.client_secret
  )
  from client_mgmt.oauth_clients c
  left join private.oauth_client_secrets s
    on s.organization_id = c.organization_id and s.oauth_client_id = c.id
  where c.organization_id = oauth_client_json.organization_id and c.id = oauth_client_json.id
$$;
comment on function private.oauth_client_json(bigint, bigint) is
  'A client for the function oauth, with its sealed secret; null for an absent one.';
revoke all on function private.oauth_client_json(bigint, bigint)
  from public, anon, authenticated, service_role;

create function private.delete_idle_oauth_clients(organization_id bigint) returns void
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no role may write clients. A member holds at most 20 authorizations under way and the bound of
-- their connections. So no member fills the organization's bound with registrations that nothing uses.
#variable_conflict use_column
begin
  if (
    select count(*) from client_mgmt.oauth_clients c
    where c.organization_id = delete_idle_oauth_clients.organization_id
  ) < 900 then
    return;
  end if;
  delete from client_mgmt.oauth_clients c
  where c.organization_id = delete_idle_oauth_clients.organization_id and c.source = 'dynamic'
    and c.updated_at <= clock_timestamp() - interval '1 minute'
    and not exists (
      select 1 from public.mcp_oauth_tokens t
      where t.organization_id = c.organization_id and t.oauth_client_id = c.id
    )
    and not exists (
      select 1 from public.oauth_states s
      where s.organization_id = c.organization_id and s.oauth_client_id = c.id
        and s.expires_at > clock_timestamp()
    );
end
$$;
comment on function private.delete_idle_oauth_clients(bigint) is
  'In an organization with 900 clients or more: deletes the dynamic ones that no connection and no '
  'authorization under way has used in the last minute.';
revoke all on function private.delete_idle_oauth_clients(bigint)
  from public, anon, authenticated, service_role;

create function public.lease_oauth_client(
  organization_id bigint, user_id uuid, issuer text, may_register boolean, redirect_uri text
) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no role may write clients. Executable by service_role only.
#variable_conflict use_column
declare
  organization constant bigint := lease_oauth_client.organization_id;
  found_client client_mgmt.oauth_clients;
begin
  select c.* into found_client from client_mgmt.oauth_clients c
  where c.organization_id = organization and c.issuer = lease_oauth_client.issuer
    and c.source = 'preregistered' and c.superseded_at is null;
  if found then
    return jsonb_build_object(
      'status', 'ready', 'client', private.oauth_client_json(organization, found_client.id)
    );
  elsif may_register is not true then
    return jsonb_build_object('status', 'absent');
  end if;

  perform private.require_acting_member(organization, lease_oauth_client.user_id, null);
  perform private.delete_idle_oauth_clients(organization);
  -- A client that the issuer no longer takes gives way. Its row stays for its connections, whose issuer
  -- may still take it. Without one it goes at once: rejections without end must not fill the table. The lock
  -- comes first, so that the next statement sees every connection.
  perform 1 from client_mgmt.oauth_clients c
  where c.organization_id = organization and c.issuer = lease_oauth_client.issuer
    and c.source = 'dynamic' and c.redirect_uri = lease_oauth_client.redirect_uri
    and c.superseded_at is null and c.client_id is not null
    and (c.rejected_at is not null or c.secret_expires_at <= clock_timestamp())
  for update;
  if found then
    delete from client_mgmt.oauth_clients c
    where c.organization_id = organization and c.issuer = lease_oauth_client.issuer
      and c.source = 'dynamic' and c.redirect_uri = lease_oauth_client.redirect_uri
      and c.superseded_at is null and c.client_id is not null
      and (c.rejected_at is not null or c.secret_expires_at <= clock_timestamp())
      and not exists (
        select 1 from public.mcp_oauth_tokens t
        where t.organization_id = c.organization_id and t.oauth_client_id = c.id
      )
      and not exists (
        select 1 from public.oauth_states s
        where s.organization_id = c.organization_id and s.oauth_client_id = c.id
          and s.expires_at > clock_timestamp()
      );
    update client_mgmt.oauth_clients c set superseded_at = clock_timestamp()
    where c.organization_id = organization and c.issuer = lease_oauth_client.issuer
      and c.source = 'dynamic' and c.redirect_uri = lease_oauth_client.redirect_uri
      and c.superseded_at is null and c.client_id is not null
      and (c.rejected_at is not null or c.secret_expires_at <= clock_timestamp());
  end if;
  -- One statement decides which caller registers: only it can set a lease where none is valid.
  insert into client_mgmt.oauth_clients as c (
    organization_id, issuer, source, redirect_uri, lease_id, lease_expires_at
  )
  values (
    organization, lease_oauth_client.issuer, 'dynamic', lease_oauth_client.redirect_uri,
    gen_random_uuid(), clock_timestamp() + interval '30 seconds'
  )
  on conflict (organization_id, issuer, source, redirect_uri) where superseded_at is null do update
    set lease_id = excluded.lease_id, lease_expires_at = excluded.lease_expires_at
    where c.client_id is null and (c.lease_expires_at is null or c.lease_expires_at <= clock_timestamp())
  returning c.* into found_client;
  perform set_config('colloquy.acting_user', '', true);
  if found_client.id is not null then
    return jsonb_build_object('status', 'register', 'id', found_client.id, 'lease_id', found_client.lease_id);
  end if;

  select c.* into found_client from client_mgmt.oauth_clients c
  where c.organization_id = organization and c.issuer = lease_oauth_client.issuer
    and c.source = 'dynamic' and c.redirect_uri = lease_oauth_client.redirect_uri
    and c.superseded_at is null and c.client_id is not null and c.rejected_at is null
    and (c.secret_expires_at is null or c.secret_expires_at > clock_timestamp());
  if found then
    return jsonb_build_object(
      'status', 'ready', 'client', private.oauth_client_json(organization, found_client.id)
    );
  end if;
  return jsonb_build_object('status', 'wait');
end
$$;
comment on function public.lease_oauth_client(bigint, uuid, text, boolean, text) is
  'The organization''s present client at an issuer: { status: ready, client }, or, to one caller at a '
  'time, { status: register, id, lease_id }; else { status: wait } or, without may_register, { '
  'status: absent }. A dynamic client is one that was registered with this redirect_uri. A lease counts '
  'as a change of the member. Service role only.';

create function public.set_oauth_client(
  organization_id bigint, user_id uuid, issuer text, client_id text, sealed_secret text default null,
  token_endpoint_auth_method text default null
) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no role may write clients. Executable by service_role only, for the person whose token the
-- function oauth has verified. A sealed text of a client could stop the rotation of keys.
#variable_conflict use_column
declare
  organization constant bigint := set_oauth_client.organization_id;
  stored client_mgmt.oauth_clients;
begin
  perform private.require_acting_member(organization, set_oauth_client.user_id, 'mcp.manage');
  loop
    -- Another client takes the place of the present one, whose row stays for its connections. The same
    -- client is corrected, also one that had given way.
    update client_mgmt.oauth_clients c set superseded_at = clock_timestamp()
    where c.organization_id = organization and c.issuer = set_oauth_client.issuer
      and c.source = 'preregistered' and c.superseded_at is null
      and c.client_id is distinct from set_oauth_client.client_id;
    begin
      update client_mgmt.oauth_clients c
      set superseded_at = null, registered_at = clock_timestamp(),
        token_endpoint_auth_method = set_oauth_client.token_endpoint_auth_method
      where c.organization_id = organization and c.issuer = set_oauth_client.issuer
        and c.source = 'preregistered' and c.client_id = set_oauth_client.client_id
      returning c.* into stored;
      exit when found;
      insert into client_mgmt.oauth_clients (
        organization_id, issuer, source, client_id, token_endpoint_auth_method, registered_at
      )
      values (
        organization, set_oauth_client.issuer, 'preregistered', set_oauth_client.client_id,
        set_oauth_client.token_endpoint_auth_method, clock_timestamp()
      )
      returning * into stored;
      exit;
    exception
      when unique_violation then
        -- Another manager has stored a client in the meantime: this one comes after it.
        null;
    end;
  end loop;
  perform private.keep_client_secret(stored, sealed_secret);
  perform set_config('colloquy.acting_user', '', true);
  return jsonb_build_object(
    'id', stored.id, 'issuer', stored.issuer, 'client_id', stored.client_id, 'source', stored.source
  );
exception
  when check_violation or not_null_violation then
    raise exception using errcode = '22023', message = 'invalid_request',
      detail = 'The values are not those of a client at an issuer.';
end
$$;
comment on function public.set_oauth_client(bigint, uuid, text, text, text, text) is
  'Stores a client that a manager registered at the issuer, for a member with mcp.manage: { id, issuer, '
  'client_id, source }. The same client_id corrects a client; another one takes its place, and the '
  'connections of the earlier client keep it. For the function oauth, which seals the secret. Service role '
  'only.';

create function public.store_oauth_client(
  organization_id bigint,
  user_id uuid,
  id bigint,
  lease_id uuid,
  client jsonb
) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no role may write clients. Executable by service_role only.
#variable_conflict use_column
declare
  organization constant bigint := store_oauth_client.organization_id;
  pending client_mgmt.oauth_clients;
  stored client_mgmt.oauth_clients;
begin
  perform private.require_acting_member(organization, store_oauth_client.user_id, null);
  select c.* into pending from client_mgmt.oauth_clients c
  where c.organization_id = organization and c.id = store_oauth_client.id
    and c.lease_id = store_oauth_client.lease_id and c.client_id is null
  for update;
  if not found then
    perform set_config('colloquy.acting_user', '', true);
    return null;
  end if;
  -- An issuer that answers with the id of an earlier client has renewed that client.
  select c.* into stored from client_mgmt.oauth_clients c
  where c.organization_id = organization and c.issuer = pending.issuer and c.source = 'dynamic'
    and c.redirect_uri = pending.redirect_uri and c.client_id = client ->> 'client_id'
  for update;
  if found then
    delete from client_mgmt.oauth_clients c where c.organization_id = organization and c.id = pending.id;
  end if;
  update client_mgmt.oauth_clients c
  set client_id = client ->> 'client_id', registered_at = clock_timestamp(),
    token_endpoint_auth_method = client ->> 'token_endpoint_auth_method',
    secret_expires_at = to_timestamp((client ->> 'secret_expires_at')::double precision),
    rejected_at = null, superseded_at = null, lease_id = null, lease_expires_at = null
  where c.organization_id = organization and c.id = coalesce(stored.id, pending.id)
  returning c.* into stored;
  perform private.keep_client_secret(stored, client ->> 'client_secret');
  perform set_config('colloquy.acting_user', '', true);
  return private.oauth_client_json(organization, stored.id);
end
$$;
comment on function public.store_oauth_client(bigint, uuid, bigint, uuid, jsonb) is
  'Stores the result of a registration, for the holder of the lease; null for another caller. '
  'secret_expires_at in seconds since the epoch. Service role only.';

create function public.release_oauth_client(organization_id bigint, id bigint, lease_id uuid) returns void
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no role may write clients. Executable by service_role only.
#variable_conflict use_column
begin
  delete from client_mgmt.oauth_clients c
  where c.organization_id = release_oauth_client.organization_id and c.id = release_oauth_client.id
    and c.lease_id = release_oauth_client.lease_id and c.client_id is null;
end
$$;
comment on function public.release_oauth_client(bigint, bigint, uuid) is
  'Ends a registration and deletes its row. Service role only.';

create function public.reject_oauth_client(organization_id bigint, id bigint, client_id text) returns void
language sql volatile security definer set search_path = ''
as $$
  -- Definer: no role may write clients. Executable by service_role only.
  update client_mgmt.oauth_clients c set rejected_at = clock_timestamp()
  where c.organization_id = reject_oauth_client.organization_id and c.id = reject_oauth_client.id
    and c.client_id = reject_oauth_client.client_id and c.source = 'dynamic'
$$;
comment on function public.reject_oauth_client(bigint, bigint, text) is
  'Marks a dynamic client that the issuer no longer knows: the next authorization registers again. Service '
  'role only.';

-- ── States ────────────────────────────────────────────────────────────────────────────────────

create function public.create_oauth_state(
  organization_id bigint,
  authorization_state jsonb
) returns timestamptz
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: states deny everyone. Executable by service_role only.
#variable_conflict use_column
declare
  organization constant bigint := create_oauth_state.organization_id;
  account constant uuid := (authorization_state ->> 'user_id')::uuid;
  expiry timestamptz;
begin
  insert into public.oauth_states (
    organization_id, user_id, mcp_configuration_id, state, code_verifier, provider, mcp_name,
    endpoint, issuer, resource,
    scope, client_id, oauth_client_id, server_metadata, redirect_uri, redirect_to
  )
  select organization, account, c.id, decode(authorization_state ->> 'state', 'hex'),
    authorization_state ->> 'code_verifier',
    coalesce(c.oauth_provider, authorization_state ->> 'issuer'), c.name, c.endpoint,
    authorization_state ->> 'issuer',
    authorization_state ->> 'resource', authorization_state ->> 'scope', authorization_state ->> 'client_id',
    (authorization_state ->> 'oauth_client_id')::bigint, authorization_state -> 'server_metadata',
    authorization_state ->> 'redirect_uri', authorization_state ->> 'redirect_to'
  from public.mcp_configurations c
  where c.organization_id = organization and c.id = (authorization_state ->> 'mcp_configuration_id')::bigint
    -- Only the server that was asked for its issuer, not another one that replaced it since.
    and c.endpoint = authorization_state ->> 'endpoint' and c.auth_type = 'oauth'
  for share
  returning expires_at into expiry;
  if not found then
    raise exception using errcode = 'PT404', message = 'mcp_configuration_not_found',
      detail = 'The configuration is gone or was changed.';
  end if;
  -- Only the newest twenty of a person stay, so that one person cannot fill the table.
  delete from public.oauth_states s
  where s.organization_id = organization and s.user_id = account and s.id not in (
    select n.id from public.oauth_states n
    where n.organization_id = organization and n.user_id = account order by n.id desc limit 20
  );
  return expiry;
end
$$;
comment on function public.create_oauth_state(bigint, jsonb) is
  'Stores the beginning of an authorization and returns its expiry. Service role only.';

create function public.consume_oauth_state(state text) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: states deny everyone. Executable by service_role only: the callback has no caller.
#variable_conflict use_column
declare
  found_state public.oauth_states;
begin
  if consume_oauth_state.state !~ '^[0-9a-f]{64}$' then
    return null;
  end if;
  update public.oauth_states s set called_back_at = clock_timestamp()
  where s.state = decode(consume_oauth_state.state, 'hex') and s.called_back_at is null and not s.used
    and s.expires_at > clock_timestamp()
  returning s.* into found_state;
  if found then
    return jsonb_build_object(
      'valid', true, 'organization_id', found_state.organization_id, 'id', found_state.id, 'issuer',
      found_state.issuer,
      'server_metadata', found_state.server_metadata, 'redirect_uri', found_state.redirect_uri,
      'redirect_to', found_state.redirect_to
    );
  end if;
  select s.* into found_state
  from public.oauth_states s
  where s.state = decode(consume_oauth_state.state, 'hex');
  return case when found then jsonb_build_object('valid', false, 'redirect_to', found_state.redirect_to) end;
end
$$;
comment on function public.consume_oauth_state(text) is
  'Consumes the state of a callback by its SHA-256 (hexadecimal), once: { valid, organization_id, id, '
  'issuer, server_metadata, redirect_uri, redirect_to }; { valid: false, redirect_to } for a replayed or '
  'expired one; null for an unknown one. Service role only.';

create function public.end_oauth_state(organization_id bigint, id bigint) returns void
language sql volatile security definer set search_path = ''
as $$
  -- Definer: states deny everyone. Executable by service_role only.
  delete from public.oauth_states s
  where s.organization_id = end_oauth_state.organization_id and s.id = end_oauth_state.id
$$;
comment on function public.end_oauth_state(bigint, bigint) is
  'Ends an authorization that the issuer refused. Service role only.';

create function public.store_oauth_code(
  organization_id bigint,
  id bigint,
  code text,
  handle text
) returns boolean
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: states deny everyone. Executable by service_role only.
#variable_conflict use_column
begin
  update public.oauth_states s
  set code = store_oauth_code.code, handle = decode(store_oauth_code.handle, 'hex')
  where s.organization_id = store_oauth_code.organization_id and s.id = store_oauth_code.id
    and s.called_back_at is not null and s.handle is null and not s.used and s.expires_at > clock_timestamp();
  return found;
end
$$;
comment on function public.store_oauth_code(bigint, bigint, text, text) is
  'Stores the sealed code of a consumed state under the SHA-256 (hexadecimal) of a handle. Returns whether '
  'the state still existed. Service role only.';

create function public.take_oauth_code(organization_id bigint, id bigint, user_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: states deny everyone. Executable by service_role only, for the person whom
-- claim_mcp_authorization() named.
#variable_conflict use_column
declare
  taken public.oauth_states;
begin
  delete from public.oauth_states s
  where s.organization_id = take_oauth_code.organization_id and s.id = take_oauth_code.id
    and s.user_id = take_oauth_code.user_id and s.handle is not null and s.code is not null and not s.used
    and s.expires_at > clock_timestamp()
  returning s.* into taken;
  if not found then
    return null;
  end if;
  return to_jsonb(taken) || jsonb_build_object(
    'state', encode(taken.state, 'hex'), 'handle', null,
    'client', private.oauth_client_json(taken.organization_id, taken.oauth_client_id),
    'allowed_hosts', private.mcp_allowed_hosts(taken.organization_id)
  );
end
$$;
comment on function public.take_oauth_code(bigint, bigint, uuid) is
  'Deletes an authorization and returns its sealed code, its verifier and its client, once; null when it '
  'is gone. Service role only.';

revoke all on function
  public.set_oauth_client(bigint, uuid, text, text, text, text),
  public.lease_oauth_client(bigint, uuid, text, boolean, text),
  public.store_oauth_client(bigint, uuid, bigint, uuid, jsonb),
  public.release_oauth_client(bigint, bigint, uuid), public.reject_oauth_client(bigint, bigint, text),
  public.create_oauth_state(bigint, jsonb), public.consume_oauth_state(text),
  public.end_oauth_state(bigint, bigint),
  public.store_oauth_code(bigint, bigint, text, text), public.take_oauth_code(bigint, bigint, uuid)
  from public, anon, authenticated, service_role;
grant execute on function
  public.set_oauth_client(bigint, uuid, text, text, text, text),
  public.lease_oauth_client(bigint, uuid, text, boolean, text),
  public.store_oauth_client(bigint, uuid, bigint, uuid, jsonb),
  public.release_oauth_client(bigint, bigint, uuid), public.reject_oauth_client(bigint, bigint, text),
  public.create_oauth_state(bigint, jsonb), public.consume_oauth_state(text),
  public.end_oauth_state(bigint, bigint),
  public.store_oauth_code(bigint, bigint, text, text), public.take_oauth_code(bigint, bigint, uuid)
  to service_role;
