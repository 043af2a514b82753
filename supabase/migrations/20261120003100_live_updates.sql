-- Live updates: the database tells a conversation's readers that it changed, through Realtime's private
-- channels.
-- Special: a message names sessions and has nothing of their content, because Realtime asks who may hear
-- only when a client joins and when its token changes. The reader selects the rows, under their policies.
-- Realtime's schema is not ours. Where it is missing, nothing is told and no write fails.

create function private.tell(topic text, event text, payload jsonb) returns void
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: writes Realtime's table, where clients hold no right to send. Called by triggers only.
begin
  if to_regprocedure('realtime.send(jsonb, text, text, boolean)') is not null then
    -- Realtime's own function turns its failures into warnings, so no write fails for it.
    perform realtime.send(payload, event, topic, true);
  end if;
end
$$;
comment on function private.tell(text, text, jsonb) is 'Sends one message to a private channel of Realtime.';
revoke all on function private.tell(text, text, jsonb) from public, anon, authenticated, service_role;

create function private.list_topic(organization_id bigint, user_id uuid, visibility text) returns text
language sql immutable security invoker set search_path = ''
return 'organization:' || organization_id
  || case when visibility = 'organization' then '' else ':user:' || user_id end;
comment on function private.list_topic(bigint, uuid, text) is
  'The channel that tells of a session to the readers of a list: all members for a shared session, its user '
  'for a private session.';
revoke all on function private.list_topic(bigint, uuid, text) from public, anon, authenticated, service_role;

create function private.stamp_session() returns trigger
language plpgsql volatile security invoker set search_path = ''
as $$
-- The update locks the session's row, so changes at once are stamped in turn.
begin
  new.announced_at := clock_timestamp();
  return new;
end
$$;
comment on function private.stamp_session() is
  'Trigger: marks a session of whose change its readers are told.';
revoke all on function private.stamp_session() from public, anon, authenticated, service_role;
create trigger chat_sessions_stamp before update on public.chat_sessions
  for each row when (
    old is distinct from new and old.announced_at < clock_timestamp() - interval '1 second'
  )
  execute function private.stamp_session();

create function private.tell_lists(event text, sessions public.chat_sessions[]) returns void
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: calls private.tell(). One message for each list, and ten lists at most: a statement over many rows
-- must not use up what Realtime allows the whole project.
declare
  list record;
begin
  for list in
    select private.list_topic(s.organization_id, s.user_id, s.visibility) as topic, s.organization_id,
      count(distinct s.id) as sessions, (array_agg(distinct s.id))[1:100] as first
    from unnest(tell_lists.sessions) s
    where not s.metadata @> '{"transient": true}'
    group by 1, 2
    order by 1
    limit 10
  loop
    perform private.tell(
      list.topic,
      tell_lists.event,
      jsonb_build_object(
        'organization_id', list.organization_id, 'session_ids', list.first, 'count', list.sessions
      )
    );
  end loop;
end
$$;
comment on function private.tell_lists(text, public.chat_sessions[]) is
  'Tells the readers of lists of sessions: how many changed, and the ids of the first 100.';
revoke all on function private.tell_lists(text, public.chat_sessions[])
  from public, anon, authenticated, service_role;

create function private.tell_session(organization_id bigint, id uuid) returns void
language sql volatile security definer set search_path = ''
as $$
-- Definer: calls private.tell().
  select private.tell(
    'session:' || organization_id || ':' || id,
    'session_changed',
    jsonb_build_object('organization_id', organization_id, 'session_id', id)
  );
$$;
comment on function private.tell_session(bigint, uuid) is
  'Tells the readers of one session that it changed.';
revoke all on function private.tell_session(bigint, uuid) from public, anon, authenticated, service_role;

create function private.tell_of_sessions() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: calls private.tell_lists(). A new session has no reader yet, so only lists are told of it.
declare
  changed public.chat_sessions[];
begin
  if tg_op = 'INSERT' then
    select array_agg(n) into changed from after_rows n;
    perform private.tell_lists('sessions_changed', changed);
  elsif tg_op = 'DELETE' then
    select array_agg(o) into changed from before_rows o;
    perform private.tell_lists('sessions_deleted', changed);
  else
    -- Each stamped session before and after: a change of visibility leaves one list and enters another.
    select array_agg(side.session) into changed
    from before_rows o
    join after_rows n on (n.organization_id, n.id) = (o.organization_id, o.id),
      lateral (values (o::public.chat_sessions), (n::public.chat_sessions)) side(session)
    where n.announced_at is distinct from o.announced_at;
    perform private.tell_lists('sessions_changed', changed);
    perform private.tell_session(s.organization_id, s.id)
    from (
      select distinct c.organization_id, c.id from unnest(changed) c
      where not c.metadata @> '{"transient": true}'
      limit 10
    ) s;
    perform private.tell(
      'organization:' || q.organization_id || ':answers',
      'session.needs_answer',
      jsonb_build_object(
        'organization_id', q.organization_id, 'session_ids', q.first, 'count', q.sessions
      )
    )
    from (
      select n.organization_id, count(*) as sessions, (array_agg(n.id order by n.id))[1:100] as first
      from before_rows o
      join after_rows n on (n.organization_id, n.id) = (o.organization_id, o.id)
      where (n.handled_by, n.waiting_since) is distinct from (o.handled_by, o.waiting_since)
        and (private.is_answerable(n::public.chat_sessions) or private.is_answerable(o::public.chat_sessions))
      group by n.organization_id
      order by n.organization_id
      limit 10
    ) q;
  end if;
  return null;
end
$$;
comment on function private.tell_of_sessions() is
  'Trigger: tells the readers of sessions and of lists that a statement made, changed or deleted sessions, '
  'and those who answer that sessions began to wait, were answered, taken over or handed back.';
revoke all on function private.tell_of_sessions() from public, anon, authenticated, service_role;
create trigger chat_sessions_tell_insert after insert on public.chat_sessions
  referencing new table as after_rows
  for each statement execute function private.tell_of_sessions();
create trigger chat_sessions_tell_update after update on public.chat_sessions
  referencing old table as before_rows new table as after_rows
  for each statement execute function private.tell_of_sessions();
create trigger chat_sessions_tell_delete after delete on public.chat_sessions
  referencing old table as before_rows
  for each statement execute function private.tell_of_sessions();

create function private.count_update() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no role holds a grant on the windows. It refuses the statement, because a change that is stored
-- and not told would be missed. Executions have bounds of their own. Named after the other triggers of the
-- table, so this row is the last that the statement locks.
#variable_conflict use_column
declare
  organization constant bigint := private.current_tenant_id();
  used private.change_windows;
  allowed integer;
begin
  if organization is null then
    return null;
  end if;
  allowed := (private.limits_for(organization, private.current_user_id())).changes_per_minute_per_user;
  insert into private.change_windows as w (organization_id, user_id, started_at, updates)
  values (organization, private.current_user_id(), now(), 1)
  on conflict on constraint change_windows_key do update set
    started_at = case when w.started_at <= now() - interval '1 minute' then now() else w.started_at end,
    changes = case when w.started_at <= now() - interval '1 minute' then 0 else w.changes end,
    updates = case when w.started_at <= now() - interval '1 minute' then 0 else w.updates end + 1
  returning w.* into used;
  if used.updates > allowed then
    perform private.refuse_rate('updates_per_minute', 'user', allowed, used.started_at);
  end if;
  return null;
end
$$;
comment on function private.count_update() is
  'Trigger: counts a statement of a person on sessions in the person''s minute, or raises PT429 '
  'rate_limited.';
revoke all on function private.count_update() from public, anon, authenticated, service_role;
create trigger chat_sessions_update_is_counted after insert or update or delete on public.chat_sessions
  for each statement when (current_user = 'authenticated') execute function private.count_update();

create function private.tell_of_end() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no client may stamp a session. An execution that ends without a word leaves its session as it is.
-- After a failure the user has no answer, so a person may give it.
begin
  update public.chat_sessions s set
    announced_at = case when s.announced_at < clock_timestamp() - interval '1 second'
      then clock_timestamp() else s.announced_at end,
    waiting_since = case when new.status = 'failed' and private.is_answerable(s)
      then coalesce(s.waiting_since, clock_timestamp()) else s.waiting_since end
  where s.organization_id = new.organization_id and s.id = new.session_id
    and (
      s.announced_at < clock_timestamp() - interval '1 second'
      or (new.status = 'failed' and s.waiting_since is null and private.is_answerable(s))
    );
  return null;
end
$$;
comment on function private.tell_of_end() is
  'Trigger: marks the session of an execution that failed or was cancelled, so that its readers are told; '
  'after a failure its user waits for a person.';
revoke all on function private.tell_of_end() from public, anon, authenticated, service_role;
create trigger agent_executions_tell_end after update of status on public.agent_executions
  for each row when (new.status in ('failed', 'cancelled') and old.status is distinct from new.status)
  execute function private.tell_of_end();

-- ── Who may hear ──────────────────────────────────────────────────────────────────────────────

create or replace function private.may_hear(topic text) returns boolean
language plpgsql stable security invoker set search_path = ''
as $$
-- Invoker: the policies of chat_sessions decide who hears of a session.
declare
  tenant constant bigint := private.current_tenant_id();
  of_session constant text := 'session:' || tenant || ':';
  session text;
begin
  -- The first is null for a guest, and equals no topic.
  if topic = 'organization:' || private.current_organization_id()
    or topic = 'organization:' || tenant || ':user:' || private.current_user_id()
  then
    return true;
  elsif topic = 'organization:' || private.current_organization_id() || ':answers' then
    return private.has_permission('sessions.answer');
  end if;
  if not coalesce(starts_with(topic, of_session), false) then return false; end if;
  session := substr(topic, length(of_session) + 1);
  if session !~ '^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$' then return false; end if;
  return exists (
    select 1 from public.chat_sessions s
    where s.organization_id = tenant and s.id = session::uuid
  );
end
$$;
comment on function private.may_hear(text) is
  'Whether the caller may join a channel: of a member''s organization, of the caller''s own list, of a '
  'session that the caller may read, or, with sessions.answer, of the sessions that wait for a person.';
revoke all on function private.may_hear(text) from public, anon, authenticated, service_role;
grant execute on function private.may_hear(text) to authenticated;

-- No policy for insert: clients send nothing. The policy stands on Realtime's table, so it can be made only
-- where that table is.
do $$
begin
  if to_regclass('realtime.messages') is null then
    raise notice 'live_updates_are_off: the database has no table realtime.messages. When Realtime has made '
      'it, run the end of this file again, from "Who may hear".';
    return;
  end if;
  drop policy if exists select_hearer on realtime.messages;
  create policy select_hearer on realtime.messages for select to authenticated
    using (extension = 'broadcast' and (select private.may_hear((select realtime.topic()))));
end
$$;
