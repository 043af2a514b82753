-- Conversations: chat sessions and their messages.
-- Special: a session is private to its user unless its visibility is organization; people who answer read the
-- sessions of guests too. Messages also have user_id, so the policy for a user's own messages does not read
-- the session. Clients create sessions, also offline with their own uuid. Only invocations and
-- answer_session() write messages.

-- ── chat_sessions ─────────────────────────────────────────────────────────────────────────────

create table public.chat_sessions (
  organization_id bigint not null default private.current_tenant_id()
    references public.organizations (id) on delete cascade,
  id uuid not null default private.uuid_v7(),
  user_id uuid not null default private.current_user_id(),
  agent_id bigint references public.agents (id),
  model_id bigint references public.models (id),
  project_id bigint,
  title text constraint chat_sessions_title_length check (char_length(title) <= 500),
  status text not null default 'active'
    constraint chat_sessions_status check (status in ('active', 'archived', 'closed')),
  context text not null default 'general'
    constraint chat_sessions_context check (context in ('general', 'support', 'sales')),
  end_user text constraint chat_sessions_end_user_length check (char_length(end_user) between 1 and 512),
  visibility text not null default 'private'
    constraint chat_sessions_visibility check (visibility in ('private', 'organization')),
  metadata jsonb not null default '{}'
    constraint chat_sessions_metadata_object check (jsonb_typeof(metadata) = 'object')
    constraint chat_sessions_metadata_length check (octet_length(metadata::text) <= 65536),
  current_message_id uuid,
  of_guest boolean not null default false,
  handled_by uuid,
  waiting_since timestamptz,
  asks_person boolean not null default false,
  last_message_at timestamptz not null default now(),
  announced_at timestamptz not null default now() - interval '1 second',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (organization_id, id),
  constraint chat_sessions_user_fkey foreign key (organization_id, user_id)
    references client_mgmt.client_users (organization_id, user_id) on delete cascade,
  constraint chat_sessions_project_fkey foreign key (organization_id, project_id)
    references client_mgmt.projects (organization_id, id),
  constraint chat_sessions_handled_by_fkey foreign key (organization_id, handled_by)
    references client_mgmt.client_users (organization_id, user_id) on delete set null (handled_by),
  -- begin_execution() holds one's own session while it waits for one's own membership: a membership that ends
  -- waits for the sessions that its person handles.
  constraint chat_sessions_handled_by_other check (handled_by <> user_id)
);
comment on table public.chat_sessions is 'A conversation of one person with one agent.';
comment on column public.chat_sessions.model_id is 'The model of this session; null: the route decides.';
comment on column public.chat_sessions.title is
  'Null: set by the first invocation with a title, which the function agents makes of the message.';
comment on column public.chat_sessions.end_user is
  'The customer for whom a server invoked as the session''s user; set by the invocation that made it.';
comment on column public.chat_sessions.current_message_id is
  'The last message of the branch that continues; set it to switch branches. Null: the session has no '
  'message.';
comment on column public.chat_sessions.of_guest is
  'Whether a guest began the session: members with sessions.answer read it and answer in it. It stays when '
  'the guest becomes a member.';
comment on column public.chat_sessions.handled_by is
  'The member who answers in place of the model; null: the model answers. Written by take_over_session(), '
  'assign_session() and hand_back_session().';
comment on column public.chat_sessions.waiting_since is
  'Since when the user waits for a person: the first message without an answer while a person handles the '
  'session, an execution that failed, or the user''s wish for a person. Null: nobody waits. An answer sets '
  'it to null.';
comment on column public.chat_sessions.asks_person is
  'Whether the user asked for a person: then no answer of a model ends the wait. ask_for_person() writes it; '
  'an answer of a person and a hand-back end it.';
comment on column public.chat_sessions.last_message_at is
  'The time of the last message; in a session without one, the time when it was made.';
comment on column public.chat_sessions.announced_at is
  'When Realtime last told the readers of a change; before created_at when it told of none.';
comment on column public.chat_sessions.visibility is
  'private: only the user reads; organization: every member reads.';
create index chat_sessions_user_id_idx
  on public.chat_sessions (organization_id, user_id, last_message_at desc);
create index chat_sessions_end_user_idx
  on public.chat_sessions (organization_id, user_id, end_user, last_message_at desc)
  where end_user is not null;
create index chat_sessions_status_idx
  on public.chat_sessions (organization_id, status, last_message_at desc);
-- For the readers of others' conversations: the policies of sessions, messages and executions ask for these.
create index chat_sessions_shared_idx on public.chat_sessions (organization_id, id)
  where visibility = 'organization';
create index chat_sessions_of_guest_idx on public.chat_sessions (organization_id, id) where of_guest;
create index chat_sessions_waiting_idx on public.chat_sessions (organization_id, waiting_since)
  where waiting_since is not null;
create index chat_sessions_handled_by_idx on public.chat_sessions (organization_id, handled_by)
  where handled_by is not null;
create index chat_sessions_updated_at_idx on public.chat_sessions (organization_id, updated_at);
create index chat_sessions_created_at_idx on public.chat_sessions (organization_id, created_at);
create index chat_sessions_transient_idx on public.chat_sessions (last_message_at)
  where status = 'closed' and metadata @> '{"transient": true}';
create index chat_sessions_last_message_at_idx
  on public.chat_sessions (organization_id, last_message_at desc);
create index chat_sessions_project_id_idx on public.chat_sessions (organization_id, project_id)
  where project_id is not null;
create index chat_sessions_agent_id_idx on public.chat_sessions (agent_id);
create index chat_sessions_model_id_idx on public.chat_sessions (model_id) where model_id is not null;
create trigger chat_sessions_check_references before insert on public.chat_sessions
  for each row execute function private.check_shared_references();
create trigger chat_sessions_check_references_update before update on public.chat_sessions
  for each row when (
    (new.organization_id, new.agent_id, new.model_id)
      is distinct from (old.organization_id, old.agent_id, old.model_id)
  )
  execute function private.check_shared_references();

alter table public.chat_sessions enable row level security;
alter table public.chat_sessions force row level security;
create policy select_reader on public.chat_sessions for select to authenticated
  using (
    organization_id = (select private.current_tenant_id())
    and (
      user_id = (select private.current_user_id())
      or (visibility = 'organization' and organization_id = (select private.current_organization_id()))
      or (of_guest and (select private.has_permission('sessions.answer')))
      -- A range, so that an index finds one's own rows among all.
      or organization_id between (select private.organization_with('content.read_all'))
        and (select private.organization_with('content.read_all'))
    )
  );
comment on policy select_reader on public.chat_sessions is
  'One''s own sessions; for a member shared sessions too; those of guests with sessions.answer; all sessions '
  'with content.read_all.';
create policy insert_self on public.chat_sessions for insert to authenticated
  with check (
    organization_id = (select private.current_tenant_id())
    and user_id = (select private.current_user_id())
    and (select private.may_converse())
  );
comment on policy insert_self on public.chat_sessions is 'One''s own, with agents.invoke or as a guest.';
create policy update_self on public.chat_sessions for update to authenticated
  using (
    organization_id = (select private.current_tenant_id())
    and user_id = (select private.current_user_id())
    and (select private.may_converse())
  )
  with check (
    organization_id = (select private.current_tenant_id())
    and user_id = (select private.current_user_id())
    and (select private.may_converse())
  );
comment on policy update_self on public.chat_sessions is 'One''s own, with agents.invoke or as a guest.';
create policy delete_self on public.chat_sessions for delete to authenticated
  using (
    organization_id = (select private.current_tenant_id())
    and user_id = (select private.current_user_id())
    and (select private.may_converse())
  );
comment on policy delete_self on public.chat_sessions is 'One''s own, with its messages and executions.';
revoke all on public.chat_sessions from anon, authenticated, service_role;
grant select, delete on public.chat_sessions to authenticated;
grant insert (id, agent_id, model_id, project_id, title, status, context, visibility, metadata),
  update (
    id, agent_id, model_id, project_id, title, status, context, visibility, metadata, current_message_id
  )
  on public.chat_sessions to authenticated;
grant select, insert, update, delete on public.chat_sessions to service_role;
create trigger chat_sessions_keep_columns before update of id, agent_id on public.chat_sessions
  for each row when (
    current_user = 'authenticated'
    and (new.id, new.agent_id) is distinct from (old.id, old.agent_id)
  )
  execute function private.refuse_kept_columns('id', 'agent_id');
-- begin_execution() reserves less for a transient session, whose client sends the conversation itself. The
-- flag on a session with a stored conversation, or on an open one, would escape the budget.
create function private.refuse_transient_session() returns trigger
language plpgsql volatile security invoker set search_path = ''
as $$
begin
  raise exception using errcode = '22023', message = 'invalid_request',
    detail = 'metadata.transient: only an invocation sets it, and its session stays closed.';
end
$$;
comment on function private.refuse_transient_session() is
  'Trigger: refuses a client''s session that is marked as transient, and the opening of a transient one.';
revoke all on function private.refuse_transient_session() from public, anon, authenticated, service_role;
create trigger chat_sessions_refuse_transient before insert on public.chat_sessions
  for each row when (current_user = 'authenticated' and new.metadata @> '{"transient": true}')
  execute function private.refuse_transient_session();
create trigger chat_sessions_refuse_transient_update before update of status, metadata
  on public.chat_sessions
  for each row when (
    current_user = 'authenticated' and new.metadata @> '{"transient": true}'
    and (new.status <> 'closed' or not old.metadata @> '{"transient": true}')
  )
  execute function private.refuse_transient_session();
-- Named so that it runs before chat_sessions_check_references, which would tell an absent id from another.
create function private.check_guest_session() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: reads agents, which no guest may.
begin
  if not private.is_guest(new.organization_id, new.user_id) then
    return new;
  elsif new.agent_id is not null and not private.is_open_to_guests(new.organization_id, new.agent_id) then
    raise exception using errcode = '23503', message = 'agent_not_found',
      detail = 'No agent has this id. Check the id.';
  elsif new.model_id is not null or new.project_id is not null or new.visibility <> 'private' then
    raise exception using errcode = '42501', message = 'permission_denied',
      detail = 'A guest''s session names no model and no project, and stays private.';
  end if;
  return new;
end
$$;
comment on function private.check_guest_session() is
  'Trigger: a guest''s session names an agent that is open to guests, no model and no project, and is not '
  'shared.';
revoke all on function private.check_guest_session() from public, anon, authenticated, service_role;
create trigger chat_sessions_check_guest
  before insert or update of agent_id, model_id, project_id, visibility on public.chat_sessions
  for each row when (current_user = 'authenticated')
  execute function private.check_guest_session();
create function private.mark_guest_session() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: reads memberships. Kept in the session, so that a change of role opens no session and closes none.
begin
  new.of_guest := private.is_guest(new.organization_id, new.user_id);
  return new;
end
$$;
comment on function private.mark_guest_session() is
  'Trigger: marks a session that a guest begins. No client may write the mark.';
revoke all on function private.mark_guest_session() from public, anon, authenticated, service_role;
create trigger chat_sessions_mark_guest before insert on public.chat_sessions
  for each row execute function private.mark_guest_session();
create trigger chat_sessions_updated_at before update on public.chat_sessions
  for each row execute function private.update_updated_at_column();

-- Staff answers what it may read: a shared session, and a guest's. One function, so that a queue, a take-over
-- and an end of it agree.
create function private.is_answerable(chat public.chat_sessions) returns boolean
language sql immutable security invoker set search_path = ''
return (chat.visibility = 'organization' or chat.of_guest) and chat.status <> 'closed';
comment on function private.is_answerable(public.chat_sessions) is
  'Whether a person with sessions.answer may answer in a session: it is shared or a guest''s, and not '
  'closed.';
create function private.return_session_to_model() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no client executes is_answerable(). A person who cannot read a session any more would keep the
-- model silent forever.
begin
  if not private.is_answerable(new) then
    new.handled_by := null;
    new.waiting_since := null;
    new.asks_person := false;
  end if;
  return new;
end
$$;
comment on function private.return_session_to_model() is
  'Trigger: the model answers again in a session that its user closed or no longer shares.';
revoke all on function private.is_answerable(public.chat_sessions), private.return_session_to_model()
  from public, anon, authenticated, service_role;
create trigger chat_sessions_return_to_model before update of status, visibility on public.chat_sessions
  for each row when (new.handled_by is not null or new.waiting_since is not null)
  execute function private.return_session_to_model();

-- ── chat_messages ─────────────────────────────────────────────────────────────────────────────

create table public.chat_messages (
  organization_id bigint not null,
  id uuid not null default private.uuid_v7(),
  session_id uuid not null,
  user_id uuid not null,
  author_id uuid,
  parent_id uuid,
  depth integer not null default 1,
  role text not null constraint chat_messages_role check (role in ('system', 'user', 'assistant', 'tool')),
  content text not null default '',
  parts jsonb constraint chat_messages_parts_array check (jsonb_typeof(parts) = 'array'),
  tokens_in bigint,
  tokens_out bigint,
  tokens_total bigint,
  metadata jsonb not null default '{}'
    constraint chat_messages_metadata_object check (jsonb_typeof(metadata) = 'object'),
  created_at timestamptz not null default clock_timestamp(),
  primary key (organization_id, id),
  constraint chat_messages_session_key unique (organization_id, session_id, id),
  constraint chat_messages_session_fkey foreign key (organization_id, session_id)
    references public.chat_sessions (organization_id, id) on delete cascade,
  constraint chat_messages_user_fkey foreign key (organization_id, user_id)
    references client_mgmt.client_users (organization_id, user_id) on delete cascade,
  constraint chat_messages_author_fkey foreign key (organization_id, author_id)
    references client_mgmt.client_users (organization_id, user_id) on delete set null (author_id),
  constraint chat_messages_parent_fkey foreign key (organization_id, session_id, parent_id)
    references public.chat_messages (organization_id, session_id, id) on delete cascade
);
comment on table public.chat_messages is
  'Messages of a conversation, a tree by parent_id. Written by invocations and answer_session() only.';
comment on column public.chat_messages.user_id is 'The session''s user, for messages of both roles.';
comment on column public.chat_messages.depth is
  'The number of messages of its branch up to it. A trigger sets it.';
comment on column public.chat_messages.author_id is
  'The member who wrote an answer in place of the model. Null: the session''s user wrote the message, or a '
  'model, or the account of the member is deleted.';
comment on column public.chat_messages.metadata is
  'Of an answer of a model: execution_id, status, partial. Of an answer of a person: author { type: person, '
  'name }. The name is what the session''s user may see; it goes with the account of the author.';
comment on column public.chat_messages.content is 'The text of all text parts.';
comment on column public.chat_messages.parts is 'Typed parts; null: one text part that equals content.';
create index chat_messages_session_created_idx
  on public.chat_messages (organization_id, session_id, created_at);
create index chat_messages_parent_idx on public.chat_messages (organization_id, session_id, parent_id)
  where parent_id is not null;
create index chat_messages_user_id_idx on public.chat_messages (organization_id, user_id);
create index chat_messages_author_id_idx on public.chat_messages (organization_id, author_id)
  where author_id is not null;
create index chat_messages_created_at_idx on public.chat_messages (organization_id, created_at);

alter table public.chat_messages enable row level security;
alter table public.chat_messages force row level security;
create policy select_reader on public.chat_messages for select to authenticated
  using (
    organization_id = (select private.current_tenant_id())
    and (
      user_id = (select private.current_user_id())
      or (select private.has_permission('content.read_all'))
      or exists (
        select 1 from public.chat_sessions s
        where s.organization_id = chat_messages.organization_id
          and s.id = chat_messages.session_id
          -- An index has these; of guests' sessions the policy of chat_sessions shows those one may answer.
          and (s.visibility = 'organization' or s.of_guest)
      )
    )
  );
comment on policy select_reader on public.chat_messages is 'The readers of the session.';
revoke all on public.chat_messages from anon, authenticated, service_role;
grant select on public.chat_messages to authenticated;
grant select, insert, update, delete on public.chat_messages to service_role;
-- No insert, update or delete for clients: agents/invoke and answer_session() write messages, and the
-- deletion of a session deletes them.

create function private.forget_author() returns trigger
language plpgsql volatile security invoker set search_path = ''
as $$
begin
  new.metadata := new.metadata #- '{author,name}';
  return new;
end
$$;
comment on function private.forget_author() is
  'Trigger: the name of an author leaves an answer with the author''s account. The answer stays.';
revoke all on function private.forget_author() from public, anon, authenticated, service_role;
create trigger chat_messages_forget_author before update of author_id on public.chat_messages
  for each row when (old.author_id is not null and new.author_id is null)
  execute function private.forget_author();

-- A session counts the messages of its branch with one read of the last one, however long it is.
create function private.set_message_depth() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: reads the parent past the caller's policies.
begin
  new.depth := 1 + coalesce((
    select m.depth from public.chat_messages m
    where m.organization_id = new.organization_id and m.id = new.parent_id
  ), 0);
  return new;
end
$$;
comment on function private.set_message_depth() is
  'Trigger: sets depth to one more than that of the parent.';
revoke all on function private.set_message_depth() from public, anon, authenticated, service_role;
create trigger chat_messages_depth before insert or update of parent_id, depth on public.chat_messages
  for each row execute function private.set_message_depth();

-- A trigger and not a foreign key: a second relationship between the two tables would make every
-- `chat_sessions(*, chat_messages(*))` of a client ambiguous. It checks the API roles. Our own functions set
-- the column to a message that they write in the same transaction, also before they write it.
create function private.check_current_message() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: reads past the caller's policies. Another session's message and an absent message give one
-- error.
begin
  if not exists (
    select 1 from public.chat_messages m
    where m.organization_id = new.organization_id and m.session_id = new.id and m.id = new.current_message_id
  ) then
    raise exception using errcode = '23503', message = 'message_not_found',
      detail = 'No message of the session has this id. Check the id.';
  end if;
  return new;
end
$$;
comment on function private.check_current_message() is
  'Trigger: requires that current_message_id is a message of the session.';
revoke all on function private.check_current_message() from public, anon, authenticated, service_role;
create trigger chat_sessions_check_current_message
  before insert or update of current_message_id on public.chat_sessions
  for each row when (
    new.current_message_id is not null and current_user in ('authenticated', 'service_role')
  )
  execute function private.check_current_message();

-- ── hand_back_notes ───────────────────────────────────────────────────────────────────────────

-- A table and no column of the session: the session's user reads every column there.
create table conversation.hand_back_notes (
  organization_id bigint not null,
  session_id uuid not null,
  author_id uuid,
  note text not null constraint hand_back_notes_length check (char_length(note) between 1 and 4000),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (organization_id, session_id),
  constraint hand_back_notes_session_fkey foreign key (organization_id, session_id)
    references public.chat_sessions (organization_id, id) on delete cascade,
  constraint hand_back_notes_author_fkey foreign key (organization_id, author_id)
    references client_mgmt.client_users (organization_id, user_id) on delete set null (author_id)
);
comment on table conversation.hand_back_notes is
  'What a person told the model when the person handed a session back: a system prompt of each later '
  'execution of the session. Written by hand_back_session() only.';
comment on column conversation.hand_back_notes.author_id is
  'The member who wrote the note; null when the account is deleted.';
create index hand_back_notes_author_id_idx on conversation.hand_back_notes (organization_id, author_id);
alter table conversation.hand_back_notes enable row level security;
alter table conversation.hand_back_notes force row level security;
create policy select_answerer on conversation.hand_back_notes for select to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and (select private.has_permission('sessions.answer'))
    and exists (
      select 1 from public.chat_sessions s
      where s.organization_id = hand_back_notes.organization_id and s.id = hand_back_notes.session_id
        and (s.visibility = 'organization' or s.of_guest)
    )
  );
comment on policy select_answerer on conversation.hand_back_notes is
  'With sessions.answer, of the sessions in which the member may answer.';
revoke all on conversation.hand_back_notes from anon, authenticated, service_role;
grant select on conversation.hand_back_notes to authenticated, service_role;
-- No insert, update or delete: hand_back_session().
create trigger hand_back_notes_updated_at before update on conversation.hand_back_notes
  for each row execute function private.update_updated_at_column();

-- ── v_recent_sessions ─────────────────────────────────────────────────────────────────────────

-- Two levels: the inner one has the order, which an index gives; the outer one reads the last message, after
-- the order and the limit of the client's query.
create view public.v_recent_sessions with (security_invoker = true) as
select s.organization_id, s.id, s.user_id, s.agent_id, s.model_id, s.project_id, s.title, s.status,
  s.context, s.visibility, s.of_guest, s.current_message_id, s.last_message_at, s.created_at, s.updated_at,
  coalesce((
    select m.depth from public.chat_messages m
    where m.organization_id = s.organization_id and m.id = s.current_message_id
  ), 0)::bigint as message_count
from (
  select c.organization_id, c.id, c.user_id, c.agent_id, c.model_id, c.project_id, c.title, c.status,
    c.context, c.visibility, c.of_guest, c.current_message_id, c.last_message_at, c.created_at, c.updated_at
  from public.chat_sessions c
  where c.status <> 'closed'
  order by c.last_message_at desc, c.id desc
) s;
comment on view public.v_recent_sessions is
  'The open sessions that the caller may read, the latest first, each with the number of messages of the '
  'branch that it shows.';
revoke all on public.v_recent_sessions from anon, authenticated, service_role;
grant select on public.v_recent_sessions to authenticated, service_role;
create trigger chat_sessions_require_permission before insert or update or delete on public.chat_sessions
  for each statement execute function private.require_permission('agents.invoke', 'guest');
