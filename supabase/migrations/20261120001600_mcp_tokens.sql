-- Using a connection: storing its tokens, returning them, refreshing them once, and disconnecting.
-- Special: for service_role only. Each function reads the membership and the configuration again, because
-- the calling work may last longer than both.

create function public.store_mcp_connection(
  organization_id bigint,
  user_id uuid,
  connection jsonb
) returns bigint
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: connections deny everyone. Executable by service_role only.
#variable_conflict use_column
declare
  organization constant bigint := store_mcp_connection.organization_id;
  account constant uuid := store_mcp_connection.user_id;
  found_configuration public.mcp_configurations;
  replaced public.mcp_oauth_tokens;
  stored bigint;
begin
  perform 1 from client_mgmt.client_users m
  where m.organization_id = organization and m.user_id = account and m.ended_at is null for share;
  if found then
    -- A change of the endpoint waits for this transaction, and disconnects after it.
    select c.* into found_configuration from public.mcp_configurations c
    where c.organization_id = organization and c.id = (connection ->> 'mcp_configuration_id')::bigint
      and c.endpoint = connection ->> 'endpoint'
      and c.auth_type = 'oauth'
      and (c.user_id is null or c.user_id = account)
    for share;
  end if;
  if found_configuration.id is null then
    raise exception using errcode = 'PT404', message = 'mcp_configuration_not_found',
      detail = 'The configuration or the membership is gone, or the endpoint was changed.';
  end if;

  perform private.require_acting_member(organization, account, null);
  select t.* into replaced from public.mcp_oauth_tokens t
  where t.organization_id = organization and t.user_id = account
    and t.mcp_configuration_id = found_configuration.id
  for update;
  insert into public.mcp_oauth_tokens as t (
    organization_id, user_id, mcp_configuration_id, mcp_name, oauth_provider, endpoint, issuer,
    resource, client_id,
    oauth_client_id, server_metadata, access_token, refresh_token, token_type, scope, expires_at
  ) values (
    organization, account, found_configuration.id, found_configuration.name,
    coalesce(found_configuration.oauth_provider, connection ->> 'issuer'), found_configuration.endpoint,
    connection ->> 'issuer', connection ->> 'resource', connection ->> 'client_id',
    (connection ->> 'oauth_client_id')::bigint, connection -> 'server_metadata',
    connection ->> 'access_token',
    connection ->> 'refresh_token', connection ->> 'token_type', connection ->> 'scope',
    clock_timestamp() + (connection ->> 'expires_in')::double precision * interval '1 second'
  )
  on conflict on constraint mcp_oauth_tokens_key do update set
    mcp_name = excluded.mcp_name, oauth_provider = excluded.oauth_provider, endpoint = excluded.endpoint,
    issuer = excluded.issuer, resource = excluded.resource, client_id = excluded.client_id,
    oauth_client_id = excluded.oauth_client_id, server_metadata = excluded.server_metadata,
    access_token = excluded.access_token, refresh_token = excluded.refresh_token,
    token_type = excluded.token_type,
    scope = excluded.scope, required_scope = null, expires_at = excluded.expires_at, status = 'connected',
    generation = t.generation + 1, lease_id = null, lease_expires_at = null, connected_at = clock_timestamp(),
    refreshed_at = clock_timestamp(), refresh_failed_at = null, refresh_error = null
  returning t.id into stored;
  -- At the same client the issuer may take both for one grant, and end the new tokens with the old ones.
  if (replaced.issuer, replaced.client_id) <> (connection ->> 'issuer', connection ->> 'client_id')
  then
    perform private.queue_mcp_revocation(replaced);
  end if;
  delete from private.mcp_revocations r
  where r.organization_id = organization and r.user_id = account
    and r.mcp_configuration_id = found_configuration.id
    and r.issuer = connection ->> 'issuer' and r.client_id = connection ->> 'client_id';
  perform set_config('colloquy.acting_user', '', true);
  return stored;
end
$$;
comment on function public.store_mcp_connection(bigint, uuid, jsonb) is
  'Stores the tokens of an authorization in place of earlier ones, and returns the id of the connection. '
  'Earlier tokens of another client wait for their revocation; those of the same client do not. PT404 when '
  'the membership or the configuration is gone. Service role only.';

create function public.use_mcp_connection(
  organization_id bigint,
  user_id uuid,
  mcp_configuration_id bigint,
  rejected_generation bigint default null,
  force boolean default false
) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: connections deny everyone. Executable by service_role only.
#variable_conflict use_column
declare
  organization constant bigint := use_mcp_connection.organization_id;
  account constant uuid := use_mcp_connection.user_id;
  moment constant timestamptz := clock_timestamp();
  entry record;
  server public.mcp_configurations;
  held public.mcp_oauth_tokens;
  lease uuid;
  common jsonb;
begin
  -- The endpoint and its credentials in one statement, so from one snapshot: a token that is stored for
  -- another endpoint in the meantime never goes to this one.
  select c as configuration, b.bearer_token, private.usable_header_keys(c, account) as headers,
    private.mcp_endpoint_query(c) as query into entry
  from public.mcp_configurations c
  left join private.mcp_bearer_tokens b on b.organization_id = c.organization_id
    and b.mcp_configuration_id = c.id
  join client_mgmt.client_users m on m.organization_id = c.organization_id
    and m.user_id = account
    and m.ended_at is null
  join public.users u on u.id = account and u.is_active
  join public.organizations o on o.id = c.organization_id and o.is_active
  where c.organization_id = organization and c.id = use_mcp_connection.mcp_configuration_id and c.enabled
    and (c.user_id is null or c.user_id = account);
  if not found then
    raise exception using errcode = 'PT404', message = 'mcp_configuration_not_found',
      detail = 'No enabled MCP configuration that this person uses has this id.';
  end if;
  server := entry.configuration;
  if server.type = 'stdio' then
    raise exception using errcode = 'PT422', message = 'mcp_stdio_not_supported',
      detail = 'A stdio server is never run on the server.';
  end if;
  common := jsonb_build_object(
    'endpoint', server.endpoint, 'query', entry.query, 'headers', entry.headers,
    'allowed_hosts', private.mcp_allowed_hosts(organization)
  );
  if server.auth_type = 'none' then
    return common || '{"status": "none"}';
  elsif server.auth_type = 'bearer' then
    return common || case when entry.bearer_token is null or rejected_generation is not null
      then '{"status": "needs_authorization"}'
      else jsonb_build_object('status', 'bearer', 'bearer_token', entry.bearer_token) end;
  end if;

  -- Read after the configuration: a connection of the endpoint that has replaced this one is none here.
  select t.* into held from public.mcp_oauth_tokens t
  where t.organization_id = organization and t.user_id = account and t.mcp_configuration_id = server.id
    and t.endpoint = server.endpoint;
  if not found or (held.status = 'needs_reauthorization' and force is not true) then
    return common || '{"status": "needs_authorization"}';
  end if;
  common := common || jsonb_build_object('id', held.id, 'generation', held.generation);

  -- A token is due a minute before it expires, or after nine tenths of a short life, so that it does not
  -- expire during a request.
  if force is not true and held.generation is distinct from rejected_generation
    and (held.expires_at is null
      or held.expires_at - least(interval '1 minute', (held.expires_at - held.refreshed_at) / 10) > moment
      or (held.expires_at > moment
        and (held.refresh_token is null or held.refresh_failed_at > moment - interval '5 seconds')))
  then
    return common || jsonb_build_object(
      'status', 'usable', 'access_token', held.access_token, 'token_type',
      held.token_type, 'expires_at', held.expires_at,
      'scope', held.scope, 'issuer', held.issuer
    );
  end if;
  if held.refresh_token is null then
    update public.mcp_oauth_tokens t set status = 'needs_reauthorization'
    where t.organization_id = organization and t.id = held.id and t.generation = held.generation;
    return common || '{"status": "needs_authorization"}';
  end if;
  -- After a failure no worker refreshes for some seconds: the callers that waited get its error.
  if force is not true and held.refresh_failed_at > moment - interval '5 seconds' then
    return common || jsonb_build_object('status', 'failed', 'error_code', held.refresh_error);
  end if;

  update public.mcp_oauth_tokens t
  -- Longer than a live worker needs: 15 s for the request, and 97 s for storing with all tries.
  set lease_id = gen_random_uuid(), lease_expires_at = clock_timestamp() + interval '120 seconds'
  where t.organization_id = organization and t.id = held.id and t.generation = held.generation
    and (t.lease_expires_at is null or t.lease_expires_at <= clock_timestamp())
    -- Another worker may have failed between the read above and this statement, which waited for it.
    and t.refresh_failed_at is not distinct from held.refresh_failed_at
  returning t.lease_id into lease;
  if not found then
    return common || '{"status": "wait"}';
  end if;
  -- A refresh may open the connection again, and the next one may end it: both are events. So the person who
  -- asks is counted. The connection is locked before the head of the log, as everywhere.
  if held.status = 'needs_reauthorization' then
    perform private.require_acting_member(organization, account, null);
    perform private.write_audit_event(
      organization, 'mcp_connection.retry', 'mcp_connection', held.id::text
    );
    perform set_config('colloquy.acting_user', '', true);
  end if;
  return common || jsonb_build_object(
    'status', 'refresh', 'lease_id', lease, 'refresh_token', held.refresh_token, 'issuer', held.issuer,
    'resource', held.resource, 'scope', held.scope, 'client_id', held.client_id,
    'server_metadata', held.server_metadata,
    'client', private.oauth_client_json(organization, held.oauth_client_id)
  );
end
$$;
comment on function public.use_mcp_connection(bigint, uuid, bigint, bigint, boolean) is
  'The credential of a person''s calls to an MCP server, with the header keys and the query of its '
  'endpoint. status: none, bearer, usable (with the sealed '
  'token), refresh (to one caller at a time, with a lease and the sealed refresh token), wait, failed, '
  'needs_authorization. rejected_generation: tokens that the server refused; force: always refresh. '
  'Service role only.';

create function public.store_mcp_refresh(
  organization_id bigint,
  id bigint,
  generation bigint,
  tokens jsonb
) returns text
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: connections deny everyone. Executable by service_role only. The generation decides and not the
-- lease: a slow worker still holds the only valid refresh token.
#variable_conflict use_column
begin
  update public.mcp_oauth_tokens t set
    access_token = tokens ->> 'access_token',
    refresh_token = coalesce(tokens ->> 'refresh_token', t.refresh_token),
    token_type = tokens ->> 'token_type',
    scope = coalesce(tokens ->> 'scope', t.scope),
    expires_at = clock_timestamp() + (tokens ->> 'expires_in')::double precision * interval '1 second',
    status = 'connected', generation = t.generation + 1, lease_id = null, lease_expires_at = null,
    refreshed_at = clock_timestamp(), refresh_failed_at = null, refresh_error = null
  where t.organization_id = store_mcp_refresh.organization_id and t.id = store_mcp_refresh.id
    and t.generation = store_mcp_refresh.generation;
  if found then
    return 'stored';
  end if;
  -- Tokens of the same client may be of the same grant, which the issuer would end with them.
  return case when exists (
    select 1 from public.mcp_oauth_tokens t
    where t.organization_id = store_mcp_refresh.organization_id and t.id = store_mcp_refresh.id
      and t.client_id = tokens ->> 'client_id' and t.issuer = tokens ->> 'issuer'
  ) then 'superseded' else 'unwanted' end;
end
$$;
comment on function public.store_mcp_refresh(bigint, bigint, bigint, jsonb) is
  'Stores refreshed tokens if their generation is still the stored one: stored. Otherwise superseded, when '
  'the connection has newer tokens of the same issuer and client_id, or unwanted, when the function must '
  'revoke these: the connection is gone or was made anew with another client. Service role only.';

create function public.fail_mcp_refresh(
  organization_id bigint, id bigint, generation bigint, lease_id uuid, error_code text, is_final boolean
) returns boolean
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: connections deny everyone. Executable by service_role only. Tokens are always kept: a temporary
-- fault must not end a connection, and a final fault is final for its generation only.
#variable_conflict use_column
begin
  update public.mcp_oauth_tokens t set
    lease_id = null, lease_expires_at = null, refresh_failed_at = clock_timestamp(),
    refresh_error = error_code,
    status = case
      when is_final then 'needs_reauthorization'
      -- A server that knows no code for it refuses a dead grant again and again.
      when error_code = 'authorization_server_refused' and t.refresh_error = error_code
        and t.expires_at <= clock_timestamp() then 'needs_reauthorization'
      else t.status
    end
  where t.organization_id = fail_mcp_refresh.organization_id and t.id = fail_mcp_refresh.id
    and t.generation = fail_mcp_refresh.generation and t.lease_id = fail_mcp_refresh.lease_id;
  return found;
end
$$;
comment on function public.fail_mcp_refresh(bigint, bigint, bigint, uuid, text, boolean) is
  'Ends a failed refresh, for the holder of the lease and its generation. Returns whether it did. A second '
  'authorization_server_refused ends the authorization too when the access token has expired. Service role '
  'only.';

create function public.require_mcp_scope(
  organization_id bigint,
  user_id uuid,
  mcp_configuration_id bigint,
  scope text
)
returns void
language sql volatile security definer set search_path = ''
as $$
  -- Definer: connections deny everyone. Executable by service_role only.
  update public.mcp_oauth_tokens t set required_scope = left((
    select string_agg(distinct s.scope, ' ' order by s.scope)
    from regexp_split_to_table(concat_ws(' ', t.required_scope, require_mcp_scope.scope), '\s+') s(scope)
    where s.scope <> ''
  ), 4096)
  where t.organization_id = require_mcp_scope.organization_id and t.user_id = require_mcp_scope.user_id
    and t.mcp_configuration_id = require_mcp_scope.mcp_configuration_id
$$;
comment on function public.require_mcp_scope(bigint, uuid, bigint, text) is
  'Stores the scopes that the server asked for; the next authorization requests them together with the '
  'granted ones. Service role only.';

create function public.delete_mcp_connection(organization_id bigint, id bigint, user_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: connections deny everyone. Executable by service_role only, for the person whom
-- open_mcp_connection() named.
#variable_conflict use_column
declare
  gone public.mcp_oauth_tokens;
begin
  perform private.require_acting_member(
    delete_mcp_connection.organization_id, delete_mcp_connection.user_id, null
  );
  delete from public.mcp_oauth_tokens t
  where t.organization_id = delete_mcp_connection.organization_id and t.id = delete_mcp_connection.id
    and t.user_id = delete_mcp_connection.user_id
  returning t.* into gone;
  perform set_config('colloquy.acting_user', '', true);
  if gone.id is null then
    return null;
  end if;
  -- The deletion has stored them; the first try is this caller's.
  return jsonb_build_object('revocation', private.claim_mcp_revocation(gone.organization_id, (
    select r.id from private.mcp_revocations r
    where r.organization_id = gone.organization_id and r.user_id = gone.user_id
      and r.access_token = gone.access_token
  )));
end
$$;
comment on function public.delete_mcp_connection(bigint, bigint, uuid) is
  'Deletes a connection: { revocation: its sealed tokens as claim_mcp_revocations() returns them, for a '
  'first try; null when there is nothing to revoke }. Null when the connection is gone. Service role only.';

revoke all on function
  public.store_mcp_connection(bigint, uuid, jsonb),
  public.use_mcp_connection(bigint, uuid, bigint, bigint, boolean),
  public.store_mcp_refresh(bigint, bigint, bigint, jsonb),
  public.fail_mcp_refresh(bigint, bigint, bigint, uuid, text, boolean),
  public.require_mcp_scope(bigint, uuid, bigint, text), public.delete_mcp_connection(bigint, bigint, uuid)
  from public, anon, authenticated, service_role;
grant execute on function
  public.store_mcp_connection(bigint, uuid, jsonb),
  public.use_mcp_connection(bigint, uuid, bigint, bigint, boolean),
  public.store_mcp_refresh(bigint, bigint, bigint, jsonb),
  public.fail_mcp_refresh(bigint, bigint, bigint, uuid, text, boolean),
  public.require_mcp_scope(bigint, uuid, bigint, text), public.delete_mcp_connection(bigint, bigint, uuid)
  to service_role;
