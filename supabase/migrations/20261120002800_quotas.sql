-- Quotas: the bounds of one member or one organization in each table.
-- Special: private.table_bounds names the bound of every table's growth; a table without an entry fails a
-- test. One trigger function counts inserted and changed rows in one counter row. That row stays locked
-- until the transaction ends, so the bound is exact. A deletion appends to private.quota_returns, which are
-- added up when a bound is reached, so a deletion waits for no counter.

create table private.table_bounds (
  table_name text primary key,
  scope text constraint table_bounds_scope check (scope in ('member', 'organization')),
  max_rows bigint constraint table_bounds_rows check (max_rows > 0),
  max_bytes bigint constraint table_bounds_bytes check (max_bytes > 0),
  max_rows_of_guest bigint constraint table_bounds_rows_of_guest check (max_rows_of_guest > 0),
  max_bytes_of_guest bigint constraint table_bounds_bytes_of_guest check (max_bytes_of_guest > 0),
  organization_rows bigint constraint table_bounds_organization_rows check (organization_rows > 0),
  organization_bytes bigint constraint table_bounds_organization_bytes check (organization_bytes > 0),
  reason text,
  constraint table_bounds_one_of check (
    case when reason is null then num_nulls(scope, max_rows, max_bytes) = 0
      else num_nonnulls(scope, max_rows, max_bytes, organization_rows, organization_bytes) = 0 end
  ),
  constraint table_bounds_of_both check (
    num_nonnulls(organization_rows, organization_bytes) in (0, 2)
    and (organization_rows is null or scope = 'member')
  ),
  constraint table_bounds_guest check (
    num_nonnulls(max_rows_of_guest, max_bytes_of_guest) = 0
    or (scope = 'member' and num_nulls(max_rows_of_guest, max_bytes_of_guest) = 0)
  )
);
comment on table private.table_bounds is
  'The bound of each table''s growth: a quota, or a reason. docs/limits.md repeats it, and a test '
  'compares the two.';
comment on column private.table_bounds.scope is
  'The rows that are counted together: a member''s (user_id; rows without one belong to the organization), '
  'or all of an organization.';
comment on column private.table_bounds.max_bytes is
  'Bytes of the rows as JSON text, and of the file that a row stands for (its file_bytes).';
comment on column private.table_bounds.organization_rows is
  'A second bound: of all members of an organization together. Null: none.';
comment on column private.table_bounds.organization_bytes is 'As organization_rows.';
comment on column private.table_bounds.max_rows_of_guest is
  'The smaller bound of a member who is a guest; null for a table that guests do not write.';
comment on column private.table_bounds.reason is 'The other bound of the table; null with a quota.';
alter table private.table_bounds enable row level security;
alter table private.table_bounds force row level security;
revoke all on private.table_bounds from public, anon, authenticated, service_role;

insert into private.table_bounds (table_name, scope, max_rows, max_bytes) values
  ('client_mgmt.budgets', 'organization', 10000, 16777216),
  ('client_mgmt.client_users', 'organization', 100000, 134217728),
  ('client_mgmt.invitations', 'organization', 100000, 134217728),
  ('client_mgmt.llm_configs', 'organization', 10000, 67108864),
  ('client_mgmt.mcp_allowed_hosts', 'organization', 1000, 1048576),
  ('client_mgmt.mcp_tool_policies', 'organization', 1000000, 1073741824),
  ('client_mgmt.model_prices', 'organization', 10000, 16777216),
  ('client_mgmt.oauth_clients', 'organization', 1000, 16777216),
  ('client_mgmt.oauth_issuer_exceptions', 'organization', 1000, 4194304),
  ('client_mgmt.projects', 'organization', 10000, 134217728),
  ('client_mgmt.prompts', 'organization', 10000, 268435456),
  ('conversation.block_lens_version', 'organization', 1000000, 8589934592),
  ('conversation.block_turns', 'organization', 5000000, 1073741824),
  ('conversation.blocks', 'organization', 100000, 1073741824),
  ('conversation.lens_prototypes', 'organization', 1000, 67108864),
  ('conversation.message_feedback', 'member', 100000, 134217728),
  ('conversation.participants', 'organization', 100000, 1073741824),
  ('conversation.turns', 'organization', 2000000, 8589934592),
  ('public.agents', 'organization', 500, 16777216),
  ('public.chat_sessions', 'member', 1000000, 2147483648),
  ('public.client_schema_preferences', 'organization', 10000, 16777216),
  ('public.client_schemas', 'organization', 100, 1048576),
  ('public.mcp_configurations', 'member', 200, 16777216),
  ('public.mcp_oauth_tokens', 'member', 400, 16777216),
  ('public.models', 'organization', 5000, 67108864),
  ('public.oauth_states', 'member', 1000, 16777216),
  ('public.system_prompts', 'member', 100, 16777216);

insert into private.table_bounds (
  table_name, scope, max_rows, max_bytes, organization_rows, organization_bytes
) values
  ('private.files', 'member', 10000, 2147483648, 1000000, 68719476736);
update private.table_bounds b set max_rows_of_guest = g.rows, max_bytes_of_guest = g.bytes
from (values
  ('conversation.message_feedback', 5000, 16777216), ('private.files', 100, 33554432),
  ('public.chat_sessions', 1000, 4194304)
) g(table_name, rows, bytes)
where b.table_name = g.table_name;

insert into private.table_bounds (table_name, reason) values
  ('client_mgmt.access_grants', 'Platform administrators write it, in person.'),
  ('client_mgmt.billing_accounts', 'One row per organization.'),
  ('client_mgmt.budget_alerts', 'One row per budget and period.'),
  ('client_mgmt.budget_counters', 'One row per budget and period.'),
  (
    'client_mgmt.budget_reservations',
    'One row per execution and budget that applies; the rates bound executions.'
  ),
  ('client_mgmt.mcp_tool_listings', 'One row per MCP configuration and member.'),
  ('client_mgmt.mcp_tools', '512 rows per MCP configuration.'),
  ('client_mgmt.organization_limits', 'One row per organization.'),
  ('client_mgmt.provider_credentials', 'One row per organization and provider.'),
  ('client_mgmt.system_prompt_opt_outs', 'One row per member and system prompt.'),
  (
    'client_mgmt.system_prompt_versions',
    '50 rows per prompt, 5,000 rows and 16 MiB per member and per organization.'
  ),
  (
    'client_mgmt.usage_ledger',
    'One row per execution and per batch of embeddings; the rates bound executions.'
  ),
  (
    'conversation.execution_events',
    'The stream of one answer, whose bytes the worker limits; counted in the bytes of conversations.'
  ),
  ('conversation.block_readers', '1,000 rows per block.'),
  ('conversation.lens_run_blocks', '1,000 rows per run of a lens.'),
  ('conversation.lens_runs', 'The last 1,000 rows per organization.'),
  ('conversation.lens_versions', '50 rows per lens.'),
  ('conversation.hand_back_notes', 'One row per chat session, of 4,000 characters.'),
  ('conversation.tool_approvals', 'One row per tool call that needs one.'),
  (
    'conversation.tool_calls',
    '128 calls per step, of which 16 are made, and a bound of steps; counted in the bytes of conversations.'
  ),
  ('conversation.tool_elicitations', 'One row of 64 KiB at most per tool call that asks the person.'),
  ('conversation.turn_sources', 'One row per turn that import_chat_session() made.'),
  ('private.audit_heads', 'One row per organization.'),
  ('private.change_windows', 'One row per organization and member; a clean-up deletes ended ones.'),
  ('private.elicitation_secrets', 'One row of 128 KiB at most per tool call that asks the person.'),
  ('private.execution_callers', 'One row per live execution.'),
  ('private.founder_salt', 'One row.'),
  ('private.founders', 'One row per account and address that founded an organization.'),
  ('private.invitation_tokens', 'One row per invitation.'),
  ('private.mcp_bearer_tokens', 'One row per MCP configuration.'),
  ('private.mcp_endpoint_queries', '1,000 rows per member, and 1,000 of the organization.'),
  ('private.mcp_header_keys', '16 rows per MCP configuration and member.'),
  ('private.mcp_revocations', '100 rows per member, for three days at most.'),
  ('private.oauth_client_secrets', 'One row per client at an issuer.'),
  ('private.platform_limits', 'One row.'),
  ('private.provider_keys', 'One row per organization and provider.'),
  (
    'private.quota_returns',
    'A deletion makes one row of those before it: as many rows as deletions at once.'
  ),
  ('private.quota_use', 'One row per member and table with a quota.'),
  ('private.rate_windows', 'One row per organization and member.'),
  (
    'private.stored_returns',
    'A deletion makes one row of those before it: as many rows as deletions at once.'
  ),
  ('private.embedding_batches', 'One row per batch that a worker holds.'),
  ('private.embedding_queue', 'One row per message, turn and result that lacks a vector.'),
  ('private.search_models', 'One row per organization and model that it searches with or wants.'),
  ('private.search_reindexing', 'One row per organization.'),
  ('private.search_vectors', 'One row per message, turn and result, and two while the model changes.'),
  ('private.search_words', 'One row per message, turn and result.'),
  ('private.table_bounds', 'The owner of the database writes it.'),
  ('public.admin_audit_log', 'One row per act of a platform administrator.'),
  ('public.agent_executions', 'Counted with 1 KiB each in the bytes of conversations.'),
  ('public.agent_health', 'One row per organization and agent.'),
  ('public.agent_metrics', 'One row per organization, agent and day.'),
  (
    'public.audit_logs',
    'Never deleted; a statement adds one row to an organization''s log for each table that it changes.'
  ),
  ('public.chat_messages', 'Counted in the bytes of conversations.'),
  ('public.circuit_breaker_state', 'One row per organization, agent and model.'),
  ('public.organizations', 'One account founds at most 20.'),
  ('public.platform_admins', 'The database owner writes it.'),
  ('public.preference_types', 'The platform writes it.'),
  (
    'public.user_sessions',
    '100 sign-ins per person: the next one signs out the session active longest ago; one row per API key.'
  ),
  ('public.users', 'One row per account at Auth, which limits sign-ups.');

-- ── Counting ──────────────────────────────────────────────────────────────────────────────────

create table private.quota_use (
  organization_id bigint not null references public.organizations (id) on delete cascade,
  id bigint generated always as identity,
  user_id uuid,
  table_name text not null references private.table_bounds (table_name),
  rows bigint not null,
  bytes bigint not null,
  primary key (organization_id, id),
  constraint quota_use_key unique nulls not distinct (organization_id, user_id, table_name)
) with (fillfactor = 50);
create index quota_use_table_name_idx on private.quota_use (table_name);
comment on table private.quota_use is
  'Rows and bytes of a member, or of an organization (user_id null), in one table, before the '
  'subtraction of private.quota_returns.';
alter table private.quota_use enable row level security;
alter table private.quota_use force row level security;
revoke all on private.quota_use from public, anon, authenticated, service_role;

create table private.quota_returns (
  organization_id bigint not null,
  id bigint generated always as identity,
  quota_use_id bigint not null,
  rows bigint not null,
  bytes bigint not null,
  primary key (organization_id, id),
  constraint quota_returns_use_fkey foreign key (organization_id, quota_use_id)
    references private.quota_use (organization_id, id) on delete cascade
);
comment on table private.quota_returns is
  'Rows and bytes that deletions and shorter values return, until a counter needs them. A deletion adds '
  'what earlier ones returned to its own row, so a refused statement reads few.';
create index quota_returns_use_idx on private.quota_returns (organization_id, quota_use_id);
alter table private.quota_returns enable row level security;
alter table private.quota_returns force row level security;
revoke all on private.quota_returns from public, anon, authenticated, service_role;

create function private.add_to_quota(
  bound private.table_bounds, organization_id bigint, user_id uuid, rows bigint, bytes bigint
) returns void
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no role holds a grant on the counters. It refuses members, and functions that act for a member.
-- Rows of the database owner and the platform count and are never refused.
#variable_conflict use_column
declare
  used private.quota_use;
  over text;
  allowed bigint;
begin
  if add_to_quota.user_id is null and bound.organization_rows is not null then
    bound.scope := 'organization';
    bound.max_rows := bound.organization_rows;
    bound.max_bytes := bound.organization_bytes;
  end if;
  insert into private.quota_use as u (organization_id, user_id, table_name, rows, bytes)
  values (
    add_to_quota.organization_id, add_to_quota.user_id, bound.table_name, add_to_quota.rows,
    add_to_quota.bytes
  )
  on conflict on
    constraint quota_use_key do update set rows = u.rows + excluded.rows, bytes = u.bytes + excluded.bytes
  returning u.* into used;
  if used.rows > bound.max_rows_of_guest or used.bytes > bound.max_bytes_of_guest then
    if private.is_guest(used.organization_id, used.user_id) then
      bound.max_rows := least(bound.max_rows, bound.max_rows_of_guest);
      bound.max_bytes := least(bound.max_bytes, bound.max_bytes_of_guest);
    end if;
  end if;
  if (used.rows <= bound.max_rows and used.bytes <= bound.max_bytes)
    or (private.jwt_claims() ->> 'role' is distinct from 'authenticated'
      and nullif(current_setting('colloquy.acting_user', true), '') is null)
  then
    return;
  end if;

  with given_back as (
    delete from private.quota_returns r
    using (
      -- A deletion that holds a row may wait for this counter: its row stays for the next statement.
      select e.organization_id, e.id from private.quota_returns e
      where e.organization_id = used.organization_id and e.quota_use_id = used.id
      for update skip locked
    ) free
    where r.organization_id = free.organization_id and r.id = free.id
    returning r.rows, r.bytes
  )
  update private.quota_use u
  set rows = greatest(u.rows - g.rows, 0), bytes = greatest(u.bytes - g.bytes, 0)
  from (select coalesce(sum(b.rows), 0) as rows, coalesce(sum(b.bytes), 0) as bytes from given_back b) g
  where u.organization_id = used.organization_id and u.id = used.id
  returning u.* into used;
  over := case
    when add_to_quota.rows > 0 and used.rows > bound.max_rows then 'rows'
    when add_to_quota.bytes > 0 and used.bytes > bound.max_bytes then 'bytes'
  end;
  if over is not null then
    allowed := case over when 'rows' then bound.max_rows else bound.max_bytes end;
    perform private.refuse_quota(
      format('%s may fill %s %s of %s: delete some first.',
        case when bound.scope = 'organization' then 'The organization' else 'A member' end,
        allowed, over, bound.table_name),
      bound.table_name, bound.scope, over, allowed
    );
  end if;
end
$$;
comment on function private.add_to_quota(private.table_bounds, bigint, uuid, bigint, bigint) is
  'Counts the rows and bytes that a statement added for one owner, or raises PT409 quota_exceeded.';

create function private.count_quota() returns trigger
language plpgsql volatile security definer set search_path = '' set timezone = 'UTC'
as $$
-- Definer: no role holds a grant on the counters. The time zone is fixed, because it is part of the
-- measured text. Rows of the platform (without an organization) are not counted.
declare
  bound private.table_bounds;
  added jsonb := '[]';
  taken jsonb := '[]';
  change record;
begin
  select b.* into strict bound
  from private.table_bounds b
  where b.table_name = tg_table_schema || '.' || tg_table_name;
  if tg_op = 'INSERT' then
    -- The shorter way for what every conversation does.
    for change in
      select (r.body ->> 'organization_id')::bigint as organization_id, o.user_id, count(*) as rows,
        sum(octet_length(r.body::text) + coalesce((r.body ->> 'file_bytes')::bigint, 0))::bigint as bytes
      from (select to_jsonb(a) as body from after_rows a) r
      cross join lateral (
        select case when bound.scope = 'member' then (r.body ->> 'user_id')::uuid end
        union all select null where bound.organization_rows is not null
      ) o(user_id)
      where r.body ->> 'organization_id' is not null
      group by 1, 2
      order by 1, 2
    loop
      perform private.add_to_quota(bound, change.organization_id, change.user_id, change.rows, change.bytes);
    end loop;
    return null;
  end if;
  if tg_op = 'UPDATE' then
    select coalesce(jsonb_agg(g), '[]') into added from (
      select r.body -> 'organization_id' as organization_id, o.user_id, count(*) as rows,
        sum(octet_length(r.body::text) + coalesce((r.body ->> 'file_bytes')::bigint, 0)) as bytes
      from (select to_jsonb(a) as body from after_rows a) r
      cross join lateral (
        select case when bound.scope = 'member' then (r.body ->> 'user_id')::uuid end
        union all select null where bound.organization_rows is not null
      ) o(user_id)
      group by 1, 2
    ) g;
  end if;
  select coalesce(jsonb_agg(g), '[]') into taken from (
    select r.body -> 'organization_id' as organization_id, o.user_id, -count(*) as rows,
      -sum(octet_length(r.body::text) + coalesce((r.body ->> 'file_bytes')::bigint, 0)) as bytes
    from (select to_jsonb(b) as body from before_rows b) r
    cross join lateral (
      select case when bound.scope = 'member' then (r.body ->> 'user_id')::uuid end
      union all select null where bound.organization_rows is not null
    ) o(user_id)
    group by 1, 2
  ) g;

  for change in
    select g.organization_id, g.user_id, sum(g.rows)::bigint as rows, sum(g.bytes)::bigint as bytes
    from jsonb_to_recordset(added || taken) g(organization_id bigint, user_id uuid, rows bigint, bytes bigint)
    where g.organization_id is not null
    group by 1, 2
    having sum(g.rows) <> 0 or sum(g.bytes) <> 0
    order by 1, 2
  loop
    if change.rows > 0 or change.bytes > 0 then
      perform private.add_to_quota(bound, change.organization_id, change.user_id, change.rows, change.bytes);
    else
      -- The deletion of an organization deletes its counters first.
      with due as (
        select u.organization_id, u.id, -change.rows as rows, -change.bytes as bytes
        from private.quota_use u
        where u.organization_id = change.organization_id and u.table_name = bound.table_name
          and (u.user_id = change.user_id or (change.user_id is null and u.user_id is null))
      ),
      -- As in return_stored_bytes(): earlier returns become one row with these.
      earlier as (
        delete from private.quota_returns r
        using (
          select e.organization_id, e.id from private.quota_returns e
          join due d on d.organization_id = e.organization_id and d.id = e.quota_use_id
          for update of e skip locked
        ) free
        where r.organization_id = free.organization_id and r.id = free.id
        returning r.organization_id, r.quota_use_id, r.rows, r.bytes
      )
      insert into private.quota_returns (organization_id, quota_use_id, rows, bytes)
      select a.organization_id, a.id, sum(a.rows), sum(a.bytes)
      from (select * from due union all select * from earlier) a
      group by 1, 2;
    end if;
  end loop;
  return null;
end
$$;
comment on function private.count_quota() is
  'Trigger: counts the rows and bytes that a statement added per owner against the bound of the table, and '
  'returns those that it removed.';
revoke all on function
  private.add_to_quota(private.table_bounds, bigint, uuid, bigint, bigint), private.count_quota()
  from public, anon, authenticated, service_role;

-- Every table with a quota has three triggers, because a trigger with transition tables handles one event.
do $$
declare
  bound record;
begin
  for bound in
    select b.table_name, split_part(b.table_name, '.', 2) as name from private.table_bounds b
    where b.max_rows is not null order by b.table_name
  loop
    execute format(
      'create trigger %I after insert on %s referencing new table as after_rows
         for each statement execute function private.count_quota()', bound.name || '_quota_insert',
         bound.table_name);
    execute format(
      'create trigger %I after update on %s referencing old table as before_rows new table as after_rows
         for each statement %s execute function private.count_quota()',
      bound.name || '_quota_update', bound.table_name,
      -- begin_execution() writes times and a short title, which are not counted.
      case when bound.table_name = 'public.chat_sessions' then 'when (current_user = ''authenticated'')'
        else '' end);
    execute format(
      'create trigger %I after delete on %s referencing old table as before_rows
         for each statement execute function private.count_quota()', bound.name || '_quota_delete',
         bound.table_name);
  end loop;
end
$$;
