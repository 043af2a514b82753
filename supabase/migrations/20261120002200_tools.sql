-- Tools: the tools that agents may call on MCP servers, their policies and their accepted definitions.
-- Special: a server's text is not trusted. Its first listing is accepted with the server. A later
-- difference waits until a member who may manage the configuration has read it.

-- ── client_mgmt.mcp_tool_policies ─────────────────────────────────────────────────────────────

create table client_mgmt.mcp_tool_policies (
  organization_id bigint not null default private.current_organization_id()
    references public.organizations (id) on delete cascade,
  id bigint generated always as identity,
  mcp_configuration_id bigint not null,
  tool_name text
    constraint mcp_tool_policies_tool_name_length check (char_length(tool_name) between 1 and 256),
  policy text not null constraint mcp_tool_policies_policy check (policy in ('auto', 'ask', 'off')),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (organization_id, id),
  constraint mcp_tool_policies_key unique nulls not distinct (
    organization_id, mcp_configuration_id, tool_name
  ),
  constraint mcp_tool_policies_configuration_fkey foreign key (organization_id, mcp_configuration_id)
    references public.mcp_configurations (organization_id, id) on delete cascade
);
comment on table client_mgmt.mcp_tool_policies is
  'Whether agents may call the tools of an MCP server. Without a row: ask.';
comment on column client_mgmt.mcp_tool_policies.tool_name is
  'The tool whose policy overrides the server''s; null for the server''s policy.';
comment on column client_mgmt.mcp_tool_policies.policy is
  'auto: at once; ask: after the person approved the call and its arguments; off: never, and the model '
  'does not see the tool.';

alter table client_mgmt.mcp_tool_policies enable row level security;
alter table client_mgmt.mcp_tool_policies force row level security;
create policy select_member on client_mgmt.mcp_tool_policies for select to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and exists (
      select 1 from public.mcp_configurations c
      where c.organization_id = mcp_tool_policies.organization_id
        and c.id = mcp_tool_policies.mcp_configuration_id
    )
  );
comment on policy select_member on client_mgmt.mcp_tool_policies is 'The readers of the configuration.';
create policy insert_manager_or_self on client_mgmt.mcp_tool_policies for insert to authenticated
  with check (
    organization_id = (select private.current_organization_id())
    and exists (
      select 1 from public.mcp_configurations c
      where c.organization_id = mcp_tool_policies.organization_id
        and c.id = mcp_tool_policies.mcp_configuration_id
        and (
          (c.user_id is null and (select private.has_permission('mcp.manage')))
          or (
            c.user_id = (select private.current_user_id())
            and (select private.has_permission('agents.invoke'))
          )
        )
    )
  );
comment on policy insert_manager_or_self on client_mgmt.mcp_tool_policies is
  'Members who may change the configuration.';
create policy update_manager_or_self on client_mgmt.mcp_tool_policies for update to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and exists (
      select 1 from public.mcp_configurations c
      where c.organization_id = mcp_tool_policies.organization_id
        and c.id = mcp_tool_policies.mcp_configuration_id
        and (
          (c.user_id is null and (select private.has_permission('mcp.manage')))
          or (
            c.user_id = (select private.current_user_id())
            and (select private.has_permission('agents.invoke'))
          )
        )
    )
  )
  with check (
    organization_id = (select private.current_organization_id())
    and exists (
      select 1 from public.mcp_configurations c
      where c.organization_id = mcp_tool_policies.organization_id
        and c.id = mcp_tool_policies.mcp_configuration_id
        and (
          (c.user_id is null and (select private.has_permission('mcp.manage')))
          or (
            c.user_id = (select private.current_user_id())
            and (select private.has_permission('agents.invoke'))
          )
        )
    )
  );
comment on policy update_manager_or_self on client_mgmt.mcp_tool_policies is
  'Members who may change the configuration.';
create policy delete_manager_or_self on client_mgmt.mcp_tool_policies for delete to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and exists (
      select 1 from public.mcp_configurations c
      where c.organization_id = mcp_tool_policies.organization_id
        and c.id = mcp_tool_policies.mcp_configuration_id
        and (
          (c.user_id is null and (select private.has_permission('mcp.manage')))
          or (
            c.user_id = (select private.current_user_id())
            and (select private.has_permission('agents.invoke'))
          )
        )
    )
  );
comment on policy delete_manager_or_self on client_mgmt.mcp_tool_policies is
    'Members who may change the configuration; then the policy is ask.';
revoke all on client_mgmt.mcp_tool_policies from anon, authenticated, service_role;
grant select, delete on client_mgmt.mcp_tool_policies to authenticated;
grant insert (mcp_configuration_id, tool_name, policy), update (mcp_configuration_id, tool_name, policy)
  on client_mgmt.mcp_tool_policies to authenticated;
grant select on client_mgmt.mcp_tool_policies to service_role;
create trigger mcp_tool_policies_keep_columns
  before update of mcp_configuration_id, tool_name on client_mgmt.mcp_tool_policies
  for each row when (
    current_user = 'authenticated'
    and (new.mcp_configuration_id, new.tool_name) is distinct from (old.mcp_configuration_id, old.tool_name)
  )
  execute function private.refuse_kept_columns('mcp_configuration_id', 'tool_name');
create trigger mcp_tool_policies_updated_at before update on client_mgmt.mcp_tool_policies
  for each row execute function private.update_updated_at_column();
create function private.bound_tool_policies() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: locks the configurations, so that statements at once count one after the other. A member sets
-- policies for the tools of their own servers; without a bound per server one member could use up the
-- organization's.
begin
  perform 1 from public.mcp_configurations c
  where exists (
    select 1 from after_rows a where a.organization_id = c.organization_id and a.mcp_configuration_id = c.id
  )
  order by c.organization_id, c.id for no key update;
  if exists (
    select 1
    from (select distinct a.organization_id, a.mcp_configuration_id from after_rows a) a
    join client_mgmt.mcp_tool_policies p
      on p.organization_id = a.organization_id and p.mcp_configuration_id = a.mcp_configuration_id
    group by a.organization_id, a.mcp_configuration_id
    having count(*) > 513
  ) then
    perform private.refuse_quota(
      'An MCP server may have 513 policies: one for each of 512 tools, and its own.',
      'client_mgmt.mcp_tool_policies', 'configuration', 'rows', 513
    );
  end if;
  return null;
end
$$;
comment on function private.bound_tool_policies() is
  'Trigger: refuses with PT409 quota_exceeded what gives an MCP server more than 513 policies.';
revoke all on function private.bound_tool_policies() from public, anon, authenticated, service_role;
-- Triggers fire in the order of their names. This one takes configurations, and the audit's takes the head
-- of the log, which comes after them.
create trigger mcp_tool_policies_at_most_insert after insert on client_mgmt.mcp_tool_policies
  referencing new table as after_rows
  for each statement execute function private.bound_tool_policies();
create trigger mcp_tool_policies_require_permission
  before insert or update or delete on client_mgmt.mcp_tool_policies
  for each statement execute function private.require_permission('agents.invoke', 'mcp.manage');

create function private.audit_mcp_tool_policy() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: writes the chain for every role that makes the change. Of a personal server the log shows only
-- that a policy changed, because readers of the log may not see its tools.
declare
  befores jsonb[];
  afters jsonb[];
  event record;
begin
  if tg_op = 'INSERT' then
    select array_agg(to_jsonb(a)) into afters from after_rows a;
  elsif tg_op = 'DELETE' then
    select array_agg(to_jsonb(b)) into befores from before_rows b;
  else
    select array_agg(to_jsonb(b)), array_agg(to_jsonb(a)) into befores, afters
    from before_rows b
    full join after_rows a on a.organization_id = b.organization_id and a.id = b.id;
  end if;
  for event in
    select (c.subject ->> 'organization_id')::bigint as organization_id,
      (c.subject ->> 'mcp_configuration_id')::bigint as server,
      array_agg(c.subject ->> 'id' order by c.n) as ids,
      (array_agg(jsonb_strip_nulls(jsonb_build_object(
        'tool_name', c.subject ->> 'tool_name',
        'before', c.before ->> 'policy',
        'after', c.after ->> 'policy'
      )) order by c.n))[1] as change
    from (
      select u.n, u.before, u.after, coalesce(u.after, u.before) as subject
      from unnest(befores, afters) with ordinality u(before, after, n)
    ) c
    group by 1, 2
    order by 1, 2
  loop
    perform private.write_audit_event(
      event.organization_id, 'mcp_tool_policy.' || lower(tg_op), 'mcp_tool_policy',
      case when cardinality(event.ids) = 1 then event.ids[1] end,
      jsonb_build_object('mcp_configuration_id', event.server) || case
        when cardinality(event.ids) > 1 then private.fold_changes(event.ids, '{}')
        when exists (
          select 1 from public.mcp_configurations c
          where c.organization_id = event.organization_id and c.id = event.server and c.user_id is null
        ) then event.change
        else '{}' end
    );
  end loop;
  return null;
end
$$;
comment on function private.audit_mcp_tool_policy() is
  'Trigger: records the policies that one statement changed, as one event per configuration.';
create trigger mcp_tool_policies_audit_insert after insert on client_mgmt.mcp_tool_policies
  referencing new table as after_rows
  for each statement execute function private.audit_mcp_tool_policy();
create trigger mcp_tool_policies_audit_update after update on client_mgmt.mcp_tool_policies
  referencing old table as before_rows new table as after_rows
  for each statement execute function private.audit_mcp_tool_policy();
create trigger mcp_tool_policies_audit_delete after delete on client_mgmt.mcp_tool_policies
  referencing old table as before_rows
  for each statement execute function private.audit_mcp_tool_policy();

create function private.mcp_tool_policy(
  organization_id bigint,
  mcp_configuration_id bigint,
  tool_name text
) returns text
language sql stable security definer set search_path = ''
as $$
  -- Definer: called by definer functions that have checked their caller.
  select coalesce((
    select p.policy from client_mgmt.mcp_tool_policies p
    where p.organization_id = mcp_tool_policy.organization_id
      and p.mcp_configuration_id = mcp_tool_policy.mcp_configuration_id
      and (p.tool_name is null or p.tool_name = mcp_tool_policy.tool_name)
    order by p.tool_name nulls last limit 1
  ), 'ask')
$$;
comment on function private.mcp_tool_policy(bigint, bigint, text) is
  'The tool''s policy, else the server''s, else ask.';

-- ── client_mgmt.mcp_tools ─────────────────────────────────────────────────────────────────────

create table client_mgmt.mcp_tools (
  organization_id bigint not null references public.organizations (id) on delete cascade,
  id bigint generated always as identity,
  mcp_configuration_id bigint not null,
  name text not null constraint mcp_tools_name_length check (char_length(name) between 1 and 256),
  status text not null default 'quarantined'
    constraint mcp_tools_status check (status in ('pinned', 'quarantined')),
  definition jsonb constraint mcp_tools_definition_size check (octet_length(definition::text) <= 65536),
  definition_hash text,
  proposed_definition jsonb
    constraint mcp_tools_proposed_definition_size check (octet_length(proposed_definition::text) <= 65536),
  proposed_hash text,
  changed_at timestamptz,
  approved_by uuid,
  approved_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (organization_id, id),
  constraint mcp_tools_key unique (organization_id, mcp_configuration_id, name),
  constraint mcp_tools_configuration_fkey foreign key (organization_id, mcp_configuration_id)
    references public.mcp_configurations (organization_id, id) on delete cascade
);
comment on table client_mgmt.mcp_tools is
  'The accepted tools of MCP servers. A row stays when a server stops listing the tool, so that the tool '
  'cannot return with an unseen change.';
comment on column client_mgmt.mcp_tools.status is
  'pinned: the server lists the accepted definition; quarantined: it lists another one, and no agent sees '
  'or calls the tool.';
comment on column client_mgmt.mcp_tools.definition is
  'The accepted definition: name, title, description, input_schema, output_schema. Null: never accepted. '
  'The server''s annotations are not stored, because nothing relies on them.';
comment on column client_mgmt.mcp_tools.definition_hash is 'SHA-256 of definition, in hexadecimal.';
comment on column client_mgmt.mcp_tools.proposed_definition is
  'The server''s new definition; approve_mcp_tool() accepts it.';
comment on column client_mgmt.mcp_tools.proposed_hash is 'SHA-256 of proposed_definition, in hexadecimal.';
comment on column client_mgmt.mcp_tools.changed_at is 'The time when the server''s definition changed.';
comment on column client_mgmt.mcp_tools.approved_by is
  'The member who accepted a change; null for a tool of the first listing. No foreign key: stays after the '
  'membership.';
create index mcp_tools_status_idx on client_mgmt.mcp_tools (organization_id, status);
alter table client_mgmt.mcp_tools enable row level security;
alter table client_mgmt.mcp_tools force row level security;
create policy select_member on client_mgmt.mcp_tools for select to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and exists (
      select 1 from public.mcp_configurations c
      where c.organization_id = mcp_tools.organization_id and c.id = mcp_tools.mcp_configuration_id
    )
  );
comment on policy select_member on client_mgmt.mcp_tools is 'The readers of the configuration.';
revoke all on client_mgmt.mcp_tools from anon, authenticated, service_role;
grant select on client_mgmt.mcp_tools to authenticated, service_role;
-- No insert, update or delete: record_mcp_tools(), approve_mcp_tool().
create trigger mcp_tools_updated_at before update on client_mgmt.mcp_tools
  for each row execute function private.update_updated_at_column();

-- ── client_mgmt.mcp_tool_listings ─────────────────────────────────────────────────────────────

create table client_mgmt.mcp_tool_listings (
  organization_id bigint not null,
  mcp_configuration_id bigint not null,
  user_id uuid not null,
  tools jsonb not null constraint mcp_tool_listings_tools_array check (jsonb_typeof(tools) = 'array'),
  expires_at timestamptz not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (organization_id, mcp_configuration_id, user_id),
  constraint mcp_tool_listings_user_fkey foreign key (organization_id, user_id)
    references client_mgmt.client_users (organization_id, user_id) on delete cascade,
  constraint mcp_tool_listings_configuration_fkey foreign key (organization_id, mcp_configuration_id)
    references public.mcp_configurations (organization_id, id) on delete cascade
);
comment on table client_mgmt.mcp_tool_listings is
  'A server''s last listing for a person. Servers answer by account, so a listing is never shared. Kept as '
  'long as the server allows.';
comment on column client_mgmt.mcp_tool_listings.tools is
  '[{ name, definition_hash }], in the server''s order.';
create index mcp_tool_listings_user_id_idx on client_mgmt.mcp_tool_listings (organization_id, user_id);
alter table client_mgmt.mcp_tool_listings enable row level security;
alter table client_mgmt.mcp_tool_listings force row level security;
revoke all on client_mgmt.mcp_tool_listings from anon, authenticated, service_role;
-- No grant and no policy: deny everyone.
create trigger mcp_tool_listings_updated_at before update on client_mgmt.mcp_tool_listings
  for each row execute function private.update_updated_at_column();

create function private.forget_changed_server_tools() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: listings deny everyone. Another endpoint is another server: the acceptance of the old one does
-- not apply to it. Another account may see other tools, so a changed kind of authorization needs a new
-- listing.
begin
  delete from client_mgmt.mcp_tool_listings l
  where l.organization_id = old.organization_id and l.mcp_configuration_id = old.id;
  if (new.type, new.endpoint) is distinct from (old.type, old.endpoint) then
    delete from client_mgmt.mcp_tools t
    where t.organization_id = old.organization_id and t.mcp_configuration_id = old.id;
    -- The policies were chosen for the tools of the old server; the policy becomes ask again.
    delete from client_mgmt.mcp_tool_policies p
    where p.organization_id = old.organization_id and p.mcp_configuration_id = old.id;
  end if;
  return null;
end
$$;
comment on function private.forget_changed_server_tools() is
  'Trigger: a changed endpoint or type deletes the old server''s tools and policies.';
create trigger mcp_configurations_forget_tools
  after update of type, endpoint, auth_type on public.mcp_configurations
  for each row
    when ((new.type, new.endpoint, new.auth_type) is distinct from (old.type, old.endpoint, old.auth_type))
  execute function private.forget_changed_server_tools();

-- ── Listing ───────────────────────────────────────────────────────────────────────────────────

create function private.usable_mcp_configuration(
  organization_id bigint,
  user_id uuid,
  mcp_configuration_id bigint
)
returns public.mcp_configurations
language sql stable security definer set search_path = ''
as $$
  -- Definer: called by functions for service_role, for a person whose token may have expired.
  select c
  from public.mcp_configurations c
  join client_mgmt.client_users m
    on m.organization_id = c.organization_id
      and m.user_id = usable_mcp_configuration.user_id
      and m.ended_at is null
  join public.users u on u.id = m.user_id and u.is_active
  join public.organizations o on o.id = c.organization_id and o.is_active
  where c.organization_id = usable_mcp_configuration.organization_id
    and c.id = usable_mcp_configuration.mcp_configuration_id and c.enabled and c.type <> 'stdio'
    and (c.user_id = m.user_id or (c.user_id is null and not exists (
      -- A member's own entry overrides the organization's of the same name.
      select 1 from public.mcp_configurations own
      where own.organization_id = c.organization_id and own.user_id = m.user_id and own.name = c.name
    )))
$$;
comment on function private.usable_mcp_configuration(bigint, uuid, bigint) is
  'A server that the person''s agents use now, as in effective_mcp_configurations; null for another.';

create function private.listed_mcp_tools(
  organization_id bigint,
  mcp_configuration_id bigint,
  user_id uuid
) returns jsonb
language sql stable security definer set search_path = ''
as $$
  -- Definer: called by definer functions that have checked the owner of the listing.
  select jsonb_build_object(
    'tools', coalesce(jsonb_agg(jsonb_build_object(
      'name', t.name, 'definition', t.definition, 'definition_hash', t.definition_hash, 'policy', p.policy
    ) order by e.n) filter (where t.definition_hash = e.tool ->> 'definition_hash'
      and t.status = 'pinned'
      and p.policy <> 'off'), '[]'),
    'quarantined', coalesce(
      jsonb_agg(t.name order by e.n) filter (where t.status = 'quarantined' and p.policy <> 'off'), '[]'
    )
  )
  from client_mgmt.mcp_tool_listings l
  cross join lateral jsonb_array_elements(l.tools) with ordinality e(tool, n)
  join client_mgmt.mcp_tools t
    on t.organization_id = l.organization_id and t.mcp_configuration_id = l.mcp_configuration_id
    and t.name = e.tool ->> 'name'
  cross join lateral private.mcp_tool_policy(l.organization_id, l.mcp_configuration_id, t.name) p(policy)
  where l.organization_id = listed_mcp_tools.organization_id
    and l.mcp_configuration_id = listed_mcp_tools.mcp_configuration_id
    and l.user_id = listed_mcp_tools.user_id
$$;
comment on function private.listed_mcp_tools(bigint, bigint, uuid) is
  '{ tools: [{ name, definition, definition_hash, policy }], quarantined: [name] } of a person''s '
  'stored listing.';

create function private.execution_tools(organization_id bigint, user_id uuid) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: called by prepare_execution() only. Servers act with the keys of the organization and cannot tell
-- one guest from another: a guest's execution uses none.
#variable_conflict use_column
begin
  if private.is_guest(organization_id, user_id) then
    return '[]'::jsonb;
  end if;
  return (
    select coalesce(jsonb_agg(
      jsonb_build_object(
        'mcp_configuration_id', c.id, 'server', c.name, 'type', c.type, 'endpoint', c.endpoint
      )
        || case when l.user_id is not null
          then private.listed_mcp_tools(c.organization_id, c.id, l.user_id)
          else '{"tools": null, "quarantined": []}' end
      order by c.name
    ), '[]')
    from (
      select distinct on (e.name) e.* from public.mcp_configurations e
      where e.organization_id = execution_tools.organization_id
        and (e.user_id is null or e.user_id = execution_tools.user_id)
      order by e.name, e.user_id nulls last
    ) c
    left join client_mgmt.mcp_tool_listings l
      on l.organization_id = c.organization_id and l.mcp_configuration_id = c.id
      and l.user_id = execution_tools.user_id and l.expires_at > clock_timestamp()
    where c.enabled and (
      private.mcp_tool_policy(c.organization_id, c.id, null) <> 'off'
      or exists (
        select 1 from client_mgmt.mcp_tool_policies p
        where p.organization_id = c.organization_id and p.mcp_configuration_id = c.id and p.policy <> 'off'
      )
    )
  );
end
$$;
comment on function private.execution_tools(bigint, uuid) is
  '[{ mcp_configuration_id, server, type, endpoint, tools, quarantined }]: the servers that a person''s '
  'agents use, none for a guest; tools null: not listed yet.';

create function private.record_mcp_tool(
  server public.mcp_configurations,
  tool jsonb,
  is_first boolean
) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: called by record_mcp_tools() only. Writes nothing for an unchanged definition.
declare
  hash constant text := encode(sha256(convert_to(tool::text, 'UTF8')), 'hex');
  -- By the configuration's own rule, which a member who may change it has set.
  takes_new constant boolean := is_first or server.accept_new_tools;
  held client_mgmt.mcp_tools;
begin
  select t.* into held from client_mgmt.mcp_tools t
  where t.organization_id = server.organization_id
    and t.mcp_configuration_id = server.id
    and t.name = tool ->> 'name';
  if not found then
    -- A server with new names in each listing must not fill the table or the log.
    if (
      select count(*) from client_mgmt.mcp_tools t
      where t.organization_id = server.organization_id and t.mcp_configuration_id = server.id
    ) >= 512 then
      return null;
    end if;
    insert into client_mgmt.mcp_tools (
      organization_id, mcp_configuration_id, name, status, definition, definition_hash,
      proposed_definition, proposed_hash, changed_at
    ) values (
      server.organization_id, server.id, tool ->> 'name', case
        when takes_new then 'pinned'
        else 'quarantined' end,
      case when takes_new then tool end, case when takes_new then hash end,
      case when not takes_new then tool end, case when not takes_new then hash end,
      case when not takes_new then clock_timestamp() end
    ) returning * into held;
  elsif held.definition_hash = hash then
    update client_mgmt.mcp_tools t
    set status = 'pinned', proposed_definition = null, proposed_hash = null, changed_at = null
    where t.organization_id = held.organization_id and t.id = held.id and t.status <> 'pinned';
    return null;
  elsif server.accept_descriptions
    and private.differs_in_descriptions(held.definition, tool)
  then
    update client_mgmt.mcp_tools t
    set status = 'pinned', definition = tool, definition_hash = hash, proposed_definition = null,
      proposed_hash = null, changed_at = null
    where t.organization_id = held.organization_id and t.id = held.id;
  else
    update client_mgmt.mcp_tools t
    set status = 'quarantined', proposed_definition = tool, proposed_hash = hash,
      changed_at = clock_timestamp()
    where t.organization_id = held.organization_id
      and t.id = held.id
      and t.proposed_hash is distinct from hash;
    -- The approval records later changes of a quarantined tool.
    if not found or held.status = 'quarantined' then
      return null;
    end if;
  end if;
  if not is_first or held.definition_hash is distinct from hash then
    return jsonb_build_object(
      'id', held.id, 'name', held.name, 'before', case when held.definition_hash <> hash
        then held.definition_hash end, 'after', hash, 'status', (
        select t.status from client_mgmt.mcp_tools t
        where t.organization_id = held.organization_id and t.id = held.id
      )
    );
  end if;
  return null;
end
$$;
comment on function private.record_mcp_tool(public.mcp_configurations, jsonb, boolean) is
  'Pins a tool of a first listing. Later compares a tool, and quarantines a new or different one, unless the '
  'configuration accepts it (accept_new_tools, accept_descriptions): returns { id, name, before, after, '
  'status } for the log, else null. At most 512 tools of one server are kept.';

create function public.record_mcp_tools(
  organization_id bigint, user_id uuid, mcp_configuration_id bigint, endpoint text, tools jsonb,
  ttl_seconds integer
) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: service_role holds no grant on tools and listings. Executable by service_role only. Reads the
-- person, the configuration and its endpoint again, because they may have changed since.
#variable_conflict use_column
declare
  server public.mcp_configurations;
  is_first boolean;
  event record;
begin
  -- Locks the row, so that only one of two concurrent listings is the first, and the endpoint does not
  -- change meanwhile.
  perform 1 from public.mcp_configurations c
  where c.organization_id = record_mcp_tools.organization_id and c.id = record_mcp_tools.mcp_configuration_id
  for no key update;
  server := private.usable_mcp_configuration(
    record_mcp_tools.organization_id, record_mcp_tools.user_id, record_mcp_tools.mcp_configuration_id);
  if server.id is null or server.endpoint is distinct from record_mcp_tools.endpoint then
    raise exception using errcode = 'PT404', message = 'mcp_configuration_not_found',
      detail = 'No enabled MCP configuration that this person uses has this id and endpoint.';
  end if;
  if (
    jsonb_typeof(tools) = 'array'
    and jsonb_array_length(tools) <= 256
    and ttl_seconds between 0 and 86400
  ) is not true then
    raise exception using errcode = '22023', message = 'invalid_request',
      detail = 'tools is an array of at most 256 definitions, ttl_seconds from 0 to 86400.';
  end if;

  is_first := not exists (
    select 1 from client_mgmt.mcp_tools t
    where t.organization_id = server.organization_id and t.mcp_configuration_id = server.id
  );
  for event in
    select c.change ->> 'status' as status, array_agg(c.change order by c.n) as changes
    from (
      select t.n, private.record_mcp_tool(server, t.tool, is_first) as change
      from jsonb_array_elements(tools) with ordinality t(tool, n)
      order by t.n
      offset 0
    ) c
    where c.change is not null
    group by 1
    order by 1
  loop
    -- A server that changes its definitions again and again makes events for those who list its tools.
    perform private.require_acting_member(server.organization_id, record_mcp_tools.user_id, null);
    perform private.write_audit_event(
      server.organization_id,
      'mcp_tool.' || case event.status when 'pinned' then 'accept' else 'quarantine' end, 'mcp_tool',
      case when cardinality(event.changes) = 1 then event.changes[1] ->> 'id' end,
      jsonb_build_object('mcp_configuration_id', server.id) || case
        when cardinality(event.changes) > 1 then private.fold_changes(
          array(select c ->> 'id' from unnest(event.changes) with ordinality u(c, n) order by u.n), '{}')
        when server.user_id is null then event.changes[1] - array['id', 'status']
        else '{}' end
    );
  end loop;
  perform set_config('colloquy.acting_user', '', true);
  insert into client_mgmt.mcp_tool_listings as l (
    organization_id, mcp_configuration_id, user_id, tools, expires_at
  )
  select server.organization_id, server.id, record_mcp_tools.user_id, coalesce(jsonb_agg(jsonb_build_object(
      'name', t.tool ->> 'name', 'definition_hash', encode(sha256(convert_to(t.tool::text, 'UTF8')), 'hex')
    ) order by t.n), '[]'), clock_timestamp() + ttl_seconds * interval '1 second'
  from jsonb_array_elements(record_mcp_tools.tools) with ordinality t(tool, n)
  on conflict on
    constraint mcp_tool_listings_pkey do update set tools = excluded.tools, expires_at = excluded.expires_at;
  return private.listed_mcp_tools(server.organization_id, server.id, record_mcp_tools.user_id);
end
$$;
comment on function public.record_mcp_tools(bigint, uuid, bigint, text, jsonb, integer) is
  'Stores a server''s listing for a person, pins or quarantines each definition { name, title, '
  'description, input_schema, output_schema }, and returns { tools: [{ name, definition, definition_hash, '
  'policy }], quarantined: [name] } without tools that are off. PT404 when the person no longer uses this '
  'server at this endpoint. Service role only.';

-- ── Changed definitions ───────────────────────────────────────────────────────────────────────

create function private.json_leaves(document jsonb) returns table (path text, value jsonb)
language sql immutable security invoker set search_path = ''
as $$
  with recursive nodes (path, value) as (
    select '$', document
    union all
    select n.path || c.step, c.child
    from nodes n
    cross join lateral (
      -- A key is quoted where it could be read as another path, so that a name cannot hide a change.
      select '.' || case
        when k.key ~ '^[A-Za-z0-9_$-]+$' then k.key
        else to_json(k.key)::text end as step, k.value as child
      from jsonb_each(case when jsonb_typeof(n.value) = 'object' then n.value end) k
      union all
      select '[' || (a.n - 1) || ']', a.value
      from jsonb_array_elements(
        case when jsonb_typeof(n.value) = 'array' then n.value end
      ) with ordinality a(value, n)
    ) c
  )
  select n.path, n.value from nodes n
  where n.value is not null and (jsonb_typeof(n.value) not in ('object', 'array') or n.value in ('{}', '[]'))
$$;
comment on function private.json_leaves(jsonb) is
  'Every scalar and empty container of a document with its path, as $.a.b[0] or $."a b".';

create function private.differs_in_descriptions(before jsonb, after jsonb) returns boolean
language sql immutable security invoker set search_path = ''
as $$
  select before is not null and not exists (
    select 1
    from private.json_leaves(before) b
    full join private.json_leaves(after) a using (path)
    where b.value is distinct from a.value
      and not (
        path ~ '[.](description|title)$'
        -- A field of this name, and a value that a schema holds, are no descriptions.
        and path !~ '[.](properties|patternProperties|[$]defs|definitions|dependentSchemas)[.][a-z]+$'
        and path !~ '[.](default|const|enum|examples)([.]|\[)'
        and coalesce(jsonb_typeof(b.value), 'string') = 'string'
        and coalesce(jsonb_typeof(a.value), 'string') = 'string'
      )
  )
$$;
comment on function private.differs_in_descriptions(jsonb, jsonb) is
  'Whether two definitions of a tool differ in nothing but titles and descriptions.';

create function public.mcp_tool_changes(mcp_configuration_id bigint default null)
returns table (
  id bigint, configuration_id bigint, name text, proposed_hash text, path text, before jsonb, after jsonb
)
language sql stable security invoker set search_path = ''
as $$
  -- Invoker: the policies decide who reads.
  select t.id, t.mcp_configuration_id, t.name, t.proposed_hash, d.path, d.before, d.after
  from client_mgmt.mcp_tools t
  cross join lateral (
    select path, b.value as before, a.value as after
    from private.json_leaves(t.definition) b
    full join private.json_leaves(t.proposed_definition) a using (path)
    where b.value is distinct from a.value
  ) d
  where t.organization_id = (select private.current_organization_id()) and t.status = 'quarantined'
    and (
      mcp_tool_changes.mcp_configuration_id is null
      or t.mcp_configuration_id = mcp_tool_changes.mcp_configuration_id
    )
  order by t.mcp_configuration_id, t.name, d.path
$$;
comment on function public.mcp_tool_changes(bigint) is
    'The differences of quarantined tools, a line per path: before is the accepted value (null: absent), '
  'after is the server''s present value. For readers of the configuration. '
  'approve_mcp_tool(id, proposed_hash) accepts it.';

create function private.approve_mcp_tool(id bigint, proposed_hash text) returns void
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no role holds a grant to update tools. It checks that the caller may change the configuration.
declare
  organization constant bigint := private.require_organization();
  held client_mgmt.mcp_tools;
  owner uuid;
begin
  select t.* into held from client_mgmt.mcp_tools t
  join public.mcp_configurations c on c.organization_id = t.organization_id and c.id = t.mcp_configuration_id
  where t.organization_id = organization and t.id = approve_mcp_tool.id
    and (c.user_id is null or c.user_id = private.current_user_id())
  for update of t;
  if not found then
    raise exception using errcode = 'PT404', message = 'tool_not_found',
      detail = 'No tool that the caller sees has this id.';
  end if;
  select c.user_id into owner from public.mcp_configurations c
  where c.organization_id = organization and c.id = held.mcp_configuration_id;
  perform private.require_organization(case when owner is null then 'mcp.manage' else 'agents.invoke' end);
  -- Accepts exactly the definition that the member read, not a later one.
  if held.status <> 'quarantined' or held.proposed_hash is distinct from approve_mcp_tool.proposed_hash then
    raise exception using errcode = 'PT409', message = 'tool_changed',
      detail = 'The server changed the definition again. Read the difference again.';
  end if;
  update client_mgmt.mcp_tools t set
    status = 'pinned', definition = held.proposed_definition, definition_hash = held.proposed_hash,
    proposed_definition = null, proposed_hash = null, changed_at = null,
    approved_by = private.current_user_id(), approved_at = clock_timestamp()
  where t.organization_id = organization and t.id = held.id;
  perform private.write_audit_event(
    organization, 'mcp_tool.approve', 'mcp_tool', held.id::text,
    jsonb_build_object('mcp_configuration_id', held.mcp_configuration_id)
      || case when owner is null
        then jsonb_build_object(
          'name', held.name, 'before', held.definition_hash, 'after', held.proposed_hash
        )
          else '{}' end
  );
end
$$;
comment on function private.approve_mcp_tool(bigint, text) is 'Body of public.approve_mcp_tool().';

create function public.approve_mcp_tool(id bigint, proposed_hash text) returns void
language sql volatile security invoker set search_path = ''
as $$ select private.approve_mcp_tool(id, proposed_hash) $$;
comment on function public.approve_mcp_tool(bigint, text) is
  'Accepts the changed definition of a tool by the hash from mcp_tool_changes(): of a member''s own '
  'server, or of the organization''s with mcp.manage. PT404 tool_not_found; PT409 tool_changed when the '
  'definition has changed since.';

revoke all on function
  private.audit_mcp_tool_policy(), private.mcp_tool_policy(bigint, bigint, text),
  private.forget_changed_server_tools(),
  private.usable_mcp_configuration(bigint, uuid, bigint), private.listed_mcp_tools(bigint, bigint, uuid),
  private.execution_tools(bigint, uuid), private.record_mcp_tool(public.mcp_configurations, jsonb, boolean),
  private.json_leaves(jsonb), private.differs_in_descriptions(jsonb, jsonb),
  private.approve_mcp_tool(bigint, text),
  public.record_mcp_tools(bigint, uuid, bigint, text, jsonb, integer), public.mcp_tool_changes(bigint),
  public.approve_mcp_tool(bigint, text)
  from public, anon, authenticated, service_role;
grant execute on function
  private.json_leaves(jsonb), private.approve_mcp_tool(bigint, text), public.mcp_tool_changes(bigint),
  public.approve_mcp_tool(bigint, text)
  to authenticated;
grant execute on function public.record_mcp_tools(bigint, uuid, bigint, text, jsonb, integer) to service_role;
