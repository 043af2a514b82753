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

create function private.tell_of_session() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: calls private.tell(). The update of a session locks its row, so changes at once are told in
-- turn and at most once a second. A message stands for the second that it begins: the client reads when it
-- hears it, and once more after that second.
declare
  told jsonb := jsonb_build_object('organization_id', new.organization_id, 'session_id', new.id);
  list text := private.list_topic(new.organization_id, new.user_id, new.visibility);
begin
  if tg_op = 'UPDATE' then
    new.announced_at := clock_timestamp();
    -- Who read the session in their list so far hears that it left the list.
    if old.visibility <> new.visibility then
      perform private.tell(
        private.list_topic(old.organization_id, old.user_id, old.visibility), 'session_changed', told
      );
    end if;
  end if;
  perform private.tell('session:' || new.organization_id || ':' || new.id, 'session_changed', told);
  perform private.tell(list, 'session_changed', told);
  return new;
end
$$;
comment on function private.tell_of_session() is
  'Trigger: tells a session''s readers that it is new or changed. Stamps announced_at on a change.';
revoke all on function private.tell_of_session() from public, anon, authenticated, service_role;

-- After the insert, because an upsert calls a trigger before it for a row that exists.
create trigger chat_sessions_tell_insert after insert on public.chat_sessions
  for each row when (not new.metadata @> '{"transient": true}')
  execute function private.tell_of_session();
create trigger chat_sessions_tell_update before update on public.chat_sessions
  for each row when (
    old is distinct from new
    and not new.metadata @> '{"transient": true}'
    and (old.announced_at < clock_timestamp() - interval '1 second' or old.visibility <> new.visibility)
  )
  execute function private.tell_of_session();

create function private.tell_of_deleted_sessions() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: calls private.tell(). One message per list and statement, however many sessions went.
declare
  deleted record;
begin
  for deleted in
    select private.list_topic(s.organization_id, s.user_id, s.visibility) as topic, s.organization_id,
      count(*) as sessions, (array_agg(s.id order by s.id))[1:100] as first
    from before_rows s
    where not s.metadata @> '{"transient": true}'
    group by 1, 2
  loop
    perform private.tell(
      deleted.topic,
      'sessions_deleted',
      jsonb_build_object(
        'organization_id', deleted.organization_id, 'session_ids', deleted.first, 'count', deleted.sessions
      )
    );
  end loop;
  return null;
end
$$;
comment on function private.tell_of_deleted_sessions() is
  'Trigger: tells the readers of a list that sessions went: their number, and the ids of the first 100.';
revoke all on function private.tell_of_deleted_sessions() from public, anon, authenticated, service_role;
create trigger chat_sessions_tell_delete after delete on public.chat_sessions
  referencing old table as before_rows
  for each statement execute function private.tell_of_deleted_sessions();

-- ── Who may hear ──────────────────────────────────────────────────────────────────────────────

create or replace function private.may_hear(topic text) returns boolean
language plpgsql stable security invoker set search_path = ''
as $$
-- Invoker: the policies of chat_sessions decide who hears of a session.
declare
  of_organization constant text := 'organization:' || private.current_organization_id();
  of_session constant text := 'session:' || private.current_organization_id() || ':';
  session text;
begin
  if topic in (of_organization, of_organization || ':user:' || private.current_user_id()) then
    return true;
  end if;
  if not coalesce(starts_with(topic, of_session), false) then return false; end if;
  session := substr(topic, length(of_session) + 1);
  if session !~ '^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$' then return false; end if;
  return exists (
    select 1 from public.chat_sessions s
    where s.organization_id = private.current_organization_id() and s.id = session::uuid
  );
end
$$;
comment on function private.may_hear(text) is
  'Whether the caller may join a channel: of the caller''s organization, of the caller''s own list, or of a '
  'session that the caller may read.';
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
