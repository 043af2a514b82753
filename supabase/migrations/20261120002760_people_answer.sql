-- People answer: a member with sessions.answer takes a session over, answers in place of the model, and hands
-- the session back.
-- Special: while chat_sessions.handled_by names a person, begin_execution() stores a message and calls no
-- model. Every function here locks in one order: membership, account, audit head, session, execution, rates.
-- A session that the caller may not answer in and an absent one give one error.

create function private.hold_answerer(organization_id bigint, user_id uuid) returns void
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: called by definer functions only. The lock makes the end of the membership wait, and then
-- private.end_handling() finds the session that its person took.
#variable_conflict use_column
begin
  perform 1
  from client_mgmt.client_users m
  join public.users u on u.id = m.user_id and u.is_active
  where m.organization_id = hold_answerer.organization_id and m.user_id = hold_answerer.user_id
    and m.ended_at is null
    and 'sessions.answer' = any (private.role_permissions(m.role) || m.permissions)
  for share of m, u;
  if not found then
    raise exception using errcode = 'PT404', message = 'member_not_found',
      detail = 'No active member with the permission sessions.answer has this id.';
  end if;
end
$$;
comment on function private.hold_answerer(bigint, uuid) is
  'Locks the membership of a person who may answer until the transaction ends; else PT404 member_not_found.';

create function private.hold_audit_head(organization_id bigint) returns void
language sql volatile security definer set search_path = ''
as $$
  -- Definer: no role holds a grant on the heads. Called by functions that lock a session before their event.
  select 1 from private.audit_heads h where h.organization_id = hold_audit_head.organization_id for update
$$;
comment on function private.hold_audit_head(bigint) is
  'Locks the audit log of an organization: its writers come one after the other.';

create function private.require_answerable_session(
  organization_id bigint,
  session_id uuid
) returns public.chat_sessions
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: called by definer functions only, which have checked the permission.
#variable_conflict use_column
declare
  chat public.chat_sessions;
begin
  select s.* into chat from public.chat_sessions s
  where s.organization_id = require_answerable_session.organization_id
    and s.id = require_answerable_session.session_id and private.is_answerable(s)
  for no key update;
  if not found then
    raise exception using errcode = 'PT404', message = 'session_not_found',
      detail = 'The caller may answer in no open session with this id. Check the id.';
  end if;
  return chat;
end
$$;
comment on function private.require_answerable_session(bigint, uuid) is
  'The session, locked, if a person may answer in it; else PT404 session_not_found.';

create function private.require_handled_session(
  organization_id bigint,
  session_id uuid
) returns public.chat_sessions
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: called by definer functions only, which have checked the permission.
declare
  chat constant public.chat_sessions := private.require_answerable_session(organization_id, session_id);
begin
  if chat.handled_by is null then
    raise exception using errcode = 'PT409', message = 'session_not_handled',
      detail = 'No person has this session. Take it over first.';
  elsif chat.handled_by <> private.current_user_id() then
    raise exception using errcode = 'PT409', message = 'session_handled',
      detail = 'Another person has this session. Assign it to yourself to continue.';
  end if;
  return chat;
end
$$;
comment on function private.require_handled_session(bigint, uuid) is
  'The session, locked, if the caller handles it; else PT404 session_not_found, PT409 session_not_handled or '
  'PT409 session_handled.';

create function private.describe_handling(chat public.chat_sessions) returns jsonb
language sql stable security invoker set search_path = ''
return jsonb_build_object(
  'session_id', chat.id, 'handled_by', chat.handled_by, 'waiting_since', chat.waiting_since
);
comment on function private.describe_handling(public.chat_sessions) is
  '{ session_id, handled_by, waiting_since }: the fields of public.handled_session.';

create function private.give_session(chat public.chat_sessions, user_id uuid, action text) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: called by take_over_session() and assign_session(), which hold the session. A question without an
-- answer, also one whose answer the worker now stops, makes its user wait from its time on.
#variable_conflict use_column
begin
  update public.chat_sessions s
  set handled_by = give_session.user_id,
    waiting_since = coalesce(s.waiting_since, (
      select m.created_at from public.chat_messages m
      where m.organization_id = s.organization_id and m.id = s.current_message_id and m.role = 'user'
    ))
  where s.organization_id = chat.organization_id and s.id = chat.id
  returning s.* into chat;
  perform private.write_audit_event(
    chat.organization_id, give_session.action, 'chat_session', chat.id::text,
    jsonb_build_object('handled_by', chat.handled_by)
  );
  return private.describe_handling(chat);
end
$$;
comment on function private.give_session(public.chat_sessions, uuid, text) is
  'Makes a person the one who answers in a session, and records it.';

create function private.take_over_session(session_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no client may write handled_by. The session's lock decides between two people.
#variable_conflict use_column
declare
  organization constant bigint := private.require_organization('sessions.answer');
  account constant uuid := private.current_user_id();
  chat public.chat_sessions;
begin
  perform private.hold_answerer(organization, account);
  perform private.hold_audit_head(organization);
  chat := private.require_answerable_session(organization, take_over_session.session_id);
  if chat.handled_by = account then
    return private.describe_handling(chat);
  elsif chat.handled_by is not null then
    raise exception using errcode = 'PT409', message = 'session_handled',
      detail = 'Another person has this session. Assign it to yourself to continue.';
  elsif chat.user_id = account then
    raise exception using errcode = '22023', message = 'invalid_request',
      detail = 'session_id: a person does not answer in their own session.';
  end if;
  return private.give_session(chat, account, 'session.take_over');
end
$$;
comment on function private.take_over_session(uuid) is 'Body of public.take_over_session().';

create function private.assign_session(session_id uuid, user_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no client may write handled_by.
#variable_conflict use_column
declare
  organization constant bigint := private.require_organization('sessions.answer');
  chat public.chat_sessions;
begin
  perform private.hold_answerer(organization, assign_session.user_id);
  perform private.hold_audit_head(organization);
  chat := private.require_answerable_session(organization, assign_session.session_id);
  if chat.handled_by = assign_session.user_id then
    return private.describe_handling(chat);
  elsif chat.user_id = assign_session.user_id then
    raise exception using errcode = '22023', message = 'invalid_request',
      detail = 'user_id: a person does not answer in their own session.';
  end if;
  return private.give_session(chat, assign_session.user_id, 'session.assign');
end
$$;
comment on function private.assign_session(uuid, uuid) is 'Body of public.assign_session().';

create function private.author_of(organization_id bigint, user_id uuid) returns jsonb
language sql stable security definer set search_path = ''
as $$
  -- Definer: the session's user reads neither accounts nor members. Never an address: a name with an @ in it
  -- may be one.
  select jsonb_build_object('type', 'person', 'name', coalesce(
    (select u.display_name from public.users u where u.id = author_of.user_id and u.display_name !~ '@'),
    (select o.name from public.organizations o where o.id = author_of.organization_id)
  ))
$$;
comment on function private.author_of(bigint, uuid) is
  '{ type: person, name } of a member who answers: the display name that the person chose, else the name of '
  'the organization.';

create function private.keep_answer_bytes(chat public.chat_sessions, bytes bigint) returns void
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: called by answer_session() only. The bytes of a conversation are counted with its executions,
-- whose deletion returns them. A running one is left alone: its end may wait for the session.
declare
  execution public.agent_executions;
begin
  update public.agent_executions x set stored_bytes = x.stored_bytes + bytes
  where x.organization_id = chat.organization_id and x.id = (
    select e.id from public.agent_executions e
    where e.organization_id = chat.organization_id and e.session_id = chat.id and e.completed_at is not null
    order by e.created_at desc limit 1
  )
  returning x.* into execution;
  if found then
    execution.stored_bytes := bytes;
    perform private.correct_rate(execution, execution.reserved_tokens);
  end if;
end
$$;
comment on function private.keep_answer_bytes(public.chat_sessions, bigint) is
  'Counts the bytes of an answer of a person in the conversations of the session''s user and the '
  'organization.';

create function private.answer_session(session_id uuid, content text, id uuid) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: writes a message, which no client may. The lock on the audit log makes a repetition wait for the
-- first call, whose message it then finds.
#variable_conflict use_column
declare
  organization constant bigint := private.require_organization('sessions.answer');
  account constant uuid := private.current_user_id();
  chat public.chat_sessions;
  answer public.chat_messages;
begin
  if answer_session.content is null or btrim(answer_session.content, E' \t\n\r') = ''
    or octet_length(answer_session.content) > 262144
  then
    raise exception using errcode = '22023', message = 'invalid_request',
      detail = 'content: must be a text of 1 to 262144 bytes.';
  end if;
  perform private.hold_answerer(organization, account);
  perform private.hold_audit_head(organization);
  select m.* into answer from public.chat_messages m
  where m.organization_id = organization and m.id = answer_session.id;
  if answer.author_id = account
    and (answer.session_id, answer.content) = (answer_session.session_id, answer_session.content)
  then
    return jsonb_build_object(
      'id', answer.id, 'session_id', answer.session_id, 'parent_id', answer.parent_id,
      'created_at', answer.created_at
    );
  end if;
  chat := private.require_handled_session(organization, answer_session.session_id);
  if chat.current_message_id is null then
    raise exception using errcode = 'PT404', message = 'message_not_found',
      detail = 'The session has no message to answer.';
  end if;
  -- The user of the session does not wait for room that the answers of others took.
  perform private.refuse_over_stored(private.limits_for(organization, chat.user_id), w)
  from private.rate_windows w
  where w.organization_id = organization and w.user_id is null;
  -- The id of an answer that is being written belongs to it.
  if answer.id is not null or exists (
    select 1 from public.agent_executions x
    where x.organization_id = organization and x.status in ('pending', 'running')
      and x.response_message_id = answer_session.id
  ) then
    raise exception using errcode = '23505', message = 'idempotency_conflict',
      detail = 'The message id was used for another message.';
  end if;
  begin
    insert into public.chat_messages (
      organization_id, id, session_id, user_id, author_id, parent_id, role, content, metadata
    )
    values (
      organization, coalesce(answer_session.id, private.uuid_v7()), chat.id, chat.user_id, account,
      chat.current_message_id, 'assistant', answer_session.content,
      jsonb_build_object('author', private.author_of(organization, account))
    )
    returning * into answer;
  exception when unique_violation then
    raise exception using errcode = '23505', message = 'idempotency_conflict',
      detail = 'The message id was used for another message.';
  end;
  update public.chat_sessions s
  set current_message_id = answer.id, last_message_at = clock_timestamp(), waiting_since = null,
    asks_person = false
  where s.organization_id = organization and s.id = chat.id;
  perform private.write_audit_event(
    organization, 'session.answer', 'chat_session', chat.id::text,
    jsonb_build_object('message_id', answer.id)
  );
  perform private.keep_answer_bytes(chat, 1024 + octet_length(answer.content));
  return jsonb_build_object(
    'id', answer.id, 'session_id', answer.session_id, 'parent_id', answer.parent_id,
    'created_at', answer.created_at
  );
end
$$;
comment on function private.answer_session(uuid, text, uuid) is 'Body of public.answer_session().';

create function private.hand_back_session(session_id uuid, note text) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no client may write handled_by or a note.
#variable_conflict use_column
declare
  organization constant bigint := private.require_organization('sessions.answer');
  chat public.chat_sessions;
begin
  if char_length(hand_back_session.note) > 4000 then
    raise exception using errcode = '22023', message = 'invalid_request',
      detail = 'note: must have at most 4000 characters.';
  end if;
  perform private.hold_answerer(organization, private.current_user_id());
  perform private.hold_audit_head(organization);
  chat := private.require_handled_session(organization, hand_back_session.session_id);
  update public.chat_sessions s set handled_by = null, asks_person = false
  where s.organization_id = organization and s.id = chat.id
  returning s.* into chat;
  if btrim(hand_back_session.note, E' \t\n\r') = '' then
    delete from conversation.hand_back_notes n
    where n.organization_id = organization and n.session_id = chat.id;
  elsif hand_back_session.note is not null then
    insert into conversation.hand_back_notes as n (organization_id, session_id, author_id, note)
    values (organization, chat.id, private.current_user_id(), hand_back_session.note)
    on conflict on constraint hand_back_notes_pkey do update
      set author_id = excluded.author_id, note = excluded.note;
  end if;
  perform private.write_audit_event(
    organization, 'session.hand_back', 'chat_session', chat.id::text,
    jsonb_build_object('has_note', btrim(coalesce(hand_back_session.note, ''), E' \t\n\r') <> '')
  );
  return private.describe_handling(chat);
end
$$;
comment on function private.hand_back_session(uuid, text) is 'Body of public.hand_back_session().';

-- ── A wish for a person ───────────────────────────────────────────────────────────────────────

create function private.ask_for_person(session_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no client may write the wait. A wish is one event of the audit log, which the changes of the
-- caller's minute bound; while a session has one, another writes nothing.
#variable_conflict use_column
declare
  organization constant bigint := private.require_conversations();
  account constant uuid := private.current_user_id();
  chat public.chat_sessions;
begin
  perform 1 from client_mgmt.client_users m
  where m.organization_id = organization and m.user_id = account
  for share;
  perform private.hold_audit_head(organization);
  select s.* into chat from public.chat_sessions s
  where s.organization_id = organization and s.id = ask_for_person.session_id and s.user_id = account
    and private.is_answerable(s)
  for no key update;
  if not found then
    raise exception using errcode = 'PT404', message = 'session_not_found',
      detail = 'People answer in no open session of the caller with this id. Check the id, or share it.';
  elsif chat.current_message_id is null then
    raise exception using errcode = 'PT404', message = 'message_not_found',
      detail = 'The session has no message to answer.';
  elsif not chat.asks_person then
    update public.chat_sessions s
    set asks_person = true, waiting_since = coalesce(s.waiting_since, clock_timestamp())
    where s.organization_id = organization and s.id = chat.id
    returning s.* into chat;
    perform private.write_audit_event(organization, 'session.ask_person', 'chat_session', chat.id::text);
  end if;
  return private.describe_handling(chat);
end
$$;
comment on function private.ask_for_person(uuid) is 'Body of public.ask_for_person().';

-- ── The end of an assignment ──────────────────────────────────────────────────────────────────

create function private.end_handling(organization_id bigint, user_id uuid) returns void
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: called by triggers only, which hold the membership or the account of the person.
#variable_conflict use_column
declare
  ended uuid[];
begin
  if not exists (
    select 1 from public.chat_sessions s
    where s.organization_id = end_handling.organization_id and s.handled_by = end_handling.user_id
  ) then
    return;
  end if;
  perform private.hold_audit_head(end_handling.organization_id);
  with handed as (
    update public.chat_sessions s set handled_by = null
    where s.organization_id = end_handling.organization_id and s.handled_by = end_handling.user_id
    returning s.id
  )
  select array_agg(h.id order by h.id) into ended from handed h;
  perform private.write_audit_event(
    end_handling.organization_id, 'session.hand_back', 'membership', end_handling.user_id::text,
    jsonb_build_object(
      'reason', 'access_lost', 'count', cardinality(ended), 'session_ids', to_jsonb(ended[1:100])
    )
  );
end
$$;
comment on function private.end_handling(bigint, uuid) is
  'Hands every session of a person who may not answer any more back to the model.';

create function private.end_lost_handling() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: writes sessions of others. A trigger for each row, which runs before the statement's own event.
declare
  organization bigint;
begin
  if tg_table_name = 'client_users' then
    if new.ended_at is not null
      or not 'sessions.answer' = any (private.role_permissions(new.role) || new.permissions)
    then
      perform private.end_handling(new.organization_id, new.user_id);
    end if;
    return null;
  end if;
  for organization in
    select m.organization_id from client_mgmt.client_users m where m.user_id = new.id order by 1
  loop
    perform private.end_handling(organization, new.id);
  end loop;
  return null;
end
$$;
comment on function private.end_lost_handling() is
  'Trigger on memberships and accounts: a person who loses the membership, the permission or the account '
  'handles no session.';
create trigger client_users_end_handling
  after update of role, permissions, ended_at on client_mgmt.client_users
  for each row execute function private.end_lost_handling();
create trigger users_end_handling after update of is_active on public.users
  for each row when (old.is_active and not new.is_active)
  execute function private.end_lost_handling();

-- ── The queue ─────────────────────────────────────────────────────────────────────────────────

create function private.sessions_to_answer(max_rows integer)
returns table (
  session_id uuid, user_id uuid, title text, context text, waiting_since timestamptz, asks_person boolean,
  handled_by uuid, message_id uuid, message text, message_at timestamptz
)
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: names the organization itself, so that the index of waiting sessions gives the order. Shows what
-- the policies show to a person who may answer.
#variable_conflict use_column
declare
  organization constant bigint := private.require_organization('sessions.answer');
begin
  return query
  select s.id, s.user_id, s.title, s.context, s.waiting_since, s.asks_person, s.handled_by, m.id,
    left(m.content, 500), m.created_at
  from public.chat_sessions s
  left join lateral (
    select q.id, q.content, q.created_at from public.chat_messages q
    where q.organization_id = s.organization_id and q.session_id = s.id and q.role = 'user'
    order by q.created_at desc limit 1
  ) m on true
  where s.organization_id = organization and s.waiting_since is not null and private.is_answerable(s)
  order by s.waiting_since, s.id
  limit least(greatest(coalesce(max_rows, 50), 1), 200);
end
$$;
comment on function private.sessions_to_answer(integer) is 'Body of public.sessions_to_answer().';

-- ── The RPCs ──────────────────────────────────────────────────────────────────────────────────

create type public.handled_session as (session_id uuid, handled_by uuid, waiting_since timestamptz);
comment on type public.handled_session is
  'Answer of take_over_session(), assign_session() and hand_back_session(): who answers, and since when the '
  'user waits.';
create type public.answered_message as (
  id uuid, session_id uuid, parent_id uuid, created_at timestamptz
);
comment on type public.answered_message is 'Answer of answer_session(): the stored message.';

create function public.take_over_session(session_id uuid) returns public.handled_session
language sql volatile security invoker set search_path = ''
as $$
  select * from jsonb_populate_record(null::public.handled_session, private.take_over_session(session_id))
$$;
comment on function public.take_over_session(uuid) is
  'The caller answers in the session from now on, and the model does not: { session_id, handled_by, '
  'waiting_since }. An answer that is being written is cancelled within 1.25 s; its text so far is kept. '
  'Needs sessions.answer. PT404 session_not_found; PT409 session_handled while another person has it.';

create function public.assign_session(session_id uuid, user_id uuid) returns public.handled_session
language sql volatile security invoker set search_path = ''
as $$
  select * from jsonb_populate_record(
    null::public.handled_session, private.assign_session(session_id, user_id)
  )
$$;
comment on function public.assign_session(uuid, uuid) is
  'Gives a session to a member with sessions.answer, also a session that another person has. The end of the '
  'membership or of the permission hands it back. Needs sessions.answer. PT404 session_not_found, '
  'member_not_found.';

create function public.answer_session(session_id uuid, content text, id uuid default null)
returns public.answered_message
language sql volatile security invoker set search_path = ''
as $$
  select * from jsonb_populate_record(
    null::public.answered_message, private.answer_session(session_id, content, id)
  )
$$;
comment on function public.answer_session(uuid, text, uuid) is
  'Stores the caller''s answer as the newest message of the shown branch: { id, session_id, parent_id, '
  'created_at }. The same id and content again give the same message; another content is 23505 '
  'idempotency_conflict. Needs sessions.answer and a session that the caller took over: PT404 '
  'session_not_found, message_not_found; PT409 session_not_handled, session_handled.';

create function public.hand_back_session(session_id uuid, note text default null)
returns public.handled_session
language sql volatile security invoker set search_path = ''
as $$
  select * from jsonb_populate_record(
    null::public.handled_session, private.hand_back_session(session_id, note)
  )
$$;
comment on function public.hand_back_session(uuid, text) is
  'The model answers again. The note of at most 4000 characters tells the model what it has to know; the '
  'session''s user does not read it. Null keeps the earlier note, an empty note removes it. Needs '
  'sessions.answer: PT404 session_not_found; PT409 session_not_handled, session_handled.';

create function public.ask_for_person(session_id uuid) returns public.handled_session
language sql volatile security invoker set search_path = ''
as $$
  select * from jsonb_populate_record(null::public.handled_session, private.ask_for_person(session_id))
$$;
comment on function public.ask_for_person(uuid) is
  'The user of a session asks for a person: the session waits until a person answers or hands it back, also '
  'while the model answers. A guest may ask, and a member who shares the session. Asking again changes '
  'nothing. PT404 session_not_found, message_not_found; PT429 rate_limited.';

create function public.sessions_to_answer(max_rows integer default 50)
returns table (
  session_id uuid, user_id uuid, title text, context text, waiting_since timestamptz, asks_person boolean,
  handled_by uuid, message_id uuid, message text, message_at timestamptz
)
language sql stable security invoker set search_path = ''
as $$ select * from private.sessions_to_answer(max_rows) $$;
comment on function public.sessions_to_answer(integer) is
  'The sessions whose user waits for a person, the longest wait first, at most 200: who has each, '
  'whether its user asked for a person, and the first 500 characters of the newest message of the user. '
  'Needs sessions.answer.';

revoke all on function
  private.hold_answerer(bigint, uuid), private.hold_audit_head(bigint),
  private.require_answerable_session(bigint, uuid), private.require_handled_session(bigint, uuid),
  private.describe_handling(public.chat_sessions), private.give_session(public.chat_sessions, uuid, text),
  private.author_of(bigint, uuid), private.keep_answer_bytes(public.chat_sessions, bigint),
  private.end_handling(bigint, uuid), private.end_lost_handling(),
  private.ask_for_person(uuid), public.ask_for_person(uuid),
  private.take_over_session(uuid), private.assign_session(uuid, uuid),
  private.answer_session(uuid, text, uuid), private.hand_back_session(uuid, text),
  private.sessions_to_answer(integer),
  public.take_over_session(uuid), public.assign_session(uuid, uuid),
  public.answer_session(uuid, text, uuid), public.hand_back_session(uuid, text),
  public.sessions_to_answer(integer)
  from public, anon, authenticated, service_role;
grant execute on function
  private.ask_for_person(uuid), public.ask_for_person(uuid),
  private.take_over_session(uuid), private.assign_session(uuid, uuid),
  private.answer_session(uuid, text, uuid), private.hand_back_session(uuid, text),
  private.sessions_to_answer(integer),
  public.take_over_session(uuid), public.assign_session(uuid, uuid),
  public.answer_session(uuid, text, uuid), public.hand_back_session(uuid, text),
  public.sessions_to_answer(integer)
  to authenticated;
