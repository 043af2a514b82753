-- Content and its analysis: participants, blocks of turns, lenses and their results.
-- Special: lens_prototypes may belong to the platform. Embeddings are real[], so the schema is the same
-- with and without pgvector.

-- ── participants ────────────────────────────────────────────────────────────────────────────────

create table conversation.participants (
  organization_id bigint not null default private.current_organization_id()
    references public.organizations (id) on delete cascade,
  id bigint generated always as identity,
  user_id uuid,
  name text not null constraint participants_name_length check (char_length(name) between 1 and 200),
  type text not null default 'person'
    constraint participants_type check (type in ('person', 'agent', 'organization', 'other')),
  patterns_metadata jsonb not null default '{}'
    constraint participants_patterns_metadata_object check (jsonb_typeof(patterns_metadata) = 'object')
    constraint participants_patterns_metadata_length check (octet_length(patterns_metadata::text) <= 65536),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (organization_id, id),
  constraint participants_user_fkey foreign key (organization_id, user_id)
    references client_mgmt.client_users (organization_id, user_id) on delete set null (user_id)
);
comment on table conversation.participants is 'Personas in analysed content.';
comment on column conversation.participants.patterns_metadata is
  'The organization''s own notes, which participant_users shows too. Nothing else reads them.';
comment on column conversation.participants.user_id is
  'The member behind the persona; null when there is none.';
create index participants_user_id_idx on conversation.participants (organization_id, user_id);
create index participants_name_idx on conversation.participants (organization_id, name);

alter table conversation.participants enable row level security;
alter table conversation.participants force row level security;
create policy select_member on conversation.participants for select to authenticated
  using (organization_id = (select private.current_organization_id()));
comment on policy select_member on conversation.participants is 'Every member.';
create policy insert_manager_or_self on conversation.participants for insert to authenticated
  with check (
    organization_id = (select private.current_organization_id())
    and (
      (select private.has_permission('projects.manage'))
      or (
        user_id = (select private.current_user_id()) and (select private.has_permission('agents.invoke'))
      )
    )
  );
comment on policy insert_manager_or_self on conversation.participants is
  'With projects.manage; one''s own personas with agents.invoke.';
create policy update_manager_or_self on conversation.participants for update to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and (
      (select private.has_permission('projects.manage'))
      or (
        user_id = (select private.current_user_id()) and (select private.has_permission('agents.invoke'))
      )
    )
  )
  with check (
    organization_id = (select private.current_organization_id())
    and (
      (select private.has_permission('projects.manage'))
      or (
        user_id = (select private.current_user_id()) and (select private.has_permission('agents.invoke'))
      )
    )
  );
comment on policy update_manager_or_self on conversation.participants is 'As for insert.';
create policy delete_manager on conversation.participants for delete to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and (select private.has_permission('projects.manage'))
  );
comment on policy delete_manager on conversation.participants is
  'With projects.manage, because the turns of a persona are the organization''s.';
revoke all on conversation.participants from anon, authenticated, service_role;
grant select, delete on conversation.participants to authenticated;
grant insert (user_id, name, type, patterns_metadata),
  update (user_id, name, type, patterns_metadata) on conversation.participants
  to authenticated;
grant select, insert, update, delete on conversation.participants to service_role;
create trigger participants_keep_columns before update of user_id on conversation.participants
  for each row when (current_user = 'authenticated' and new.user_id is distinct from old.user_id)
  execute function private.refuse_kept_columns('user_id');
create trigger participants_updated_at before update on conversation.participants
  for each row execute function private.update_updated_at_column();
create function private.bound_own_personas() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: locks the memberships, so that statements at once count one after the other. Members make personas
-- of their own; without a bound per member one member could use up the organization's.
begin
  perform 1 from client_mgmt.client_users m
  where exists (
    select 1 from after_rows a where a.organization_id = m.organization_id and a.user_id = m.user_id
  )
  order by m.organization_id, m.user_id for no key update;
  if exists (
    select 1
    from (select distinct a.organization_id, a.user_id from after_rows a) a
    join conversation.participants p on p.organization_id = a.organization_id and p.user_id = a.user_id
    group by a.organization_id, a.user_id
    having count(*) > 20
  ) then
    perform private.refuse_quota(
      'A member may have 20 personas.', 'conversation.participants', 'member', 'rows', 20
    );
  end if;
  return null;
end
$$;
comment on function private.bound_own_personas() is
  'Trigger: refuses with PT409 quota_exceeded what gives a member more than 20 personas.';
revoke all on function private.bound_own_personas() from public, anon, authenticated, service_role;
-- Its name places it before the audit, as that of mcp_tool_policies_at_most_insert does.
create trigger participants_at_most_insert after insert on conversation.participants
  referencing new table as after_rows
  for each statement execute function private.bound_own_personas();
create trigger participants_audit_insert after insert on conversation.participants
  referencing new table as after_rows
  for each statement execute function private.audit_change('participant', 'id');
create trigger participants_audit_update after update on conversation.participants
  referencing old table as before_rows new table as after_rows
  for each statement execute function private.audit_change('participant', 'id');
create trigger participants_audit_delete after delete on conversation.participants
  referencing old table as before_rows
  for each statement execute function private.audit_change('participant', 'id');

-- ── blocks ──────────────────────────────────────────────────────────────────────────────────────

create table conversation.blocks (
  organization_id bigint not null default private.current_organization_id()
    references public.organizations (id) on delete cascade,
  id bigint generated always as identity,
  project_id bigint not null,
  name text not null constraint blocks_name_length check (char_length(name) between 1 and 200),
  type text not null default 'conversation' constraint blocks_type_length check (char_length(type) <= 200),
  metadata jsonb not null default '{}'
    constraint blocks_metadata_object check (jsonb_typeof(metadata) = 'object')
    constraint blocks_metadata_length check (octet_length(metadata::text) <= 65536),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (organization_id, id),
  visibility text not null default 'organization'
    constraint blocks_visibility check (visibility in ('organization', 'chosen')),
  constraint blocks_project_fkey foreign key (organization_id, project_id)
    references client_mgmt.projects (organization_id, id)
);
comment on table conversation.blocks is 'A part of a project''s content.';
comment on column conversation.blocks.visibility is
  'organization: every member reads the block. chosen: the members of block_readers, and content.read_all.';
create index blocks_project_id_idx on conversation.blocks (organization_id, project_id);
create index blocks_chosen_idx on conversation.blocks (organization_id, id) where visibility = 'chosen';

create table conversation.block_readers (
  organization_id bigint not null default private.current_organization_id(),
  block_id bigint not null,
  user_id uuid not null,
  created_at timestamptz not null default now(),
  primary key (organization_id, block_id, user_id),
  constraint block_readers_block_fkey foreign key (organization_id, block_id)
    references conversation.blocks (organization_id, id) on delete cascade,
  constraint block_readers_user_fkey foreign key (organization_id, user_id)
    references client_mgmt.client_users (organization_id, user_id) on delete cascade
);
comment on table conversation.block_readers is 'The members who read a block of visibility chosen.';
create index block_readers_user_id_idx on conversation.block_readers (organization_id, user_id, block_id);

create function private.hidden_blocks() returns bigint[]
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: the policies of blocks call it, and it reads blocks past them. It names the caller's organization.
declare
  organization constant bigint := private.current_organization_id();
begin
  if private.has_permission('content.read_all') then
    return array[]::bigint[];
  end if;
  return array(
    select b.id from conversation.blocks b
    where b.organization_id = organization and b.visibility = 'chosen' and not exists (
      select 1 from conversation.block_readers r
      where r.organization_id = b.organization_id and r.block_id = b.id
        and r.user_id = private.current_user_id()
    )
  );
end
$$;
comment on function private.hidden_blocks() is
  'The blocks of the caller''s organization that the caller may not read. Policies call it once a statement.';

alter table conversation.blocks enable row level security;
alter table conversation.blocks force row level security;
create policy select_member on conversation.blocks for select to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and id <> all ((select private.hidden_blocks())::bigint[])
  );
comment on policy select_member on conversation.blocks is
  'Every member, and of a chosen block its readers.';
create policy insert_manager on conversation.blocks for insert to authenticated
  with check (
    organization_id = (select private.current_organization_id())
    and (select private.has_permission('projects.manage'))
    and id <> all ((select private.hidden_blocks())::bigint[])
  );
comment on policy insert_manager on conversation.blocks is 'With projects.manage.';
create policy update_manager on conversation.blocks for update to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and (select private.has_permission('projects.manage'))
    and id <> all ((select private.hidden_blocks())::bigint[])
  )
  with check (
    organization_id = (select private.current_organization_id())
    and (select private.has_permission('projects.manage'))
    and id <> all ((select private.hidden_blocks())::bigint[])
  );
comment on policy update_manager on conversation.blocks is 'With projects.manage.';
create policy delete_manager on conversation.blocks for delete to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and (select private.has_permission('projects.manage'))
    and id <> all ((select private.hidden_blocks())::bigint[])
  );
comment on policy delete_manager on conversation.blocks is 'With projects.manage.';
revoke all on conversation.blocks from anon, authenticated, service_role;
grant select, delete on conversation.blocks to authenticated;
grant insert (project_id, name, type, metadata), update (project_id, name, type, metadata)
  on conversation.blocks to authenticated;
grant select, insert, update, delete on conversation.blocks to service_role;
create trigger blocks_keep_columns before update of project_id on conversation.blocks
  for each row when (current_user = 'authenticated' and new.project_id is distinct from old.project_id)
  execute function private.refuse_kept_columns('project_id');
create trigger blocks_updated_at before update on conversation.blocks
  for each row execute function private.update_updated_at_column();

alter table conversation.block_readers enable row level security;
alter table conversation.block_readers force row level security;
create policy select_member on conversation.block_readers for select to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and block_id <> all ((select private.hidden_blocks())::bigint[])
  );
comment on policy select_member on conversation.block_readers is 'As the block.';
revoke all on conversation.block_readers from anon, authenticated, service_role;
grant select on conversation.block_readers to authenticated, service_role;
-- No insert, update or delete: set_block_readers() writes.

-- ── turns ───────────────────────────────────────────────────────────────────────────────────────

create table conversation.turns (
  organization_id bigint not null default private.current_organization_id()
    references public.organizations (id) on delete cascade,
  id bigint generated always as identity,
  participant_id bigint not null,
  content text not null constraint turns_content_length check (octet_length(content) <= 1048576),
  "timestamp" timestamptz not null default now(),
  metadata jsonb not null default '{}'
    constraint turns_metadata_object check (jsonb_typeof(metadata) = 'object')
    constraint turns_metadata_length check (octet_length(metadata::text) <= 65536),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (organization_id, id),
  is_restricted boolean not null default false,
  constraint turns_participant_fkey foreign key (organization_id, participant_id)
    references conversation.participants (organization_id, id)
);
comment on table conversation.turns is 'What one participant said.';
comment on column conversation.turns.is_restricted is
  'True: a block of visibility chosen has or had the turn, so only readers of a block with it read the turn. '
  'Triggers and set_block_readers() keep it.';
create index turns_participant_id_idx on conversation.turns (organization_id, participant_id, "timestamp");

create function private.may_read_turn(organization_id bigint, turn_id bigint) returns boolean
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: the policies of turns call it. It answers for the caller's organization only.
#variable_conflict use_column
declare
  organization constant bigint := private.current_organization_id();
begin
  return coalesce(organization = may_read_turn.organization_id, false) and (
    private.has_permission('content.read_all') or exists (
      select 1
      from conversation.block_turns k
      join conversation.blocks b on b.organization_id = k.organization_id and b.id = k.block_id
      where k.organization_id = organization and k.turn_id = may_read_turn.turn_id
        and (b.visibility = 'organization' or exists (
          select 1 from conversation.block_readers r
          where r.organization_id = organization and r.block_id = b.id
            and r.user_id = private.current_user_id()
        ))
    )
  );
end
$$;
comment on function private.may_read_turn(bigint, bigint) is
  'Whether the caller reads a block that has this turn now, or holds content.read_all.';

alter table conversation.turns enable row level security;
alter table conversation.turns force row level security;
create policy select_member on conversation.turns for select to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and (not is_restricted or private.may_read_turn(organization_id, id))
  );
comment on policy select_member on conversation.turns is
  'Every member, and of chosen blocks their readers.';
create policy insert_manager on conversation.turns for insert to authenticated
  with check (
    organization_id = (select private.current_organization_id())
    and (select private.has_permission('projects.manage'))
  );
comment on policy insert_manager on conversation.turns is 'With projects.manage.';
create policy update_manager on conversation.turns for update to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and (select private.has_permission('projects.manage'))
    and (not is_restricted or private.may_read_turn(organization_id, id))
  )
  with check (
    organization_id = (select private.current_organization_id())
    and (select private.has_permission('projects.manage'))
    and (not is_restricted or private.may_read_turn(organization_id, id))
  );
comment on policy update_manager on conversation.turns is 'With projects.manage.';
create policy delete_manager on conversation.turns for delete to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and (select private.has_permission('projects.manage'))
    and (not is_restricted or private.may_read_turn(organization_id, id))
  );
comment on policy delete_manager on conversation.turns is 'With projects.manage.';
revoke all on conversation.turns from anon, authenticated, service_role;
grant select, delete on conversation.turns to authenticated;
grant insert (participant_id, content, "timestamp", metadata),
  update (participant_id, content, "timestamp", metadata) on conversation.turns
  to authenticated;
grant select, insert, update, delete on conversation.turns to service_role;
create trigger turns_keep_columns before update of participant_id on conversation.turns
  for each row when (
    current_user = 'authenticated'
    and new.participant_id is distinct from old.participant_id
  )
  execute function private.refuse_kept_columns('participant_id');
create trigger turns_updated_at before update on conversation.turns
  for each row execute function private.update_updated_at_column();

-- ── block_turns ─────────────────────────────────────────────────────────────────────────────────

create table conversation.block_turns (
  organization_id bigint not null default private.current_organization_id(),
  block_id bigint not null,
  turn_id bigint not null,
  sequence_order integer not null
    constraint block_turns_sequence_order check (sequence_order >= 1),
  created_at timestamptz not null default now(),
  primary key (organization_id, block_id, turn_id),
  -- Deferrable, so that one statement may swap two turns: the key holds at its end.
  constraint block_turns_order_key unique (organization_id, block_id, sequence_order)
    deferrable initially immediate,
  constraint block_turns_block_fkey foreign key (organization_id, block_id)
    references conversation.blocks (organization_id, id) on delete cascade,
  constraint block_turns_turn_fkey foreign key (organization_id, turn_id)
    references conversation.turns (organization_id, id) on delete cascade
);
comment on table conversation.block_turns is 'The turns of a block, in order.';
comment on column conversation.block_turns.sequence_order is
  'The place of the turn in its block: 1, 2, 3 … without a gap at the end of each statement.';
create index block_turns_turn_id_idx on conversation.block_turns (organization_id, turn_id);

alter table conversation.block_turns enable row level security;
alter table conversation.block_turns force row level security;
create policy select_member on conversation.block_turns for select to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and block_id <> all ((select private.hidden_blocks())::bigint[])
  );
comment on policy select_member on conversation.block_turns is
  'Every member, and of a chosen block its readers.';
create policy insert_manager on conversation.block_turns for insert to authenticated
  with check (
    organization_id = (select private.current_organization_id())
    and (select private.has_permission('projects.manage'))
    and block_id <> all ((select private.hidden_blocks())::bigint[])
  );
comment on policy insert_manager on conversation.block_turns is 'With projects.manage.';
create policy update_manager on conversation.block_turns for update to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and (select private.has_permission('projects.manage'))
    and block_id <> all ((select private.hidden_blocks())::bigint[])
  )
  with check (
    organization_id = (select private.current_organization_id())
    and (select private.has_permission('projects.manage'))
    and block_id <> all ((select private.hidden_blocks())::bigint[])
  );
comment on policy update_manager on conversation.block_turns is 'With projects.manage.';
create policy delete_manager on conversation.block_turns for delete to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and (select private.has_permission('projects.manage'))
    and block_id <> all ((select private.hidden_blocks())::bigint[])
  );
comment on policy delete_manager on conversation.block_turns is 'With projects.manage.';
revoke all on conversation.block_turns from anon, authenticated, service_role;
grant select, delete on conversation.block_turns to authenticated;
grant insert (block_id, turn_id, sequence_order), update (block_id, turn_id, sequence_order)
  on conversation.block_turns to authenticated;
grant select, insert, update, delete on conversation.block_turns to service_role;
create trigger block_turns_keep_columns before update of block_id, turn_id on conversation.block_turns
  for each row when (
    current_user = 'authenticated'
    and (new.block_id, new.turn_id) is distinct from (old.block_id, old.turn_id)
  )
  execute function private.refuse_kept_columns('block_id', 'turn_id');

create function private.check_block_order() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: locks the blocks and counts past the caller's policies. Statements that change one block follow
-- one another, and the lock comes before the count.
declare
  broken record;
begin
  perform 1
  from (select distinct r.organization_id, r.block_id from changed_rows r) c
  join conversation.blocks b on b.organization_id = c.organization_id and b.id = c.block_id
  order by b.organization_id, b.id
  for no key update of b;
  if tg_op = 'DELETE' then
    update conversation.block_turns t set sequence_order = n.place
    from (
      select k.organization_id, k.block_id, k.turn_id,
        row_number() over (partition by k.organization_id, k.block_id order by k.sequence_order) as place
      from (select distinct r.organization_id, r.block_id from changed_rows r) c
      join conversation.block_turns k using (organization_id, block_id)
    ) n
    where t.organization_id = n.organization_id and t.block_id = n.block_id and t.turn_id = n.turn_id
      and t.sequence_order <> n.place;
    return null;
  end if;
  select t.block_id, count(*) as turns, max(t.sequence_order) as last into broken
  from (select distinct r.organization_id, r.block_id from changed_rows r) c
  join conversation.block_turns t using (organization_id, block_id)
  group by t.organization_id, t.block_id
  having count(*) <> max(t.sequence_order)
  order by 1
  limit 1;
  if found then
    raise exception using errcode = '22023', message = 'invalid_order',
      detail = format('Block %s has %s turns, and a turn at place %s: places are 1, 2, 3 … without a gap.',
        broken.block_id, broken.turns, broken.last);
  end if;
  return null;
end
$$;
comment on function private.check_block_order() is
  'Trigger: refuses a statement that leaves a gap in the order of a block (22023 invalid_order), and closes '
  'the gap that a deletion leaves.';
create trigger block_turns_order_insert after insert on conversation.block_turns
  referencing new table as changed_rows
  for each statement execute function private.check_block_order();
create trigger block_turns_order_update after update on conversation.block_turns
  referencing new table as changed_rows
  for each statement execute function private.check_block_order();
create trigger block_turns_order_delete after delete on conversation.block_turns
  referencing old table as changed_rows
  for each statement execute function private.check_block_order();

create function private.restrict_turns() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no client may write is_restricted.
begin
  update conversation.turns t set is_restricted = true
  from changed_rows k
  join conversation.blocks b on b.organization_id = k.organization_id and b.id = k.block_id
    and b.visibility = 'chosen'
  where t.organization_id = k.organization_id and t.id = k.turn_id and not t.is_restricted;
  return null;
end
$$;
comment on function private.restrict_turns() is
  'Trigger: a turn that enters a chosen block is for its readers, also after it has left the block.';
create trigger block_turns_restrict_insert after insert on conversation.block_turns
  referencing new table as changed_rows
  for each statement execute function private.restrict_turns();

create function private.set_block_readers(block_id bigint, user_ids uuid[]) returns integer
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no client may write readers or the visibility. Names the caller's organization in each statement.
#variable_conflict use_column
declare
  organization constant bigint := private.require_organization('projects.manage');
  wanted uuid[];
begin
  perform 1 from conversation.blocks b
  where b.organization_id = organization and b.id = set_block_readers.block_id
    and b.id <> all (private.hidden_blocks())
  for no key update;
  if not found then
    raise exception using errcode = 'PT404', message = 'block_not_found',
      detail = 'The caller sees no block with this id. Check the id.';
  end if;
  -- The caller stays a reader, so that a block always has one.
  select array_agg(distinct w.id) into wanted
  from unnest(set_block_readers.user_ids || private.current_user_id()) w(id)
  where set_block_readers.user_ids is not null;
  if cardinality(wanted) > 1000 then
    raise exception using errcode = '22023', message = 'invalid_request',
      detail = 'user_ids: must be a list of 1000 members at most, or null.';
  end if;
  perform 1 from unnest(wanted) w(id)
  where w.id is null or not exists (
    select 1 from client_mgmt.client_users m
    where m.organization_id = organization and m.user_id = w.id and m.ended_at is null and m.role <> 'guest'
  )
  limit 1;
  if found then
    raise exception using errcode = 'PT404', message = 'member_not_found',
      detail = 'user_ids: names a person who is no member of the organization.';
  end if;
  delete from conversation.block_readers r
  where r.organization_id = organization and r.block_id = set_block_readers.block_id
    and (wanted is null or r.user_id <> all (wanted));
  insert into conversation.block_readers (organization_id, block_id, user_id)
  select organization, set_block_readers.block_id, w.id from unnest(wanted) w(id)
  on conflict do nothing;
  update conversation.blocks b
  set visibility = case when wanted is null then 'organization' else 'chosen' end
  where b.organization_id = organization and b.id = set_block_readers.block_id;
  update conversation.turns t set is_restricted = wanted is not null
  from conversation.block_turns k
  where k.organization_id = organization and k.block_id = set_block_readers.block_id
    and t.organization_id = organization and t.id = k.turn_id
    and t.is_restricted <> (wanted is not null)
    and (wanted is not null or not exists (
      select 1 from conversation.block_turns o
      join conversation.blocks c on c.organization_id = o.organization_id and c.id = o.block_id
      where o.organization_id = organization and o.turn_id = t.id and c.visibility = 'chosen'
    ));
  perform private.write_audit_event(organization, 'block.readers', 'block',
    set_block_readers.block_id::text, jsonb_build_object('readers', to_jsonb(wanted)));
  return coalesce(cardinality(wanted), 0);
end
$$;
comment on function private.set_block_readers(bigint, uuid[]) is 'Body of public.set_block_readers().';

create function public.set_block_readers(block_id bigint, user_ids uuid[] default null) returns integer
language sql volatile security invoker set search_path = ''
as $$ select private.set_block_readers(block_id, user_ids) $$;
comment on function public.set_block_readers(bigint, uuid[]) is
  'Shows a block, its turns and its results to these members, the caller among them, or to all for null, and '
  'returns how many were chosen. Needs projects.manage. PT404 block_not_found, member_not_found.';
revoke all on function
  private.hidden_blocks(), private.may_read_turn(bigint, bigint), private.restrict_turns(),
  private.set_block_readers(bigint, uuid[]), public.set_block_readers(bigint, uuid[])
  from public, anon, authenticated, service_role;
grant execute on function
  private.hidden_blocks(), private.may_read_turn(bigint, bigint)
  to authenticated, service_role;
grant execute on function
  private.set_block_readers(bigint, uuid[]), public.set_block_readers(bigint, uuid[])
  to authenticated;

create function private.set_block_turns(block_id bigint, turn_ids bigint[]) returns integer
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: one call sets the whole order. Names the caller's organization in each statement, and checks the
-- permission that the policies ask for.
#variable_conflict use_column
declare
  organization constant bigint := private.require_organization('projects.manage');
  wanted constant bigint[] := set_block_turns.turn_ids;
  problem text;
begin
  if wanted is null or cardinality(wanted) > 100000 then
    raise exception using errcode = '22023', message = 'invalid_request',
      detail = 'turn_ids: must be a list of 100000 turns at most.';
  end if;
  perform 1 from conversation.blocks b
  where b.organization_id = organization and b.id = set_block_turns.block_id
    and b.id <> all (private.hidden_blocks())
  for no key update;
  if not found then
    raise exception using errcode = 'PT404', message = 'block_not_found',
      detail = 'The organization has no block with this id. Check the id.';
  end if;
  select case
    when w.id is null then 'turn_ids: must not have a null.'
    when count(*) > 1 then format('turn_ids: names %s twice.', w.id)
    else format('turn_ids: no turn of the organization has the id %s.', w.id) end
  into problem
  from unnest(wanted) w(id)
  left join conversation.turns t on t.organization_id = organization and t.id = w.id
    and (not t.is_restricted or private.may_read_turn(organization, t.id))
  group by w.id
  having count(*) > 1 or count(t.id) = 0
  order by w.id
  limit 1;
  if found then
    raise exception using errcode = '22023', message = 'invalid_request', detail = problem;
  end if;
  delete from conversation.block_turns t
  where t.organization_id = organization and t.block_id = set_block_turns.block_id
    and t.turn_id <> all (wanted);
  insert into conversation.block_turns as t (organization_id, block_id, turn_id, sequence_order)
  select organization, set_block_turns.block_id, w.id, w.place
  from unnest(wanted) with ordinality w(id, place)
  on conflict on constraint block_turns_pkey do update set sequence_order = excluded.sequence_order
    where t.sequence_order <> excluded.sequence_order;
  return cardinality(wanted);
end
$$;
comment on function private.set_block_turns(bigint, bigint[]) is 'Body of public.set_block_turns().';

create function public.set_block_turns(block_id bigint, turn_ids bigint[]) returns integer
language sql volatile security invoker set search_path = ''
as $$ select private.set_block_turns(block_id, turn_ids) $$;
comment on function public.set_block_turns(bigint, bigint[]) is
  'Gives a block exactly these turns in this order, 1 to n, and returns n. Needs projects.manage. PT404 '
  'block_not_found; 22023 invalid_request for a turn that is absent or named twice.';
revoke all on function
  private.check_block_order(), private.set_block_turns(bigint, bigint[]),
  public.set_block_turns(bigint, bigint[])
  from public, anon, authenticated, service_role;
grant execute on function
  private.set_block_turns(bigint, bigint[]), public.set_block_turns(bigint, bigint[])
  to authenticated;

-- ── lens_runs ───────────────────────────────────────────────────────────────────────────────────

create table conversation.lens_runs (
  organization_id bigint not null default private.current_organization_id()
    references public.organizations (id) on delete cascade,
  id bigint generated always as identity,
  user_id uuid,
  lens_id bigint not null references conversation.lens_prototypes (id) on delete cascade,
  version integer not null,
  project_id bigint not null,
  agent text,
  model text,
  status text not null default 'running'
    constraint lens_runs_status check (status in ('running', 'done', 'cancelled')),
  part_bytes integer not null,
  calls integer not null,
  input_tokens bigint not null,
  max_output_tokens bigint not null,
  max_cost_usd numeric(18, 9),
  created_at timestamptz not null default now(),
  completed_at timestamptz,
  primary key (organization_id, id),
  constraint lens_runs_user_fkey foreign key (organization_id, user_id)
    references client_mgmt.client_users (organization_id, user_id) on delete set null (user_id),
  constraint lens_runs_project_fkey foreign key (organization_id, project_id)
    references client_mgmt.projects (organization_id, id) on delete cascade
);
comment on table conversation.lens_runs is
  'Runs of a lens over blocks of a project, with what each was expected to take. begin_lens_run() keeps the '
  'last 1,000 of an organization.';
comment on column conversation.lens_runs.agent is
  'The agent and model that the run or the lens names; null: what a request without a name gets.';
comment on column conversation.lens_runs.part_bytes is
  'Bytes of content that one call reads. A longer block is read in parts.';
comment on column conversation.lens_runs.max_cost_usd is
  'US dollars that the calls cost at most; null when a price is unknown.';
create index lens_runs_user_id_idx on conversation.lens_runs (organization_id, user_id);
create index lens_runs_project_id_idx on conversation.lens_runs (organization_id, project_id);
create index lens_runs_lens_id_idx on conversation.lens_runs (lens_id);
create trigger lens_runs_check_references before insert or update of organization_id, lens_id
  on conversation.lens_runs for each row execute function private.check_shared_references();

alter table conversation.lens_runs enable row level security;
alter table conversation.lens_runs force row level security;
create policy select_member on conversation.lens_runs for select to authenticated
  using (organization_id = (select private.current_organization_id()));
comment on policy select_member on conversation.lens_runs is 'Every member.';
revoke all on conversation.lens_runs from anon, authenticated, service_role;
grant select on conversation.lens_runs to authenticated, service_role;
-- No insert, update or delete: begin_lens_run(), finish_lens_block() and cancel_lens_run() write.

create table conversation.lens_run_blocks (
  organization_id bigint not null,
  run_id bigint not null,
  block_id bigint not null,
  status text not null default 'pending'
    constraint lens_run_blocks_status
    check (status in ('pending', 'running', 'done', 'failed', 'cancelled')),
  attempts integer not null default 0,
  input_hash text,
  lease_expires_at timestamptz,
  calls integer not null,
  primary key (organization_id, run_id, block_id),
  constraint lens_run_blocks_run_fkey foreign key (organization_id, run_id)
    references conversation.lens_runs (organization_id, id) on delete cascade,
  constraint lens_run_blocks_block_fkey foreign key (organization_id, block_id)
    references conversation.blocks (organization_id, id) on delete cascade
);
comment on table conversation.lens_run_blocks is 'The blocks of a run, and how far each is.';
comment on column conversation.lens_run_blocks.calls is
  'Calls of a model: one for each part, and one that joins several parts.';
create index lens_run_blocks_block_id_idx on conversation.lens_run_blocks (organization_id, block_id);

alter table conversation.lens_run_blocks enable row level security;
alter table conversation.lens_run_blocks force row level security;
create policy select_member on conversation.lens_run_blocks for select to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and block_id <> all ((select private.hidden_blocks())::bigint[])
  );
comment on policy select_member on conversation.lens_run_blocks is
  'Every member, and of a chosen block its readers.';
revoke all on conversation.lens_run_blocks from anon, authenticated, service_role;
grant select on conversation.lens_run_blocks to authenticated, service_role;
-- No insert, update or delete: as lens_runs.

-- ── block_lens_version ──────────────────────────────────────────────────────────────────────────

create table conversation.block_lens_version (
  organization_id bigint not null default private.current_organization_id(),
  id bigint generated always as identity,
  run_id bigint not null,
  block_id bigint not null,
  lens_id bigint not null references conversation.lens_prototypes (id),
  version integer not null,
  agent text,
  model text,
  answered_by text,
  result jsonb constraint block_lens_version_result_length check (octet_length(result::text) <= 1048576),
  error_code text,
  input_hash text not null,
  execution_ids uuid[] not null,
  input_tokens bigint,
  output_tokens bigint,
  cost_usd numeric(18, 9),
  embedding real[] constraint block_lens_version_embedding_length check (cardinality(embedding) <= 16000),
  created_at timestamptz not null default now(),
  primary key (organization_id, id),
  constraint block_lens_version_result_or_error check (num_nonnulls(result, error_code) = 1),
  constraint block_lens_version_block_fkey foreign key (organization_id, block_id)
    references conversation.blocks (organization_id, id) on delete cascade
);
comment on table conversation.block_lens_version is
  'Results of lenses on blocks. Each run adds a row to a block; the newest of a version and a model counts.';
comment on column conversation.block_lens_version.run_id is
  'The run that made it. No foreign key: a result stays longer than its run.';
comment on column conversation.block_lens_version.version is 'The version of the lens.';
comment on column conversation.block_lens_version.agent is
  'The agent and model that were asked for; null: what a request without a name gets.';
comment on column conversation.block_lens_version.answered_by is 'The name of the model that answered last.';
comment on column conversation.block_lens_version.error_code is
  'Why there is no result; null with a result. A failed answer has its cost too.';
comment on column conversation.block_lens_version.input_hash is
  'SHA-256, in hexadecimal, of the content that the model read.';
comment on column conversation.block_lens_version.execution_ids is
  'The calls of the model. cost_usd is the sum of their costs in usage_ledger; null when one is unknown.';
create index block_lens_version_block_id_idx
  on conversation.block_lens_version (organization_id, block_id, lens_id, version, id);
create index block_lens_version_lens_id_idx on conversation.block_lens_version (lens_id);
create trigger block_lens_version_check_references before insert or update of organization_id, lens_id
  on conversation.block_lens_version for each row execute function private.check_shared_references();

alter table conversation.block_lens_version enable row level security;
alter table conversation.block_lens_version force row level security;
create policy select_member on conversation.block_lens_version for select to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and block_id <> all ((select private.hidden_blocks())::bigint[])
  );
comment on policy select_member on conversation.block_lens_version is
  'Every member, and of a chosen block its readers.';
create policy delete_manager on conversation.block_lens_version for delete to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and (select private.has_permission('projects.manage'))
    and block_id <> all ((select private.hidden_blocks())::bigint[])
  );
comment on policy delete_manager on conversation.block_lens_version is 'With projects.manage.';
revoke all on conversation.block_lens_version from anon, authenticated, service_role;
grant select, delete on conversation.block_lens_version to authenticated;
-- No insert or update: finish_lens_block() writes what a model answered.
grant select, insert, update, delete on conversation.block_lens_version to service_role;

-- ── Views ─────────────────────────────────────────────────────────────────────────────────────

create function private.member_addresses() returns table (user_id uuid, email text)
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: gives what organization_members() gives the caller, also to a view that service_role reads.
begin
  return query select m.user_id, m.email from private.organization_members() m;
end
$$;
comment on function private.member_addresses() is
  'The e-mail addresses that the caller may know of members of the active organization.';
revoke all on function private.member_addresses() from public, anon, authenticated, service_role;
grant execute on function private.member_addresses() to authenticated, service_role;

create view conversation.participant_users with (security_invoker = true) as
select p.organization_id, p.id, p.user_id, p.name, p.type, p.patterns_metadata, p.created_at, p.updated_at,
  a.email, u.metadata as auth_info, array[o.name] as client_names, m.role
from conversation.participants p
join client_mgmt.client_users m on m.organization_id = p.organization_id and m.user_id = p.user_id
join public.organizations o on o.id = p.organization_id
-- What members may know of each other; the rest of an account is its own person's.
left join private.member_addresses() a on a.user_id = p.user_id
left join public.users u on u.id = p.user_id
where m.ended_at is null;
comment on view conversation.participant_users is
  'Participants who are members, with their e-mail address and role. client_names has the active '
  'organization: others of the person are no matter of the reader. auth_info is null but for the reader.';

create view conversation.project_blocks with (security_invoker = true) as
select b.organization_id, b.id, b.project_id, b.name, b.type, b.metadata, b.created_at, b.updated_at,
  b.visibility,
  p.name as project_name, o.name as client_name,
  (
    select count(*) from conversation.block_turns t
    where t.organization_id = b.organization_id and t.block_id = b.id
  ) as turn_count
from conversation.blocks b
join client_mgmt.projects p on p.organization_id = b.organization_id and p.id = b.project_id
join public.organizations o on o.id = b.organization_id;
comment on view conversation.project_blocks is
  'Blocks with the names of their project and organization and their number of turns.';

revoke all on conversation.participant_users, conversation.project_blocks
  from anon, authenticated, service_role;
grant select on conversation.participant_users, conversation.project_blocks to authenticated, service_role;
create trigger participants_require_permission before insert or update or delete on conversation.participants
  for each statement execute function private.require_permission('projects.manage', 'agents.invoke');
create trigger blocks_require_permission before insert or update or delete on conversation.blocks
  for each statement execute function private.require_permission('projects.manage');
create trigger turns_require_permission before insert or update or delete on conversation.turns
  for each statement execute function private.require_permission('projects.manage');
create trigger block_turns_require_permission before insert or update or delete on conversation.block_turns
  for each statement execute function private.require_permission('projects.manage');
create trigger block_lens_version_require_permission
  before insert or update or delete on conversation.block_lens_version
  for each statement execute function private.require_permission('projects.manage');
