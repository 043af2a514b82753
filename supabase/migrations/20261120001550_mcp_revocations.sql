-- Revocations: tokens of ended connections, until their issuers have revoked them.
-- Special: a trigger stores the tokens of every connection that ends, whatever ended it. The rows have no
-- foreign key, because they outlive the member, the configuration, the client and the organization. They
-- keep the seals of the connection. A row lasts three days at most.

create table private.mcp_revocations (
  organization_id bigint not null,
  id bigint generated always as identity,
  user_id uuid not null,
  mcp_configuration_id bigint not null,
  issuer text not null,
  client_id text not null,
  client jsonb,
  client_secret text constraint mcp_revocations_client_secret_sealed check (
    client_secret ~ '^v1\.[A-Za-z0-9_-]{1,64}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$'
  ),
  server_metadata jsonb not null,
  allowed_hosts jsonb,
  access_token text not null constraint mcp_revocations_access_token_sealed check (
    access_token ~ '^v1\.[A-Za-z0-9_-]{1,64}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$'
  ),
  refresh_token text constraint mcp_revocations_refresh_token_sealed check (
    refresh_token ~ '^v1\.[A-Za-z0-9_-]{1,64}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$'
  ),
  tries integer not null default 0,
  due_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz not null default clock_timestamp() + interval '3 days',
  primary key (organization_id, id)
);
comment on table private.mcp_revocations is
  'Tokens to revoke at their issuers (RFC 7009). A worker claims a row, and deletes it after the issuer''s '
  'acceptance. cleanup_ended_mcp_revocations() deletes the rows that no issuer has accepted in time.';
comment on column private.mcp_revocations.client is
  'The client of the tokens without its secret; null: our client id metadata document.';
comment on column private.mcp_revocations.client_secret is
  'Secret: sealed in the function (docs/storage.md), with the seal of the client.';
comment on column private.mcp_revocations.access_token is
  'Secret: sealed in the function (docs/storage.md), with the seal of the connection.';
comment on column private.mcp_revocations.refresh_token is
  'Secret: sealed in the function (docs/storage.md), with the seal of the connection.';
comment on column private.mcp_revocations.allowed_hosts is
  'The organization''s hosts when the connection ended; null: every public host.';
comment on column private.mcp_revocations.due_at is
  'The time of the next try. Claiming a row moves it, so a worker that dies only delays the row.';
create index mcp_revocations_user_id_idx on private.mcp_revocations (organization_id, user_id);
create index mcp_revocations_due_at_idx on private.mcp_revocations (due_at);
alter table private.mcp_revocations enable row level security;
alter table private.mcp_revocations force row level security;
revoke all on private.mcp_revocations from public, anon, authenticated, service_role;

create function private.queue_mcp_revocation(gone public.mcp_oauth_tokens) returns void
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no role holds a grant on the queue.
begin
  if gone.server_metadata ->> 'revocation_endpoint' is null
    or (gone.refresh_token is null and gone.expires_at <= clock_timestamp())
  then
    -- The issuer takes no revocation, or nothing is left to revoke.
    return;
  end if;
  insert into private.mcp_revocations (
    organization_id, user_id, mcp_configuration_id, issuer, client_id, client, client_secret,
    server_metadata, allowed_hosts, access_token, refresh_token
  )
  select gone.organization_id, gone.user_id, gone.mcp_configuration_id, gone.issuer, gone.client_id,
    c.client - 'client_secret', c.client ->> 'client_secret', gone.server_metadata,
    private.mcp_allowed_hosts(gone.organization_id), gone.access_token, gone.refresh_token
  from private.oauth_client_json(gone.organization_id, gone.oauth_client_id) c(client);
  -- A person who connects and disconnects without end keeps the newest hundred.
  delete from private.mcp_revocations r
  where r.organization_id = gone.organization_id and r.user_id = gone.user_id and r.id <= (
    select n.id from private.mcp_revocations n
    where n.organization_id = gone.organization_id and n.user_id = gone.user_id
    order by n.id desc offset 100 limit 1
  );
end
$$;
comment on function private.queue_mcp_revocation(public.mcp_oauth_tokens) is
  'Stores the tokens of a connection for their revocation, when their issuer takes one.';

create function private.revoke_ended_connection() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no role holds a grant on the queue.
begin
  perform private.queue_mcp_revocation(old);
  return null;
end
$$;
comment on function private.revoke_ended_connection() is
  'Trigger: stores the tokens of a deleted connection for their revocation. Every end of a connection is a '
  'deletion: a changed endpoint, the end of a membership, a deleted configuration, client or organization.';
create trigger mcp_oauth_tokens_revoke after delete on public.mcp_oauth_tokens
  for each row execute function private.revoke_ended_connection();

create function private.end_connections_of_client() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: connections deny everyone. Before the client goes: the revocation of a token needs its client.
begin
  delete from public.mcp_oauth_tokens t
  where t.organization_id = old.organization_id and t.oauth_client_id = old.id;
  return old;
end
$$;
comment on function private.end_connections_of_client() is
  'Trigger: deletes the connections of a client before the client.';
create trigger oauth_clients_end_connections before delete on client_mgmt.oauth_clients
  for each row execute function private.end_connections_of_client();

create function private.claim_mcp_revocation(organization_id bigint, id bigint) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no role holds a grant on the queue.
#variable_conflict use_column
declare
  claimed private.mcp_revocations;
begin
  update private.mcp_revocations r
  set tries = r.tries + 1,
    due_at = clock_timestamp() + least(
      interval '6 hours', interval '1 minute' * power(4, least(r.tries, 5))
    )
  where r.organization_id = claim_mcp_revocation.organization_id and r.id = claim_mcp_revocation.id
  returning r.* into claimed;
  return case when found then jsonb_build_object(
    'id', claimed.id, 'organization_id', claimed.organization_id, 'user_id', claimed.user_id,
    'mcp_configuration_id', claimed.mcp_configuration_id, 'client_id', claimed.client_id,
    'client', claimed.client || jsonb_build_object('client_secret', claimed.client_secret),
    'server_metadata', claimed.server_metadata, 'allowed_hosts', claimed.allowed_hosts,
    'access_token', claimed.access_token, 'refresh_token', claimed.refresh_token
  ) end;
end
$$;
comment on function private.claim_mcp_revocation(bigint, bigint) is
  'Gives a row of the queue to one worker: the next try is after 1, 4, 16, 64, 256 and then 360 minutes.';

create function public.claim_mcp_revocations(batch integer default 8) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no role holds a grant on the queue. Executable by service_role only.
declare
  due record;
  answer jsonb := jsonb_build_array();
begin
  for due in
    select r.organization_id, r.id from private.mcp_revocations r
    join (
      -- Organizations take turns: a silent issuer of one does not hold up the others.
      select o.organization_id, o.id,
        row_number() over (partition by o.organization_id order by o.due_at, o.id) as place
      from (
        select q.organization_id, q.id, q.due_at from private.mcp_revocations q
        where q.due_at <= clock_timestamp() and q.expires_at > clock_timestamp()
        order by q.due_at limit 1000
      ) o
    ) turn on turn.organization_id = r.organization_id and turn.id = r.id
    order by turn.place, r.due_at, r.organization_id, r.id
    limit least(greatest(batch, 0), 100)
    for update of r skip locked
  loop
    -- The lock was taken after the read: another worker may have claimed the row in between.
    continue when not exists (
      select 1 from private.mcp_revocations r
      where r.organization_id = due.organization_id and r.id = due.id and r.due_at <= clock_timestamp()
    );
    answer := answer || jsonb_build_array(private.claim_mcp_revocation(due.organization_id, due.id));
  end loop;
  return answer;
end
$$;
comment on function public.claim_mcp_revocations(integer) is
  'Up to batch ended connections whose tokens a worker revokes now: [{ id, organization_id, user_id, '
  'mcp_configuration_id, client_id, client, server_metadata, allowed_hosts, access_token, refresh_token }], '
  'sealed. Each is due again later, unless end_mcp_revocation() deletes it. Service role only.';

create function public.end_mcp_revocation(organization_id bigint, id bigint) returns void
language sql volatile security definer set search_path = ''
as $$
  -- Definer: no role holds a grant on the queue. Executable by service_role only.
  delete from private.mcp_revocations r
  where r.organization_id = end_mcp_revocation.organization_id and r.id = end_mcp_revocation.id
$$;
comment on function public.end_mcp_revocation(bigint, bigint) is
  'Deletes tokens that their issuer has revoked. Service role only.';

create function public.queue_mcp_revocation(
  organization_id bigint, user_id uuid, mcp_configuration_id bigint, tokens jsonb
) returns void
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no role holds a grant on the queue. Executable by service_role only.
#variable_conflict use_column
declare
  gone public.mcp_oauth_tokens;
begin
  gone.organization_id := queue_mcp_revocation.organization_id;
  gone.user_id := queue_mcp_revocation.user_id;
  gone.mcp_configuration_id := queue_mcp_revocation.mcp_configuration_id;
  gone.issuer := tokens ->> 'issuer';
  gone.client_id := tokens ->> 'client_id';
  gone.oauth_client_id := (tokens ->> 'oauth_client_id')::bigint;
  gone.server_metadata := tokens -> 'server_metadata';
  gone.access_token := tokens ->> 'access_token';
  gone.refresh_token := tokens ->> 'refresh_token';
  perform private.queue_mcp_revocation(gone);
end
$$;
comment on function public.queue_mcp_revocation(bigint, uuid, bigint, jsonb) is
  'Stores received tokens that belong to no connection, for their revocation: { issuer, client_id, '
  'oauth_client_id, server_metadata, access_token, refresh_token }, sealed for the connection. Service role '
  'only.';

revoke all on function
  private.queue_mcp_revocation(public.mcp_oauth_tokens), private.revoke_ended_connection(),
  private.end_connections_of_client(), private.claim_mcp_revocation(bigint, bigint),
  public.claim_mcp_revocations(integer),
  public.end_mcp_revocation(bigint, bigint), public.queue_mcp_revocation(bigint, uuid, bigint, jsonb)
  from public, anon, authenticated, service_role;
grant execute on function
  public.claim_mcp_revocations(integer), public.end_mcp_revocation(bigint, bigint),
  public.queue_mcp_revocation(bigint, uuid, bigint, jsonb)
  to service_role;
