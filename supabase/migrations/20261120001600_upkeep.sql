-- Upkeep: bounded clean-up that is safe to run twice at once, called by the function session-cleanup.
-- Special: each call handles at most one batch and skips rows that another call holds.

create function public.cleanup_expired_sessions(batch integer default 1000) returns integer
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: service_role holds no grant to delete sessions. Executable by service_role only.
declare
  handled integer;
begin
  with expired as (
    select s.organization_id, s.id from public.user_sessions s
    where s.expires_at <= clock_timestamp()
      -- A revoked row refuses to refresh as long as there is something to refresh.
      or (s.revoked_at <= clock_timestamp() - interval '30 days'
        and not exists (select 1 from auth.sessions a where a.id = s.id))
    limit greatest(batch, 0)
    for update of s skip locked
  ),
  signed_out as (
    delete from auth.sessions a using expired e where a.id = e.id
  )
  delete from public.user_sessions s using expired e
  where s.organization_id = e.organization_id and s.id = e.id;
  get diagnostics handled = row_count;
  return handled;
end
$$;
comment on function public.cleanup_expired_sessions(integer) is
  'Deletes up to batch expired sessions with their auth session, and revoked ones with nothing left to refresh. Returns how many.';

create function public.cleanup_expired_oauth_states(batch integer default 1000) returns integer
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: oauth_states denies everyone. Executable by service_role only.
declare
  handled integer;
begin
  with expired as (
    select s.organization_id, s.id from public.oauth_states s
    where s.used or s.expires_at <= clock_timestamp()
    limit greatest(batch, 0)
    for update skip locked
  )
  delete from public.oauth_states s using expired e
  where s.organization_id = e.organization_id and s.id = e.id;
  get diagnostics handled = row_count;
  return handled;
end
$$;
comment on function public.cleanup_expired_oauth_states(integer) is 'Deletes up to batch used or expired states. Returns how many.';

create function public.cleanup_expired_oauth_tokens(batch integer default 1000) returns integer
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: mcp_oauth_tokens denies everyone. Executable by service_role only.
-- Each deletion locks the head of its organization's audit chain, so every call takes the
-- organizations in the same order.
declare
  expired record;
  handled integer := 0;
begin
  for expired in
    select t.organization_id, t.id from public.mcp_oauth_tokens t
    -- A row with a refresh token is a live connection, however long its access token has been over.
    where t.refresh_token is null and t.expires_at <= clock_timestamp()
    order by t.organization_id, t.id
    limit greatest(batch, 0)
    for update skip locked
  loop
    delete from public.mcp_oauth_tokens t
    where t.organization_id = expired.organization_id and t.id = expired.id;
    handled := handled + 1;
  end loop;
  return handled;
end
$$;
comment on function public.cleanup_expired_oauth_tokens(integer) is
  'Deletes up to batch expired tokens that cannot be refreshed. Returns how many.';

create function public.expire_execution_leases(batch integer default 1000) returns integer
language plpgsql volatile security definer set search_path = '' set lock_timeout = '100ms'
as $$
-- Definer: service_role holds no grant to update executions. Executable by service_role only.
-- One transaction that ends many holds sessions, budgets and metrics in whatever order they come. Before
-- anyone waits in a circle it gives way, well within deadlock_timeout, and the next call goes on.
declare
  dead record;
  handled integer := 0;
begin
  for dead in
    select x.organization_id, x.id from public.agent_executions x
    where x.status in ('pending', 'running') and x.lease_expires_at <= clock_timestamp()
    order by x.lease_expires_at
    limit greatest(batch, 0)
    for update skip locked
  loop
    begin
      handled := handled + private.end_expired_execution(dead.organization_id, dead.id)::integer;
    exception when lock_not_available then
      exit when handled > 0;
    end;
  end loop;
  return handled;
end
$$;
comment on function public.expire_execution_leases(integer) is
  'Ends up to batch executions whose worker died: failed (interrupted). Returns how many.';

create function public.expire_idempotency_keys(batch integer default 1000) returns integer
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: service_role holds no grant to update executions. Executable by service_role only.
declare
  handled integer;
begin
  with old as (
    select x.organization_id, x.id from public.agent_executions x
    where x.idempotency_key is not null and x.created_at <= clock_timestamp() - interval '24 hours'
      and x.status in ('success', 'failed', 'cancelled')
    limit greatest(batch, 0)
    for update skip locked
  )
  update public.agent_executions x set idempotency_key = null from old
  where x.organization_id = old.organization_id and x.id = old.id;
  get diagnostics handled = row_count;
  return handled;
end
$$;
comment on function public.expire_idempotency_keys(integer) is
  'Forgets up to batch idempotency keys older than 24 hours. Returns how many.';

revoke all on function
  public.cleanup_expired_sessions(integer), public.cleanup_expired_oauth_states(integer),
  public.cleanup_expired_oauth_tokens(integer), public.expire_execution_leases(integer),
  public.expire_idempotency_keys(integer)
  from public, anon, authenticated, service_role;
grant execute on function
  public.cleanup_expired_sessions(integer), public.cleanup_expired_oauth_states(integer),
  public.cleanup_expired_oauth_tokens(integer), public.expire_execution_leases(integer),
  public.expire_idempotency_keys(integer)
  to service_role;

-- Where the server has pg_cron the clean-up runs in the database too, so that a forgotten scheduler
-- leaves nothing behind. Elsewhere the function session-cleanup is called from outside.
do $$
begin
  -- The setting exists once the library is loaded, and is a row, not an error, for who may not see it.
  if exists (select 1 from pg_catalog.pg_available_extensions e where e.name = 'pg_cron')
    and exists (
      select 1 from pg_catalog.pg_settings s
      where s.name = 'cron.database_name' and s.setting = current_database()
    )
  then
    create extension if not exists pg_cron;
    perform cron.schedule('colloquy-cleanup', '*/5 * * * *', $job$
      select public.cleanup_expired_sessions(), public.cleanup_expired_oauth_states(),
        public.cleanup_expired_oauth_tokens(), public.expire_execution_leases(),
        public.expire_idempotency_keys(), public.expire_tool_approvals()
    $job$);
  end if;
end
$$;
