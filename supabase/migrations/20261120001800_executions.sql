-- Executions: one invocation of an agent, its events and its usage.
-- Special: only the functions of the files end, begin and running write them. Usage has no foreign keys,
-- because it stays after the conversation and the membership.

-- ── agent_executions ────────────────────────────────────────────────────────────────────────────

create table public.agent_executions (
  organization_id bigint not null,
  id uuid not null default private.uuid_v7(),
  session_id uuid not null,
  user_id uuid not null,
  message_id uuid not null,
  response_message_id uuid not null default private.uuid_v7(),
  project_id bigint,
  agent_id bigint references public.agents (id),
  model_id bigint references public.models (id),
  status text not null default 'pending'
    constraint agent_executions_status check (
      status in ('pending', 'running', 'success', 'failed', 'cancelled')
    ),
  idempotency_key text
    constraint agent_executions_idempotency_key_length check (char_length(idempotency_key) <= 255),
  request_hash bytea not null,
  prompts_hash text,
  route jsonb not null default '[]',
  input_tokens bigint,
  output_tokens bigint,
  total_tokens bigint,
  cached_input_tokens bigint,
  reasoning_tokens bigint,
  tool_input_tokens bigint,
  cost_usd numeric(18, 9),
  latency_ms integer,
  first_chunk_ms integer,
  estimated_input_tokens bigint,
  reserved_tokens bigint not null default 0,
  stored_bytes bigint not null default 0,
  end_user text,
  finish_reason text,
  error_code text,
  error_message text,
  attempt integer not null default 1
    constraint agent_executions_attempt check (attempt >= 1),
  metadata jsonb not null default '{}'
    constraint agent_executions_metadata_object check (jsonb_typeof(metadata) = 'object'),
  lease_expires_at timestamptz not null,
  cancel_requested_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  completed_at timestamptz,
  primary key (organization_id, id),
  constraint agent_executions_completed check ((completed_at is null) = (status in ('pending', 'running'))),
  constraint agent_executions_session_fkey foreign key (organization_id, session_id)
    references public.chat_sessions (organization_id, id) on delete cascade,
  constraint agent_executions_user_fkey foreign key (organization_id, user_id)
    references client_mgmt.client_users (organization_id, user_id) on delete cascade,
  constraint agent_executions_message_fkey foreign key (organization_id, session_id, message_id)
    references public.chat_messages (organization_id, session_id, id) on delete cascade,
  constraint agent_executions_project_fkey foreign key (organization_id, project_id)
    references client_mgmt.projects (organization_id, id)
);
comment on table public.agent_executions is
  'One invocation of an agent. Written by begin_execution() and finish_execution() only.';
comment on column public.agent_executions.message_id is 'The user''s message.';
comment on column public.agent_executions.response_message_id is
  'The id of the assistant''s message. The message exists when there is text to keep.';
comment on column public.agent_executions.model_id is 'The model that answered, or else the last one tried.';
comment on column public.agent_executions.request_hash is
  'SHA-256 of the request. It distinguishes a repeated request from another request with the same key.';
comment on column public.agent_executions.prompts_hash is
  'SHA-256, in hexadecimal, of the system prompts that were sent, joined by an empty line; null when none '
  'was. explain_effective_prompts() gives these texts while no layer changes.';
comment on column public.agent_executions.route is
  'The models in the order of tries, each with the generation of its breaker.';
comment on column public.agent_executions.tool_input_tokens is
  'The part of input_tokens that came from tools that the provider runs itself. Null when the provider '
  'does not report it.';
comment on column public.agent_executions.cost_usd is
  'US dollars; null when a price or a token count is unknown, and for a guest, who reads the row: the usage '
  'ledger has it.';
comment on column public.agent_executions.attempt is
  'The number of the worker that may write it, from 1. A worker with another number, or whose lease is over, '
  'writes nothing.';
comment on column public.agent_executions.status is
  'pending: waits for an earlier execution of its session; running: a worker holds the lease; the '
  'others are ends.';
comment on column public.agent_executions.estimated_input_tokens is
  'Counted before the call; used when the provider reports no usage.';
comment on column public.agent_executions.reserved_tokens is
  'Counted in the tokens of a minute at the beginning: estimated input and the bound of the answer.';
comment on column public.agent_executions.stored_bytes is
  'The bytes that it keeps, complete at its end: question, answer, events, and 1 KiB for its rows.';
comment on column public.agent_executions.end_user is 'As in its session.';
comment on column public.agent_executions.cancel_requested_at is
  'Set by cancel_execution(); the worker sees it when it next renews the lease.';
comment on column public.agent_executions.first_chunk_ms is 'Milliseconds to the provider''s first output.';
comment on column public.agent_executions.lease_expires_at is
  'While running: after this time the worker counts as dead.';
create unique index agent_executions_idempotency_key
  on public.agent_executions (organization_id, user_id, idempotency_key) where idempotency_key is not null;
create index agent_executions_session_id_idx
  on public.agent_executions (organization_id, session_id, created_at);
create index agent_executions_message_id_idx
  on public.agent_executions (organization_id, session_id, message_id);
create index agent_executions_user_id_idx on public.agent_executions (organization_id, user_id, created_at);
create index agent_executions_end_user_idx
  on public.agent_executions (organization_id, user_id, end_user, created_at) where end_user is not null;
create index agent_executions_status_idx
  on public.agent_executions (organization_id, status, created_at);
create index agent_executions_created_at_idx on public.agent_executions (organization_id, created_at);
create index agent_executions_project_id_idx on public.agent_executions (organization_id, project_id)
  where project_id is not null;
create index agent_executions_agent_id_idx on public.agent_executions (agent_id);
create index agent_executions_model_id_idx on public.agent_executions (model_id);
create index agent_executions_lease_idx on public.agent_executions (lease_expires_at)
  where status in ('pending', 'running');
create index agent_executions_keys_idx on public.agent_executions (created_at)
  where idempotency_key is not null;
create index agent_executions_live_idx on public.agent_executions (organization_id, user_id, session_id)
  where status in ('pending', 'running');
-- One person's, over all organizations.
create index agent_executions_person_idx on public.agent_executions (user_id)
  where status in ('pending', 'running');
create trigger agent_executions_check_references before insert on public.agent_executions
  for each row execute function private.check_shared_references();
create trigger agent_executions_check_references_update before update on public.agent_executions
  for each row when (
    (new.organization_id, new.agent_id, new.model_id)
      is distinct from (old.organization_id, old.agent_id, old.model_id)
  )
  execute function private.check_shared_references();

alter table public.agent_executions enable row level security;
alter table public.agent_executions force row level security;
create policy select_reader on public.agent_executions for select to authenticated
  using (
    organization_id = (select private.current_tenant_id())
    and (
      user_id = (select private.current_user_id())
      or (select private.has_permission('content.read_all'))
      or exists (
        select 1 from public.chat_sessions s
        where s.organization_id = agent_executions.organization_id
          and s.id = agent_executions.session_id and (s.visibility = 'organization' or s.of_guest)
      )
    )
  );
comment on policy select_reader on public.agent_executions is 'The readers of the session.';
revoke all on public.agent_executions from anon, authenticated, service_role;
grant select on public.agent_executions to authenticated, service_role;
-- No insert, update or delete: begin_execution(), finish_execution().
create trigger agent_executions_updated_at before update on public.agent_executions
  for each row execute function private.update_updated_at_column();

-- ── execution_callers ───────────────────────────────────────────────────────────────────────────

create table private.execution_callers (
  organization_id bigint not null,
  execution_id uuid not null,
  user_session_id uuid not null,
  primary key (organization_id, execution_id),
  constraint execution_callers_execution_fkey foreign key (organization_id, execution_id)
    references public.agent_executions (organization_id, id) on delete cascade
);
comment on table private.execution_callers is
  'The auth session that began a live execution. It is no column of agent_executions, because readers '
  'there may not learn about a person''s devices. The end of the execution deletes the row.';
alter table private.execution_callers enable row level security;
alter table private.execution_callers force row level security;
revoke all on private.execution_callers from public, anon, authenticated, service_role;

create function private.access_stands(execution public.agent_executions) returns boolean
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: called by functions of the service role only. Locks nothing, so a change of a membership waits
-- for no execution. A session that signed out or expired does not stop its executions; a revoked session
-- does.
begin
  return exists (
    select 1 from client_mgmt.client_users m
    join public.users u on u.id = m.user_id and u.is_active
    join public.organizations o on o.id = m.organization_id and o.is_active
    where m.organization_id = execution.organization_id and m.user_id = execution.user_id
      and m.ended_at is null
      and ('agents.invoke' = any (private.role_permissions(m.role) || m.permissions)
        or (m.role = 'guest' and private.is_open_to_guests(m.organization_id, execution.agent_id)))
  ) and not exists (
    select 1 from private.execution_callers c
    join public.user_sessions s on s.id = c.user_session_id and s.revoked_by is not null
    where c.organization_id = execution.organization_id and c.execution_id = execution.id
  );
end
$$;
comment on function private.access_stands(public.agent_executions) is
  'Whether the person of an execution may still invoke agents there, a guest this agent, and the session '
  'that began it is not revoked.';

create function private.require_access(execution public.agent_executions) returns void
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: called by functions of the service role only.
begin
  if not private.access_stands(execution) then
    raise exception using errcode = 'PT403', message = 'access_revoked',
      detail = 'The access of the execution was revoked. Sign in again or ask an administrator.';
  end if;
end
$$;
comment on function private.require_access(public.agent_executions) is
  'Raises PT403 access_revoked unless private.access_stands(). Functions call it before each model call of '
  'a running execution.';
revoke all on function
  private.access_stands(public.agent_executions),
  private.require_access(public.agent_executions)
  from public, anon, authenticated, service_role;

create function private.require_attempt(execution public.agent_executions, attempt integer) returns void
language plpgsql volatile security invoker set search_path = ''
as $$
begin
  if execution.status in ('pending', 'running') and (
    execution.attempt is distinct from require_attempt.attempt
    or execution.lease_expires_at <= clock_timestamp()
  ) then
    raise exception using errcode = 'PT409', message = 'attempt_over',
      detail = 'Another attempt has the execution, or the lease is over. Write nothing more.';
  end if;
end
$$;
comment on function private.require_attempt(public.agent_executions, integer) is
  'The fence of an execution that has not ended: raises PT409 attempt_over unless the attempt is the present '
  'one and its lease holds. A caller that writes has locked the execution.';

create function private.hold_attempt(
  organization_id bigint, execution_id uuid, attempt integer
) returns public.agent_executions
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: called by functions of the service role only. The shared lock lets another attempt begin before
-- or after the write of its caller, never beside it.
#variable_conflict use_column
declare
  execution public.agent_executions;
begin
  select x.* into execution from public.agent_executions x
  where x.organization_id = hold_attempt.organization_id and x.id = hold_attempt.execution_id
  for share;
  perform private.require_attempt(execution, hold_attempt.attempt);
  return execution;
end
$$;
comment on function private.hold_attempt(bigint, uuid, integer) is
  'The execution, locked for a write of one of its workers; PT409 attempt_over for a worker whose attempt is '
  'over.';
revoke all on function
  private.require_attempt(public.agent_executions, integer),
  private.hold_attempt(bigint, uuid, integer)
  from public, anon, authenticated, service_role;

-- ── execution_events ────────────────────────────────────────────────────────────────────────────

create table conversation.execution_events (
  organization_id bigint not null,
  execution_id uuid not null,
  seq bigint not null constraint execution_events_seq check (seq >= 0),
  event json not null constraint execution_events_event_array check (json_typeof(event) = 'array'),
  created_at timestamptz not null default clock_timestamp(),
  primary key (organization_id, execution_id, seq),
  constraint execution_events_execution_fkey foreign key (organization_id, execution_id)
    references public.agent_executions (organization_id, id) on delete cascade
);
comment on table conversation.execution_events is
  'All events of a stream before its end, in batches. The end follows from the execution. A client reads '
  'the same bytes live and later, hence json and not jsonb.';
comment on column conversation.execution_events.seq is 'Id of the first event of the batch.';
comment on column conversation.execution_events.event is
  'Consecutive events: chunks of the AI SDK UI message stream v1.';
alter table conversation.execution_events enable row level security;
alter table conversation.execution_events force row level security;
create policy select_reader on conversation.execution_events for select to authenticated
  using (
    organization_id = (select private.current_tenant_id())
    and exists (
      select 1 from public.agent_executions x
      where x.organization_id = execution_events.organization_id and x.id = execution_events.execution_id
    )
  );
comment on policy select_reader on conversation.execution_events is 'The readers of the execution.';
revoke all on conversation.execution_events from anon, authenticated, service_role;
grant select on conversation.execution_events to authenticated;
grant select on conversation.execution_events to service_role;
-- No insert: append_execution_events(), finish_execution().

-- ── usage_ledger ────────────────────────────────────────────────────────────────────────────────

create table client_mgmt.usage_ledger (
  organization_id bigint not null,
  id bigint generated always as identity,
  execution_id uuid not null,
  user_id uuid,
  end_user text,
  project_id bigint,
  agent_name text,
  provider text not null,
  model_id text not null,
  input_tokens bigint,
  output_tokens bigint,
  cached_input_tokens bigint,
  reasoning_tokens bigint,
  tool_input_tokens bigint,
  cost_usd numeric(18, 9),
  is_estimated boolean not null default false,
  created_at timestamptz not null default now(),
  primary key (organization_id, id),
  constraint usage_ledger_execution_key unique (organization_id, execution_id)
);
comment on table client_mgmt.usage_ledger is
  'The usage of each execution and batch of embeddings. No foreign keys: usage stays after the '
  'conversation and the membership.';
comment on column client_mgmt.usage_ledger.execution_id is
  'The execution, or the batch of embeddings of the organization.';
comment on column client_mgmt.usage_ledger.user_id is 'Null: embeddings of the organization.';
comment on column client_mgmt.usage_ledger.cost_usd is
  'US dollars; null when a price or a token count is unknown.';
comment on column client_mgmt.usage_ledger.is_estimated is
  'True: the provider reported no usage (a cut, a cancel), and the counts are estimates.';
create index usage_ledger_user_id_idx on client_mgmt.usage_ledger (organization_id, user_id, created_at);
create index usage_ledger_end_user_idx
  on client_mgmt.usage_ledger (organization_id, user_id, end_user, created_at) where end_user is not null;
create index usage_ledger_created_at_idx on client_mgmt.usage_ledger (organization_id, created_at);
alter table client_mgmt.usage_ledger enable row level security;
alter table client_mgmt.usage_ledger force row level security;
create policy select_self_or_billing on client_mgmt.usage_ledger for select to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and (
      user_id = (select private.current_user_id())
      -- A range, so that an index finds one's own rows among all.
      or organization_id between (select private.organization_with('billing.manage'))
        and (select private.organization_with('billing.manage'))
    )
  );
comment on policy select_self_or_billing on client_mgmt.usage_ledger is
  'A member''s own usage; all rows with billing.manage.';
revoke all on client_mgmt.usage_ledger from anon, authenticated, service_role;
grant select on client_mgmt.usage_ledger to authenticated, service_role;
-- No insert, update or delete: finish_execution().

create function public.usage_by_day(
  since date, until date default null, of_user uuid default null, of_end_user text default null
)
returns table (
  user_id uuid, day date, executions bigint, input_tokens bigint, output_tokens bigint, cost_usd numeric,
  unpriced bigint
)
language plpgsql stable security invoker set search_path = ''
as $$
-- Invoker: the policies decide. It names the person in the query of a member who reads only their own rows,
-- so that an index finds them among those of all colleagues.
#variable_conflict use_column
declare
  organization constant bigint := private.current_organization_id();
  person constant uuid := coalesce(
    of_user, case when not private.has_permission('billing.manage') then private.current_user_id() end
  );
begin
  return query
  select l.user_id, (l.created_at at time zone 'utc')::date as day, count(*), sum(l.input_tokens)::bigint,
    sum(l.output_tokens)::bigint, sum(l.cost_usd), count(*) filter (where l.cost_usd is null)
  from client_mgmt.usage_ledger l
  where l.organization_id = organization
    and (person is null or l.user_id = person)
    and (of_end_user is null or l.end_user = of_end_user)
    and l.created_at >= since::timestamp at time zone 'utc'
    and (until is null or l.created_at < (until + 1)::timestamp at time zone 'utc')
  group by 1, 2
  order by 2, 1;
end
$$;
comment on function public.usage_by_day(date, date, uuid, text) is
  'Usage per person and day (UTC), from since to until, both included: the caller''s own, or with '
  'billing.manage everyone''s. of_user: that person''s only; of_end_user: that customer''s only. unpriced: '
  'executions without a known cost.';

create function public.usage_by_end_user(
  since date, until date default null, of_user uuid default null, of_end_user text default null
)
returns table (
  user_id uuid, end_user text, sessions bigint, executions bigint, input_tokens bigint, output_tokens bigint,
  cost_usd numeric, unpriced bigint, last_used_at timestamptz
)
language plpgsql stable security invoker set search_path = ''
as $$
-- Invoker: the policies decide, and the person is named as in usage_by_day(). The conversations are those
-- that the caller may read: billing.manage alone shows no session of a colleague.
#variable_conflict use_column
declare
  organization constant bigint := private.current_organization_id();
  person constant uuid := coalesce(
    of_user, case when not private.has_permission('billing.manage') then private.current_user_id() end
  );
begin
  return query
  select l.user_id, l.end_user, (
      select count(*) from public.chat_sessions s
      where s.organization_id = organization and s.user_id = l.user_id and s.end_user = l.end_user
    ), count(*), sum(l.input_tokens)::bigint, sum(l.output_tokens)::bigint, sum(l.cost_usd),
    count(*) filter (where l.cost_usd is null), max(l.created_at)
  from client_mgmt.usage_ledger l
  where l.organization_id = organization and l.end_user is not null
    and (person is null or l.user_id = person)
    and (of_end_user is null or l.end_user = of_end_user)
    and l.created_at >= since::timestamp at time zone 'utc'
    and (until is null or l.created_at < (until + 1)::timestamp at time zone 'utc')
  group by l.user_id, l.end_user
  order by max(l.created_at) desc, l.user_id, l.end_user;
end
$$;
comment on function public.usage_by_end_user(date, date, uuid, text) is
  'The customers for whom a server invoked (end_user), with the member who invoked, conversations and '
  'usage from since to until (UTC), both included: the caller''s own, or with billing.manage everyone''s. '
  'The customer who came last stands first.';
revoke all on function
  public.usage_by_day(date, date, uuid, text), public.usage_by_end_user(date, date, uuid, text)
  from public, anon, authenticated, service_role;
grant execute on function
  public.usage_by_day(date, date, uuid, text), public.usage_by_end_user(date, date, uuid, text)
  to authenticated;

-- ── Results ─────────────────────────────────────────────────────────────────────────────────────

create function private.execution_result(organization_id bigint, execution_id uuid) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: called by definer functions that have checked the owner of the execution.
#variable_conflict use_column
begin
  return (
    select jsonb_build_object(
      'execution_id', x.id, 'session_id', x.session_id, 'status', x.status,
      'finish_reason', x.finish_reason, 'error_code', x.error_code,
      'message', case when m.id is not null then
        jsonb_build_object('id', m.id, 'role', m.role, 'content', m.content, 'parts', m.parts) end,
      'usage', jsonb_build_object(
        'input_tokens', x.input_tokens, 'output_tokens', x.output_tokens, 'total_tokens', x.total_tokens,
        'cached_input_tokens', x.cached_input_tokens, 'reasoning_tokens', x.reasoning_tokens,
        'tool_input_tokens', x.tool_input_tokens),
      'cost_usd', x.cost_usd, 'model', model.name, 'latency_ms', x.latency_ms
    )
    from public.agent_executions x
    left join public.chat_messages m on m.organization_id = x.organization_id and m.id = x.response_message_id
    left join public.models model on model.id = x.model_id
    where x.organization_id = execution_result.organization_id and x.id = execution_result.execution_id
  );
end
$$;
comment on function private.execution_result(bigint, uuid) is
  '{ execution_id, session_id, status, finish_reason, error_code, message, usage, cost_usd, model, '
  'latency_ms } of an execution.';
revoke all on function private.execution_result(bigint, uuid) from public, anon, authenticated, service_role;

create function private.without_pictures(parts jsonb) returns jsonb
language plpgsql immutable security invoker set search_path = ''
as $$
begin
  if parts @? '$[*] ? (@.type == "image" && @.url starts with "data:")' then
    return (
      select jsonb_agg(
        case when p ->> 'type' = 'image' and starts_with(p ->> 'url', 'data:') then jsonb_build_object(
          'type', 'text', 'text', format('[%s, made by the model]', p ->> 'media_type')) else p end
        order by n)
      from jsonb_array_elements(parts) with ordinality e(p, n)
    );
  end if;
  return parts;
end
$$;
comment on function private.without_pictures(jsonb) is
  'Parts of a message with a text in place of each picture that a model made: a picture may have 8 MB, and '
  'each later request would send and pay it again.';
revoke all on function private.without_pictures(jsonb) from public, anon, authenticated, service_role;

create function private.author_line(author jsonb) returns text
language sql immutable security invoker set search_path = ''
return case when author is null then ''
  else '[A person' || coalesce(', ' || nullif(btrim(
    regexp_replace(author ->> 'name', '[[:space:][:cntrl:]\[\]]+', ' ', 'g')), '') || ',', '')
    || ' answered:]' || E'\n'
end;
comment on function private.author_line(jsonb) is
  'The first line that a model gets of an answer of a person; empty for a message of the user or of a model.';
revoke all on function private.author_line(jsonb) from public, anon, authenticated, service_role;

create function private.conversation_history(organization_id bigint, message_id uuid) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: called by execution_input() only. Follows the branch upwards: at most 200 messages and 4 MiB,
-- about a million tokens, which fit into a worker. The message itself is always included. An answer of a
-- person begins with a line that says so: no other mark of an assistant's message reaches every provider. It
-- finds each message by its primary key and names no session, because a parent is always of the same one:
-- with the session the planner reads the whole session at each step.
#variable_conflict use_column
begin
  return (
    with recursive branch as (
      select m.id, m.parent_id, m.role, m.content, l.parts, m.metadata -> 'author' as author, 1 as depth,
        octet_length(m.content) + coalesce(octet_length(l.parts::text), 0) as bytes
      from public.chat_messages m
      cross join lateral (select private.without_pictures(m.parts) as parts) l
      where m.organization_id = conversation_history.organization_id
        and m.id = conversation_history.message_id
      union all
      select m.id, m.parent_id, m.role, m.content, l.parts, m.metadata -> 'author', b.depth + 1,
        b.bytes + l.bytes
      from branch b
      join public.chat_messages m
        on m.organization_id = conversation_history.organization_id and m.id = b.parent_id
      cross join lateral (
        select w.parts, octet_length(m.content) + coalesce(octet_length(w.parts::text), 0) as bytes
        from (select private.without_pictures(m.parts) as parts) w
      ) l
      where b.depth < 200 and b.bytes + l.bytes <= 4194304
    )
    select jsonb_agg(
      jsonb_build_object(
        'id', id, 'role', role, 'content', private.author_line(author) || content, 'parts', parts
      ) order by depth desc
    )
    from branch
  );
end
$$;
comment on function private.conversation_history(bigint, uuid) is
  'The branch that ends with a message, oldest first.';
revoke all on function private.conversation_history(bigint, uuid)
  from public, anon, authenticated, service_role;

create function private.execution_cost(
  organization bigint, provider text, model_id text, input_tokens bigint, cached_input_tokens bigint,
  output_tokens bigint
) returns numeric
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: called by definer functions that begin and end executions.
#variable_conflict use_variable
begin
  return (
    select (
      greatest(input_tokens - coalesce(cached_input_tokens, 0), 0) * p.input_per_million
      -- No provider asks more for what it reads from its cache: without a price of its own, that is a bound.
      + coalesce(cached_input_tokens, 0) * coalesce(p.cached_input_per_million, p.input_per_million)
      -- A model that makes embeddings puts nothing out, and its price for output is unknown.
      + case when output_tokens = 0 then 0 else output_tokens * p.output_per_million end
    ) / 1000000
    from private.model_price(organization, provider, model_id) p
  );
end
$$;
comment on function private.execution_cost(bigint, text, text, bigint, bigint, bigint) is
  'US dollars at the price valid now; null when a price or a count is unknown.';
revoke all on function private.execution_cost(bigint, text, text, bigint, bigint, bigint)
  from public, anon, authenticated, service_role;

create function private.events_text(organization_id bigint, execution_id uuid) returns text
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: called by functions that end the execution of a dead worker. An end or a deletion never fails by
-- the events: the type json keeps escapes that no text can have.
begin
  return (
    select coalesce(string_agg(chunk ->> 'delta', '' order by e.seq, n), '')
    from conversation.execution_events e
    cross join lateral json_array_elements(e.event) with ordinality c(chunk, n)
    where e.organization_id = events_text.organization_id and e.execution_id = events_text.execution_id
      and chunk ->> 'type' = 'text-delta'
  );
exception when untranslatable_character or invalid_text_representation then
  return '';
end
$$;
comment on function private.events_text(bigint, uuid) is
  'The text of an execution''s stored events; empty when an event has an escape that no text can have.';

create function private.describe_execution(
  execution public.agent_executions,
  agent public.agents default null
) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: called by definer functions that have checked the owner of the execution.
begin
  if agent.id is null then
    select a.* into agent from public.agents a where a.id = execution.agent_id;
  end if;
  return jsonb_build_object(
    'organization_id', execution.organization_id,
    'execution_id', execution.id,
    'user_id', execution.user_id,
    'session_id', execution.session_id,
    'message_id', execution.message_id,
    'response_message_id', execution.response_message_id,
    'status', execution.status,
    'attempt', execution.attempt,
    'agent', case when agent.id is not null then jsonb_build_object('id', agent.id, 'name', agent.name) end
  );
end
$$;
comment on function private.describe_execution(public.agent_executions, public.agents) is
  'Ids, status, attempt and agent of an execution. agent: its agent, where the caller has read it.';

create function private.keep_session(organization_id bigint, execution_id uuid) returns void
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: called by definer functions before they lock an execution. A deletion of a session locks the
-- session before its executions. Only a deletion waits for the lock of this function.
#variable_conflict use_column
begin
  perform 1
  from public.agent_executions x
  join public.chat_sessions s on s.organization_id = x.organization_id and s.id = x.session_id
  where x.organization_id = keep_session.organization_id and x.id = keep_session.execution_id
  for key share of s;
end
$$;
comment on function private.keep_session(bigint, uuid) is
  'Locks an execution''s session against deletion until the transaction ends. Waits for a running '
  'deletion.';

revoke all on function
  private.events_text(bigint, uuid),
  private.describe_execution(public.agent_executions, public.agents),
  private.keep_session(bigint, uuid)
  from public, anon, authenticated, service_role;
