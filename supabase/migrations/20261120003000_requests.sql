-- Requests: the function that PostgREST runs before each request, and the guard of estimates.
-- Special: the planner's estimates come from statistics over the rows of every organization. Row policies
-- do not filter statistics, so no client may read an estimate. check_request() refuses a request that asks
-- for one. The policies at the end refuse the EXPLAIN itself, because PostgREST shows check_request() only
-- the last of several Prefer headers and obeys the first.

-- ── Estimates ─────────────────────────────────────────────────────────────────────────────────

create function private.refuse_estimates() returns void
language plpgsql volatile security invoker set search_path = ''
as $$
begin
  raise exception using errcode = 'PT400', message = 'count_not_exact',
    detail = 'Estimates and plans depend on the rows of every organization, so they are refused.',
    hint = 'Use count=exact, or leave the count out.';
end
$$;
comment on function private.refuse_estimates() is 'Raises PT400 count_not_exact.';
revoke all on function private.refuse_estimates() from public, anon, authenticated, service_role;
grant execute on function private.refuse_estimates() to anon, authenticated;

create function private.is_not_explained() returns boolean
language plpgsql immutable parallel safe security invoker set search_path = ''
as $$
-- Immutable, although it reads the running statement. The planner computes a call of an immutable function
-- once, while it plans, and drops `true` from the plan. So an EXPLAIN fails before it has an estimate, and
-- any other statement pays nothing for each row or for each run of a cached plan.
begin
  if current_query() ~* '^\s*explain\M'
    and nullif(current_setting('request.method', true), '') is not null
  then
    perform private.refuse_estimates();
  end if;
  return true;
end
$$;
comment on function private.is_not_explained() is
  'True; an EXPLAIN within a request is refused with PT400 count_not_exact. For policies only.';
revoke all on function private.is_not_explained() from public, anon, authenticated, service_role;
grant execute on function private.is_not_explained() to authenticated;

-- Tables of the migrations alone: the schema public may hold others, which do not force row-level security on
-- their owner.
do $$
declare
  relation regclass;
begin
  for relation in
    select c.oid from pg_catalog.pg_class c
    where c.relnamespace = any ('{public,client_mgmt,conversation}'::regnamespace[])
      and c.relkind in ('r', 'p') and not c.relispartition
      and c.relforcerowsecurity and c.relowner = current_user::regrole
      and has_any_column_privilege('authenticated', c.oid, 'select')
    order by c.oid::regclass::text
  loop
    execute format(
      'create policy select_unexplained on %s as restrictive for select to authenticated
         using (private.is_not_explained())', relation);
    execute format(
      'comment on policy select_unexplained on %s is %L', relation,
      'No plan and no estimate within a request: statistics cover the rows of every organization.');
  end loop;
end
$$;

-- ── Requests at once ──────────────────────────────────────────────────────────────────────────

create function private.refuse_request() returns void
language plpgsql volatile security invoker set search_path = ''
as $$
-- SQLSTATE PGRST lets the answer carry a header; its body equals that of PT429.
begin
  raise sqlstate 'PGRST' using
    message = json_build_object(
      'code', 'PT429', 'message', 'too_many_requests',
      'details', 'At most 2 requests of one person run at once; 14 more wait while those are quick.',
      'hint', '{"limit": "rest", "max_concurrent": 2, "retry_after": 1}'
    )::text,
    detail = json_build_object('status', 429, 'headers', json_build_object('Retry-After', '1'))::text;
end
$$;
comment on function private.refuse_request() is
  'Raises PT429 too_many_requests; the hint is JSON: { limit, max_concurrent, '
  'retry_after (seconds) }.';
revoke all on function private.refuse_request() from public, anon, authenticated, service_role;
grant execute on function private.refuse_request() to anon, authenticated;

create function private.take_turn(person text) returns void
language plpgsql volatile security invoker set search_path = ''
as $$
-- Advisory locks of the transaction: they need no write, so a read-only request can take them, and they
-- always end with the request. A lock is (kind, person); kinds are 1700 for the next in line, 1701 and 1702
-- for the two that run, 1711 to 1724 for those that wait. A waiting request holds no other lock, so it
-- causes no deadlock.
declare
  key constant integer := hashtext(person);
  before constant text := current_setting('lock_timeout');
  place integer;
  running text;
  seen text;
  is_next boolean := false;
begin
  for number in 1701..1702 loop
    if pg_try_advisory_xact_lock(number, key) then
      return;
    end if;
  end loop;
  -- A waiting request holds a connection that others need. When it has waited half a second for the same
  -- running request, it stays next in line, and later requests are refused at once.
  if not pg_try_advisory_lock_shared(1700, key) then
    perform private.refuse_request();
  end if;
  perform pg_advisory_unlock_shared(1700, key);
  for number in 1711..1725 loop
    if number > 1724 then
      perform private.refuse_request();
    end if;
    exit when pg_try_advisory_xact_lock(number, key);
  end loop;
  place := 1701 + pg_backend_pid() % 2;
  perform set_config('lock_timeout', '500ms', true);
  for patience in 1..9 loop
    begin
      perform pg_advisory_xact_lock(place, key);
      perform set_config('lock_timeout', before, true);
      return;
    exception when lock_not_available then
      select l.virtualtransaction into running from pg_catalog.pg_locks l
      where l.locktype = 'advisory' and l.granted
        and l.classid = place::oid and l.objid = (key::bigint & 4294967295)::oid
        and l.database = (
          select d.oid from pg_catalog.pg_database d where d.datname = current_database()
        );
      if running = seen and not is_next then
        is_next := pg_try_advisory_xact_lock(1700, key);
        if not is_next then
          perform private.refuse_request();
        end if;
      end if;
      seen := running;
    end;
  end loop;
  perform private.refuse_request();
end
$$;
comment on function private.take_turn(text) is
  'Waits until fewer than 2 requests of the person run, or raises PT429 too_many_requests. The turn '
  'ends with the transaction.';
revoke all on function private.take_turn(text) from public, anon, authenticated, service_role;
grant execute on function private.take_turn(text) to anon, authenticated;

-- ── Before each request ───────────────────────────────────────────────────────────────────────

create function private.check_request() returns void
language plpgsql volatile security invoker set search_path = ''
as $$
declare
  prefer constant text := nullif(current_setting('request.headers', true), '')::json ->> 'prefer';
begin
  -- The secret key may read the rows of every organization, so it may read their estimates.
  if current_user = 'service_role' then
    return;
  end if;
  if prefer ~* 'count\s*=\s*"?\s*(planned|estimated)' then
    perform private.refuse_estimates();
  end if;
  -- Applies to the later statements of this transaction: the request's own. A statement that ends a
  -- person's access keeps the time of its role (8 s): it may wait for two statements of that person. It
  -- answers nothing, so nothing prolongs it.
  if coalesce(current_setting('request.path', true), '') not in (
    '/rpc/close_break_glass', '/rpc/leave_organization', '/rpc/remove_member', '/rpc/revoke_invitation',
    '/rpc/revoke_session', '/rpc/set_account_active', '/rpc/set_organization_active'
  ) then
    perform set_config('statement_timeout', '3s', true);
  end if;
  -- One person in several organizations and on several devices is one person. All callers without a token
  -- are one person together, because their addresses come from headers that a client can write.
  if current_user = 'authenticated' then
    perform private.take_turn(coalesce(private.current_user_id()::text, 'nobody'));
  else
    perform private.take_turn('anon');
  end if;
end
$$;
comment on function private.check_request() is
  'PostgREST runs it as the caller before each request (db-pre-request). It refuses estimates, and limits '
  'the time of a request to 3 seconds and the requests of one person at once.';
revoke all on function private.check_request() from public, anon, authenticated, service_role;
grant execute on function private.check_request() to anon, authenticated, service_role;
-- To call it, and nothing else there.
grant usage on schema private to anon;

alter role authenticator set pgrst.db_pre_request = 'private.check_request';
alter role authenticator set pgrst.db_plan_enabled = 'false';
notify pgrst, 'reload config';
