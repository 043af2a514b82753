-- Imports: conversations and transcripts become blocks of turns.
-- Special: an import shows content to every member of the organization. So a person imports a conversation of
-- their own or a shared one. A member who reads the private conversations of others by content.read_all does
-- not import them. The imports of one organization follow one another, so none makes a persona twice.

-- ── turn_sources ──────────────────────────────────────────────────────────────────────────────

create table conversation.turn_sources (
  organization_id bigint not null default private.current_organization_id(),
  turn_id bigint not null,
  block_id bigint not null,
  session_id uuid not null,
  message_id uuid not null,
  created_at timestamptz not null default now(),
  primary key (organization_id, turn_id),
  constraint turn_sources_message_key unique (organization_id, block_id, message_id),
  constraint turn_sources_turn_fkey foreign key (organization_id, turn_id)
    references conversation.turns (organization_id, id) on delete cascade,
  constraint turn_sources_block_fkey foreign key (organization_id, block_id)
    references conversation.blocks (organization_id, id) on delete cascade
);
comment on table conversation.turn_sources is
  'The message from which import_chat_session() made a turn. No foreign key to the message: its id stays '
  'after the deletion of the conversation, so that the copies of a conversation are found.';
comment on column conversation.turn_sources.block_id is
  'The block that this import fills. A session has one such block per project.';
create index turn_sources_session_id_idx on conversation.turn_sources (organization_id, session_id);

alter table conversation.turn_sources enable row level security;
alter table conversation.turn_sources force row level security;
create policy select_member on conversation.turn_sources for select to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and block_id <> all ((select private.hidden_blocks())::bigint[])
  );
comment on policy select_member on conversation.turn_sources is 'Every member, as the block.';
revoke all on conversation.turn_sources from anon, authenticated, service_role;
grant select on conversation.turn_sources to authenticated, service_role;
-- No insert, update or delete: import_chat_session() writes it, and a deleted turn or block deletes it.

-- ── Personas ──────────────────────────────────────────────────────────────────────────────────

create function private.persona_of(organization_id bigint, account uuid) returns bigint
language sql stable security definer set search_path = ''
as $$
  -- Definer: called by the imports only.
  select p.id from conversation.participants p
  where p.organization_id = persona_of.organization_id and p.user_id = account and p.type = 'person'
  order by p.id
  limit 1
$$;
comment on function private.persona_of(bigint, uuid) is
  'The oldest persona of a member that is a person; null when the member has none.';

create function private.persona_named(organization_id bigint, name text, type text) returns bigint
language sql stable security definer set search_path = ''
as $$
  -- Definer: called by the imports only.
  select p.id from conversation.participants p
  where p.organization_id = persona_named.organization_id and p.name = persona_named.name
    and (persona_named.type is null or p.type = persona_named.type)
  order by p.id
  limit 1
$$;
comment on function private.persona_named(bigint, text, text) is
  'The oldest persona of a name and a type (null: any type); null when there is none.';

create function private.add_personas(
  organization_id bigint, accounts uuid[], names text[], types text[]
) returns void
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: called by the imports only, which check their caller and hold the lock of imports.
#variable_conflict use_column
begin
  insert into conversation.participants (organization_id, user_id, name)
  select m.organization_id, m.user_id, left(
    -- Never an address, as private.author_of(): the name of a persona outlives the account.
    coalesce(
      case when u.display_name !~ '@' then nullif(btrim(u.display_name), '') end,
      case m.role when 'guest' then 'Guest' else 'Member' end
    ), 200)
  from client_mgmt.client_users m
  join public.users u on u.id = m.user_id
  where m.organization_id = add_personas.organization_id and m.user_id = any (accounts)
    and private.persona_of(m.organization_id, m.user_id) is null
  order by m.user_id;
  insert into conversation.participants (organization_id, name, type)
  select add_personas.organization_id, w.name, coalesce(w.type, 'person')
  from (select distinct on (n.name, n.type) n.name, n.type from unnest(names, types) n(name, type)) w
  where private.persona_named(add_personas.organization_id, w.name, w.type) is null
    -- One persona serves a name with its default type and the same name without a type.
    and not (w.type is null and exists (select 1 from unnest(names, types) o(name, type)
      where o.name = w.name and o.type is not null))
  order by w.name, w.type;
end
$$;
comment on function private.add_personas(bigint, uuid[], text[], text[]) is
  'Makes the personas that an organization lacks: of members, and of names with a type (null: any type).';

-- ── Conversations ─────────────────────────────────────────────────────────────────────────────

create type public.imported_session as (block_id bigint, turns integer, added integer);
comment on type public.imported_session is
  'Answer of import_chat_session(): the block, the turns that it has, and how many of them are new.';

create function private.session_branch(organization_id bigint, message_id uuid)
returns table (id uuid, place integer, role text, content text, said_by uuid, said_at timestamptz)
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: called by import_chat_session() only. Finds each message by its primary key, as
-- conversation_history() does.
#variable_conflict use_column
begin
  return query
  with recursive branch as (
    select m.id, m.parent_id, m.role, m.content, m.user_id, m.author_id, m.created_at, 1 as height
    from public.chat_messages m
    where m.organization_id = session_branch.organization_id and m.id = session_branch.message_id
    union all
    select m.id, m.parent_id, m.role, m.content, m.user_id, m.author_id, m.created_at, b.height + 1
    from branch b
    join public.chat_messages m
      on m.organization_id = session_branch.organization_id and m.id = b.parent_id
  )
  select b.id, (row_number() over (order by b.height desc))::integer, b.role, b.content,
    case when b.role = 'user' then b.user_id else b.author_id end, b.created_at
  from branch b
  where b.role in ('user', 'assistant') and b.content <> '';
end
$$;
comment on function private.session_branch(bigint, uuid) is
  'What people and agents said on the branch that ends with a message, in order. said_by is the member who '
  'wrote it; null for an agent.';

create function private.persona_of_end_user(organization_id bigint, end_user text) returns bigint
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: called by import_chat_session() only, which checks its caller and holds the lock of imports. Every
-- member reads the name, so it is no text with an @ in it, which may be an address.
#variable_conflict use_column
declare
  called constant text := case when end_user ~ '@' or btrim(end_user) = '' then 'Customer'
    else left(btrim(end_user), 200) end;
  persona bigint;
begin
  -- A member may have a persona of the same name, which is the member's.
  select p.id into persona from conversation.participants p
  where p.organization_id = persona_of_end_user.organization_id and p.name = called and p.type = 'person'
    and p.user_id is null
  order by p.id
  limit 1;
  if persona is null then
    insert into conversation.participants (organization_id, name)
    values (persona_of_end_user.organization_id, called)
    returning id into persona;
  end if;
  return persona;
end
$$;
comment on function private.persona_of_end_user(bigint, text) is
  'The persona of the customer for whom a server asked, made where there is none: of no member, with the '
  'name that the server gave; Customer for what may be an address.';

create function private.import_chat_session(session_id uuid, project_id bigint) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: reads a conversation and writes personas, turns and their sources at once. Names the organization
-- in each statement, and imports only what its caller may show to all members.
#variable_conflict use_column
declare
  organization constant bigint := private.require_organization('projects.manage');
  chat public.chat_sessions;
  agent text;
  customer bigint;
  block bigint;
  long_message uuid;
  messages uuid[];
  contents text[];
  times timestamptz[];
  personas bigint[];
  made_turns bigint[];
  turns integer;
begin
  if import_chat_session.project_id is null then
    raise exception using errcode = '22023', message = 'invalid_request', detail = 'project_id: is missing.';
  end if;
  -- Imports of an organization wait for each other, so that none makes a persona twice.
  perform pg_advisory_xact_lock(hashtextextended('imports of ' || organization, 0));
  perform private.require_project(organization, import_chat_session.project_id);
  select s.* into chat from public.chat_sessions s
  where s.organization_id = organization and s.id = import_chat_session.session_id
    and (s.user_id = private.current_user_id() or s.visibility = 'organization');
  if not found then
    raise exception using errcode = 'PT404', message = 'session_not_found',
      detail = 'The caller has no chat session with this id, and no shared one. Check the id.';
  end if;
  select m.id into long_message from private.session_branch(organization, chat.current_message_id) m
  where octet_length(m.content) > 1048576 order by m.place limit 1;
  if found then
    raise exception using errcode = '22023', message = 'invalid_request',
      detail = format('Message %s is longer than 1048576 bytes, which a turn may have.', long_message);
  end if;

  select s.block_id into block
  from conversation.turn_sources s
  join conversation.blocks b on b.organization_id = s.organization_id and b.id = s.block_id
  where s.organization_id = organization and s.session_id = chat.id
    and b.project_id = import_chat_session.project_id and b.id <> all (private.hidden_blocks())
  limit 1;
  if not found then
    insert into conversation.blocks (organization_id, project_id, name)
    values (organization, import_chat_session.project_id, coalesce(nullif(left(btrim(chat.title), 200), ''),
      'Conversation'))
    returning id into block;
  end if;

  select a.name into agent from public.agents a where a.id = chat.agent_id;
  agent := coalesce(agent, 'Agent');
  -- The server's member said nothing here: the words are those of the customer.
  customer := case when chat.end_user is not null
    then private.persona_of_end_user(organization, chat.end_user) end;
  perform private.add_personas(
    organization,
    coalesce(array_agg(distinct b.said_by) filter (
      where b.said_by is not null and (b.role <> 'user' or customer is null)), '{}'),
    case when bool_or(b.said_by is null) then array[agent] else '{}' end,
    case when bool_or(b.said_by is null) then array['agent'] else '{}' end
  )
  from private.session_branch(organization, chat.current_message_id) b;

  -- Arrays and no join of what was inserted with what was read: the planner expects few rows of both, and
  -- would compare each with each.
  select array_agg(b.id order by b.place), array_agg(b.content order by b.place),
    array_agg(b.said_at order by b.place), array_agg(
      case when b.role = 'user' and customer is not null then customer
        when b.said_by is null then private.persona_named(organization, agent, 'agent')
        else private.persona_of(organization, b.said_by) end
      order by b.place
    )
  into messages, contents, times, personas
  from private.session_branch(organization, chat.current_message_id) b
  where not exists (
    select 1 from conversation.turn_sources s
    where s.organization_id = organization and s.block_id = block and s.message_id = b.id
  );
  with made as (
    insert into conversation.turns (organization_id, participant_id, content, "timestamp")
    select organization, n.persona, n.content, n.said_at
    from unnest(personas, contents, times) with ordinality n(persona, content, said_at, place)
    order by n.place
    returning id
  )
  select array_agg(m.id order by m.id) into made_turns from made m;
  insert into conversation.turn_sources (organization_id, turn_id, block_id, session_id, message_id)
  select organization, n.turn, block, chat.id, n.message from unnest(made_turns, messages) n(turn, message);

  -- The block has the branch that the conversation shows. A turn of another branch leaves the block, and
  -- comes back with its branch.
  delete from conversation.block_turns t
  using conversation.turn_sources s
  where t.organization_id = organization and t.block_id = block
    and s.organization_id = organization and s.turn_id = t.turn_id and s.block_id = block
    and s.message_id not in (
      select b.id from private.session_branch(organization, chat.current_message_id) b
    );
  insert into conversation.block_turns (organization_id, block_id, turn_id, sequence_order)
  select organization, block, s.turn_id, row_number() over (order by b.place) + coalesce((
    select max(t.sequence_order) from conversation.block_turns t
    where t.organization_id = organization and t.block_id = block
  ), 0)
  from private.session_branch(organization, chat.current_message_id) b
  join conversation.turn_sources s
    on s.organization_id = organization and s.block_id = block and s.message_id = b.id
  where not exists (
    select 1 from conversation.block_turns t
    where t.organization_id = organization and t.block_id = block and t.turn_id = s.turn_id
  );
  select count(*) into turns from conversation.block_turns t
  where t.organization_id = organization and t.block_id = block;
  perform private.write_audit_event(organization, 'conversation.import', 'block', block::text,
    jsonb_build_object('project_id', import_chat_session.project_id, 'session_id', chat.id, 'added',
      coalesce(cardinality(made_turns), 0)));
  return jsonb_build_object('block_id', block, 'turns', turns, 'added',
    coalesce(cardinality(made_turns), 0));
end
$$;
comment on function private.import_chat_session(uuid, bigint) is 'Body of public.import_chat_session().';

create function public.import_chat_session(session_id uuid, project_id bigint) returns public.imported_session
language sql volatile security invoker set search_path = ''
as $$
  select i.* from private.import_chat_session(session_id, project_id) r
  cross join jsonb_populate_record(null::public.imported_session, r) i
$$;
comment on function public.import_chat_session(uuid, bigint) is
  'Makes a block of the branch that a conversation shows: a turn for each message with a text. A later call '
  'adds only new messages. Needs projects.manage, and a conversation that is the caller''s own or shared. '
  'PT404 session_not_found, project_not_found.';
revoke all on function
  private.persona_of(bigint, uuid), private.persona_named(bigint, text, text),
  private.add_personas(bigint, uuid[], text[], text[]), private.session_branch(bigint, uuid),
  private.persona_of_end_user(bigint, text),
  private.import_chat_session(uuid, bigint), public.import_chat_session(uuid, bigint)
  from public, anon, authenticated, service_role;
grant execute on function
  private.import_chat_session(uuid, bigint), public.import_chat_session(uuid, bigint)
  to authenticated;
