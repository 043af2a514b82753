-- Clean-ups: bounded, safe to run twice at once, and one list of them for every scheduler.
-- Special: each call is one transaction and handles at most one batch. It skips locked rows, so it waits
-- for no other transaction.

create function public.cleanup_expired_sessions(batch integer default 1000) returns integer
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: service_role holds no grant to delete sessions. Executable by service_role only.
declare
  handled integer;
begin
  with expired as (
    select s.organization_id, s.id from public.user_sessions s
    -- An expired API key stays listed for a time, as a revoked one does.
    where (s.expires_at <= clock_timestamp()
        and (s.key_permissions is null or s.expires_at <= clock_timestamp() - interval '30 days'))
      -- A revoked row stays while its auth session exists, because the row refuses the refresh.
      or (s.revoked_at <= clock_timestamp() - interval '30 days'
        and not exists (select 1 from auth.sessions a where a.id = s.id))
    limit greatest(batch, 0)
    for update of s skip locked
  ),
  -- A sign-out locks the auth session first and then the row: the clean-up skips such a session.
  signed_in as (
    select a.id from auth.sessions a join expired e on e.id = a.id for update of a skip locked
  ),
  signed_out as (
    delete from auth.sessions a using signed_in i where a.id = i.id
  )
  delete from public.user_sessions s using expired e
  where s.organization_id = e.organization_id and s.id = e.id
    and (exists (select 1 from signed_in i where i.id = e.id)
      or not exists (select 1 from auth.sessions a where a.id = e.id));
  get diagnostics handled = row_count;
  return handled;
end
$$;
comment on function public.cleanup_expired_sessions(integer) is
  'Deletes up to batch expired sessions with their auth session, and revoked ones with nothing '
  'left to refresh. Returns how many.';

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
comment on function public.cleanup_expired_oauth_states(integer) is
  'Deletes up to batch used or expired states. Returns how many.';

create function public.cleanup_expired_oauth_tokens(batch integer default 1000) returns integer
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: mcp_oauth_tokens denies everyone. Executable by service_role only. Each deletion is an audit
-- event. The removal of a member also locks the member's tokens and the organization's chain; this function
-- locks both without waiting.
declare
  expired record;
  handled integer := 0;
begin
  for expired in
    select t.organization_id, t.id from public.mcp_oauth_tokens t
    -- A row with a refresh token is a live connection, also long after its access token expired.
    where t.refresh_token is null and t.expires_at <= clock_timestamp()
    order by t.organization_id, t.id
    limit greatest(batch, 0)
  loop
    perform 1
    from private.audit_heads h
    where h.organization_id = expired.organization_id for update skip locked;
    continue when not found;
    perform 1 from public.mcp_oauth_tokens t
    where t.organization_id = expired.organization_id and t.id = expired.id
      and t.refresh_token is null and t.expires_at <= clock_timestamp()
    for update skip locked;
    continue when not found;
    delete from public.mcp_oauth_tokens t
    where t.organization_id = expired.organization_id and t.id = expired.id;
    handled := handled + 1;
  end loop;
  return handled;
end
$$;
comment on function public.cleanup_expired_oauth_tokens(integer) is
  'Deletes up to batch expired tokens that cannot be refreshed. Returns how many.';

create function public.cleanup_unused_oauth_clients(batch integer default 1000) returns integer
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no role may write clients. Executable by service_role only. Each deletion is an audit event, so
-- the locks are those of cleanup_expired_oauth_tokens().
declare
  unused record;
  handled integer := 0;
begin
  for unused in
    select c.organization_id, c.id from client_mgmt.oauth_clients c
    -- An authorization that began with the client may still end: ten minutes, and the exchange of its code.
    where (c.superseded_at <= clock_timestamp() - interval '15 minutes'
        or (c.client_id is null and c.lease_expires_at <= clock_timestamp() - interval '15 minutes'))
      and not exists (
        select 1 from public.mcp_oauth_tokens t
        where t.organization_id = c.organization_id and t.oauth_client_id = c.id
      )
    order by c.organization_id, c.id
    limit greatest(batch, 0)
  loop
    perform 1
    from private.audit_heads h
    where h.organization_id = unused.organization_id for update skip locked;
    continue when not found;
    perform 1 from client_mgmt.oauth_clients c
    where c.organization_id = unused.organization_id and c.id = unused.id
    for update skip locked;
    continue when not found;
    delete from client_mgmt.oauth_clients c
    where c.organization_id = unused.organization_id and c.id = unused.id
      and (c.superseded_at <= clock_timestamp() - interval '15 minutes'
        or (c.client_id is null and c.lease_expires_at <= clock_timestamp() - interval '15 minutes'))
      and not exists (
        select 1 from public.mcp_oauth_tokens t
        where t.organization_id = c.organization_id and t.oauth_client_id = c.id
      );
    if found then
      handled := handled + 1;
    end if;
  end loop;
  return handled;
end
$$;
comment on function public.cleanup_unused_oauth_clients(integer) is
  'Deletes up to batch clients that another client has superseded and that no connection uses, and '
  'registrations whose worker died. Returns how many.';

create function public.cleanup_ended_mcp_revocations(batch integer default 1000) returns integer
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no role holds a grant on the queue. Executable by service_role only.
declare
  handled integer;
begin
  with ended as (
    select r.organization_id, r.id from private.mcp_revocations r
    where r.expires_at <= clock_timestamp()
    order by r.expires_at
    limit greatest(batch, 0)
    for update skip locked
  )
  delete from private.mcp_revocations r using ended e
  where r.organization_id = e.organization_id and r.id = e.id;
  get diagnostics handled = row_count;
  return handled;
end
$$;
comment on function public.cleanup_ended_mcp_revocations(integer) is
  'Deletes up to batch tokens that no issuer has revoked within three days. Returns how many.';

create function public.expire_execution_leases(batch integer default 1000) returns integer
language plpgsql volatile security definer set search_path = '' set lock_timeout = '100ms'
as $$
-- Definer: service_role holds no grant to update executions. Executable by service_role only. One
-- transaction that ends many executions locks sessions, budgets and metrics in any order. Its lock timeout
-- is far below deadlock_timeout, so it gives up before a deadlock, and the next call continues.
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
    exception
      when lock_not_available then
        exit when handled > 0;
      when others then
        -- An execution that cannot be ended must not block the others of the batch.
        raise warning 'execution % was not ended: % (%)', dead.id, sqlerrm, sqlstate;
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
  'Deletes up to batch idempotency keys older than 24 hours. Returns how many.';

create function public.cleanup_ended_invitations(batch integer default 1000) returns integer
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: service_role holds no grant to delete invitations. Executable by service_role only. A deletion
-- is an audit event. As with tokens, a locked chain is left to the next call.
declare
  organization bigint;
  deleted integer;
  handled integer := 0;
begin
  for organization in
    select distinct e.organization_id
    from (
      select i.organization_id from client_mgmt.invitations i
      where i.expires_at <= clock_timestamp() - interval '30 days'
      order by i.expires_at
      limit greatest(batch, 0)
    ) e
    order by 1
  loop
    perform 1 from private.audit_heads h where h.organization_id = organization for update skip locked;
    continue when not found;
    with ended as (
      select i.organization_id, i.id from client_mgmt.invitations i
      where i.organization_id = organization and i.expires_at <= clock_timestamp() - interval '30 days'
      limit batch - handled
      for update skip locked
    )
    delete from client_mgmt.invitations i using ended e
    where i.organization_id = e.organization_id and i.id = e.id;
    get diagnostics deleted = row_count;
    handled := handled + deleted;
    exit when handled >= batch;
  end loop;
  return handled;
end
$$;
comment on function public.cleanup_ended_invitations(integer) is
  'Deletes up to batch invitations 30 days after they expire, also accepted and revoked ones. Returns how '
  'many.';

create function public.cleanup_transient_sessions(batch integer default 1000) returns integer
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: service_role holds no grant to delete chat sessions. Executable by service_role only. The client
-- of such a session keeps the conversation itself. usage_ledger keeps its usage.
declare
  handled integer;
begin
  with old as (
    select s.organization_id, s.id from public.chat_sessions s
    where s.status = 'closed' and s.metadata @> '{"transient": true}'
      and s.last_message_at <= clock_timestamp() - interval '30 days'
      and not exists (
        select 1 from public.agent_executions x
        where x.organization_id = s.organization_id and x.user_id = s.user_id and x.session_id = s.id
          and x.status in ('pending', 'running')
      )
    order by s.last_message_at
    limit greatest(batch, 0)
    for update of s skip locked
  )
  delete from public.chat_sessions s using old
  where s.organization_id = old.organization_id and s.id = old.id;
  get diagnostics handled = row_count;
  return handled;
end
$$;
comment on function public.cleanup_transient_sessions(integer) is
  'Deletes up to batch sessions that begin_execution() made for one request and for those that follow its '
  'response (transient), 30 days after the last. Returns how many.';

create function public.cleanup_change_windows(batch integer default 1000) returns integer
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no role holds a grant on the windows. Executable by service_role only. A window whose minute is
-- over has no meaning, so windows of deleted people and organizations soon end too.
declare
  handled integer;
begin
  with ended as (
    select w.organization_id, w.id from private.change_windows w
    where w.started_at <= clock_timestamp() - interval '10 minutes'
    limit greatest(batch, 0)
    for update skip locked
  )
  delete from private.change_windows w using ended e
  where w.organization_id = e.organization_id and w.id = e.id;
  get diagnostics handled = row_count;
  return handled;
end
$$;
comment on function public.cleanup_change_windows(integer) is
  'Deletes up to batch windows that began 10 minutes ago. Returns how many.';

create function public.cleanup_abandoned_guests(batch integer default 1000) returns integer
language plpgsql volatile security definer set search_path = '' set lock_timeout = '100ms'
as $$
-- Definer: service_role may not delete accounts. Executable by service_role only. An anonymous account
-- without its browser's session cannot sign in again. A deletion locks rows of the account's
-- organizations: a call deletes 50 accounts at most, and gives up before a deadlock as
-- expire_execution_leases() does.
declare
  abandoned record;
  joined bigint[];
  handled integer := 0;
begin
  for abandoned in
    select a.id, array(
      select m.organization_id from client_mgmt.client_users m where m.user_id = a.id order by 1
    ) as organizations
    from auth.users a
    where a.is_anonymous and a.created_at <= clock_timestamp() - interval '30 days'
      and not exists (
        select 1 from client_mgmt.client_users m where m.user_id = a.id and m.role <> 'guest'
      )
      and not exists (
        select 1 from auth.sessions s
        where s.user_id = a.id
          and greatest(s.created_at, s.refreshed_at at time zone 'utc')
            > clock_timestamp() - interval '30 days'
      )
      -- What customers said is the organization's record too: it stays longer, and while a person has it.
      and not exists (
        select 1 from client_mgmt.client_users m
        join public.chat_sessions c on c.organization_id = m.organization_id and c.user_id = m.user_id
        where m.user_id = a.id
          and (c.handled_by is not null or c.last_message_at > clock_timestamp()
            - case when c.current_message_id is null then interval '30 days' else interval '180 days' end)
      )
    order by a.created_at, a.id
    limit least(greatest(batch, 0), 50)
    for update of a skip locked
  loop
    begin
      delete from auth.users a where a.id = abandoned.id;
      handled := handled + 1;
      joined := joined || abandoned.organizations;
    exception
      when lock_not_available then
        exit when handled > 0;
      when others then
        -- An account that cannot be deleted must not block the others of the batch.
        raise warning 'guest % was not deleted: % (%)', abandoned.id, sqlerrm, sqlstate;
    end;
  end loop;
  perform private.write_audit_event(
    j.organization, 'guests.clean_up', 'organization', j.organization::text,
    jsonb_build_object('count', j.guests)
  )
  from (
    select u.organization, count(*) as guests from unnest(joined) u(organization) group by 1 order by 1
  ) j;
  return handled;
end
$$;
comment on function public.cleanup_abandoned_guests(integer) is
  'Deletes up to batch anonymous accounts, at most 50, that have not signed in for 30 days and have no '
  'conversation whose last message is younger than 180 days, with their conversations. usage_ledger keeps '
  'the usage. Returns how many.';

create function public.clean_ups() returns table (task text, routine text, schedule text)
language sql immutable security invoker set search_path = ''
as $$
  -- Dead workers hold places and budgets: the lease of 30 seconds and this interval together are less than
  -- a minute.
  values
    ('expired_executions', 'expire_execution_leases', '20 seconds'),
    ('expired_tool_approvals', 'expire_tool_approvals', '* * * * *'),
    ('expired_sessions', 'cleanup_expired_sessions', '*/5 * * * *'),
    ('expired_oauth_states', 'cleanup_expired_oauth_states', '*/5 * * * *'),
    ('expired_oauth_tokens', 'cleanup_expired_oauth_tokens', '*/5 * * * *'),
    ('unused_oauth_clients', 'cleanup_unused_oauth_clients', '*/5 * * * *'),
    ('ended_mcp_revocations', 'cleanup_ended_mcp_revocations', '*/5 * * * *'),
    ('expired_idempotency_keys', 'expire_idempotency_keys', '*/5 * * * *'),
    ('ended_invitations', 'cleanup_ended_invitations', '*/5 * * * *'),
    ('transient_sessions', 'cleanup_transient_sessions', '*/5 * * * *'),
    ('abandoned_guests', 'cleanup_abandoned_guests', '*/5 * * * *'),
    ('change_windows', 'cleanup_change_windows', '*/5 * * * *'),
    ('reindexed_texts', 'reindex_search', '* * * * *'),
    ('queued_embeddings', 'queue_embeddings', '* * * * *'),
    ('old_embeddings', 'cleanup_old_embeddings', '*/5 * * * *')
$$;
comment on function public.clean_ups() is
  'The list of clean-ups: the name of its job and count, its function of this schema, which takes a batch '
  'and returns the number of handled rows, and its pg_cron schedule. The function session-cleanup calls '
  'them all. Service role only.';

revoke all on function
  public.cleanup_expired_sessions(integer), public.cleanup_expired_oauth_states(integer),
  public.cleanup_expired_oauth_tokens(integer), public.cleanup_unused_oauth_clients(integer),
  public.cleanup_ended_mcp_revocations(integer),
  public.expire_execution_leases(integer),
  public.expire_idempotency_keys(integer), public.cleanup_ended_invitations(integer),
  public.cleanup_transient_sessions(integer), public.cleanup_abandoned_guests(integer),
  public.cleanup_change_windows(integer), public.clean_ups()
  from public, anon, authenticated, service_role;
grant execute on function
  public.cleanup_expired_sessions(integer), public.cleanup_expired_oauth_states(integer),
  public.cleanup_expired_oauth_tokens(integer), public.cleanup_unused_oauth_clients(integer),
  public.cleanup_ended_mcp_revocations(integer),
  public.expire_execution_leases(integer),
  public.expire_idempotency_keys(integer), public.cleanup_ended_invitations(integer),
  public.cleanup_transient_sessions(integer), public.cleanup_abandoned_guests(integer),
  public.cleanup_change_windows(integer), public.clean_ups()
  to service_role;

-- Where the server has pg_cron, each clean-up is its own job in the database. So it runs without an outside
-- scheduler, and a failing clean-up does not undo another. Elsewhere a scheduler calls the function
-- session-cleanup.
do $$
declare
  keeps_seconds boolean;
begin
  -- The setting exists when the library is loaded. For a role that may not see it the query returns no row
  -- and no error.
  if not exists (select 1 from pg_catalog.pg_available_extensions e where e.name = 'pg_cron')
    or not exists (
      select 1 from pg_catalog.pg_settings s
      where s.name = 'cron.database_name' and s.setting = current_database()
    )
  then
    return;
  end if;
  create extension if not exists pg_cron;
  -- pg_cron knows seconds since 1.5.
  select regexp_match(e.extversion, '^([0-9]+)[.]([0-9]+)')::integer[] >= array[1, 5] into keeps_seconds
  from pg_catalog.pg_extension e where e.extname = 'pg_cron';

  perform cron.unschedule(j.jobid) from cron.job j
  where j.jobname like 'colloquy-%' and j.database = current_database() and j.username = current_user;
  perform cron.schedule(
    'colloquy-' || c.task,
    case when c.schedule like '%seconds' and not keeps_seconds then '* * * * *' else c.schedule end,
    format('select public.%I()', c.routine)
  ) from public.clean_ups() c;
  -- pg_cron keeps a row of every run for good.
  perform cron.schedule('colloquy-cron_history', '17 * * * *', $job$
    delete from cron.job_run_details d
    where d.end_time < now() - interval '1 day'
      and d.jobid in (select j.jobid from cron.job j where j.jobname like 'colloquy-%')
  $job$);
end
$$;
