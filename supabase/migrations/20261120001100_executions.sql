-- Executions: one invocation of an agent from begin_execution() to finish_execution().
-- Special: each of the two is one transaction and one round trip. Beginning is done as the caller, so a
-- refused request writes nothing and needs no privilege; finishing is the platform's, because a caller
-- must not write usage, cost or an assistant's words. An execution has exactly one terminal state.

-- ── agent_executions ──────────────────────────────────────────────────────────────────────────

create table public.agent_executions (
  organization_id bigint not null,
  id uuid not null default private.uuid_v7(),
  session_id uuid not null,
  user_id uuid not null,
  message_id uuid not null,
  response_message_id uuid not null default private.uuid_v7(),
  project_id bigint,
  agent_id bigint references public.agents (id) on delete set null,
  model_id bigint references public.models (id) on delete set null,
  status text not null default 'pending'
    constraint agent_executions_status check (status in ('pending', 'running', 'success', 'failed', 'cancelled')),
  idempotency_key text constraint agent_executions_idempotency_key_length check (char_length(idempotency_key) <= 255),
  request_hash bytea not null,
  route jsonb not null default '[]',
  input_tokens bigint,
  output_tokens bigint,
  total_tokens bigint,
  cached_input_tokens bigint,
  reasoning_tokens bigint,
  cost_usd numeric(18, 9),
  latency_ms integer,
  first_chunk_ms integer,
  finish_reason text,
  error_code text,
  error_message text,
  metadata jsonb not null default '{}'
    constraint agent_executions_metadata_object check (jsonb_typeof(metadata) = 'object'),
  lease_expires_at timestamptz not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  completed_at timestamptz,
  primary key (organization_id, id),
  constraint agent_executions_idempotency_key unique (organization_id, user_id, idempotency_key),
  constraint agent_executions_completed check ((completed_at is null) = (status in ('pending', 'running'))),
  constraint agent_executions_session_fkey foreign key (organization_id, session_id)
    references public.chat_sessions (organization_id, id) on delete cascade,
  constraint agent_executions_user_fkey foreign key (organization_id, user_id)
    references client_mgmt.client_users (organization_id, user_id) on delete cascade,
  constraint agent_executions_message_fkey foreign key (organization_id, session_id, message_id)
    references public.chat_messages (organization_id, session_id, id) on delete cascade,
  constraint agent_executions_project_fkey foreign key (organization_id, project_id)
    references client_mgmt.projects (organization_id, id) on delete set null (project_id)
);
comment on table public.agent_executions is 'One invocation of an agent. Written by begin_execution() and finish_execution() only.';
comment on column public.agent_executions.message_id is 'The user''s message that asked.';
comment on column public.agent_executions.response_message_id is 'Id of the assistant''s message; it exists once there is something to keep.';
comment on column public.agent_executions.model_id is 'The model that answered, or was tried last.';
comment on column public.agent_executions.request_hash is 'SHA-256 of the request, to tell a repeat from another request under the same key.';
comment on column public.agent_executions.route is 'Models in the order they may be tried, each with the generation of its breaker.';
comment on column public.agent_executions.cost_usd is 'US dollars; null when a price or a token count is unknown.';
comment on column public.agent_executions.first_chunk_ms is 'Milliseconds to the provider''s first output.';
comment on column public.agent_executions.lease_expires_at is 'While running: after this the worker counts as dead.';
create index agent_executions_session_id_idx on public.agent_executions (organization_id, session_id, created_at);
create index agent_executions_message_id_idx on public.agent_executions (organization_id, session_id, message_id);
create index agent_executions_user_id_idx on public.agent_executions (organization_id, user_id, created_at);
create index agent_executions_status_idx on public.agent_executions (organization_id, status);
create index agent_executions_created_at_idx on public.agent_executions (organization_id, created_at);
create index agent_executions_project_id_idx on public.agent_executions (organization_id, project_id);
create index agent_executions_agent_id_idx on public.agent_executions (agent_id);
create index agent_executions_model_id_idx on public.agent_executions (model_id);
create index agent_executions_lease_idx on public.agent_executions (lease_expires_at) where status in ('pending', 'running');
create trigger agent_executions_check_references
  before insert or update of organization_id, agent_id, model_id on public.agent_executions
  for each row execute function private.check_shared_references();

alter table public.agent_executions enable row level security;
alter table public.agent_executions force row level security;
create policy select_reader on public.agent_executions for select to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and (
      user_id = (select private.current_user_id())
      or (select private.has_permission('content.read_all'))
      or exists (
        select 1 from public.chat_sessions s
        where s.organization_id = agent_executions.organization_id
          and s.id = agent_executions.session_id and s.visibility = 'organization'
      )
    )
  );
comment on policy select_reader on public.agent_executions is 'Whoever may read the session.';
revoke all on public.agent_executions from anon, authenticated, service_role;
grant select on public.agent_executions to authenticated, service_role;
-- No insert, update or delete: begin_execution(), finish_execution().
create trigger agent_executions_updated_at before update on public.agent_executions
  for each row execute function private.update_updated_at_column();

-- ── execution_events ──────────────────────────────────────────────────────────────────────────

create table conversation.execution_events (
  organization_id bigint not null,
  execution_id uuid not null,
  seq bigint not null constraint execution_events_seq check (seq >= 0),
  event jsonb not null,
  created_at timestamptz not null default clock_timestamp(),
  primary key (organization_id, execution_id, seq),
  constraint execution_events_execution_fkey foreign key (organization_id, execution_id)
    references public.agent_executions (organization_id, id) on delete cascade
);
comment on table conversation.execution_events is 'Events of an execution''s stream, in the order of seq.';
alter table conversation.execution_events enable row level security;
alter table conversation.execution_events force row level security;
create policy select_reader on conversation.execution_events for select to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and exists (
      select 1 from public.agent_executions x
      where x.organization_id = execution_events.organization_id and x.id = execution_events.execution_id
    )
  );
comment on policy select_reader on conversation.execution_events is 'Whoever may read the execution.';
revoke all on conversation.execution_events from anon, authenticated, service_role;
grant select on conversation.execution_events to authenticated;
grant select, insert on conversation.execution_events to service_role;

-- ── usage_ledger ──────────────────────────────────────────────────────────────────────────────

create table client_mgmt.usage_ledger (
  organization_id bigint not null,
  id bigint generated always as identity,
  execution_id uuid not null,
  user_id uuid not null,
  project_id bigint,
  agent_name text,
  provider text not null,
  model_id text not null,
  input_tokens bigint,
  output_tokens bigint,
  cached_input_tokens bigint,
  reasoning_tokens bigint,
  cost_usd numeric(18, 9),
  created_at timestamptz not null default now(),
  primary key (organization_id, id),
  constraint usage_ledger_execution_key unique (organization_id, execution_id)
);
comment on table client_mgmt.usage_ledger is
  'What each execution used. No foreign keys: usage outlives the conversation and the membership.';
comment on column client_mgmt.usage_ledger.cost_usd is 'US dollars; null when a price or a token count is unknown.';
create index usage_ledger_user_id_idx on client_mgmt.usage_ledger (organization_id, user_id, created_at);
create index usage_ledger_created_at_idx on client_mgmt.usage_ledger (organization_id, created_at);
alter table client_mgmt.usage_ledger enable row level security;
alter table client_mgmt.usage_ledger force row level security;
create policy select_self_or_billing on client_mgmt.usage_ledger for select to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and (user_id = (select private.current_user_id()) or (select private.has_permission('billing.manage')))
  );
comment on policy select_self_or_billing on client_mgmt.usage_ledger is 'One''s own use; all of it with billing.manage.';
revoke all on client_mgmt.usage_ledger from anon, authenticated, service_role;
grant select on client_mgmt.usage_ledger to authenticated, service_role;
-- No insert, update or delete: finish_execution().

-- ── Routing ───────────────────────────────────────────────────────────────────────────────────

create function private.effective_llm(
  organization_id bigint, agent_id bigint, model text, session_id uuid, project_id bigint
) returns table (layer_order integer, layer text, model_id bigint, name text, provider text, settings jsonb, is_winner boolean)
language sql stable security definer set search_path = ''
as $$
  -- Definer: called by definer functions, which have checked that session and project are the caller's.
  with scope as (
    select p.client_schema_id
    from (select 1) one
    left join client_mgmt.projects p
      on p.organization_id = effective_llm.organization_id and p.id = effective_llm.project_id
  ),
  named (layer_order, layer, model_id, name, provider, settings) as (
    select 1, 'request', null::bigint, effective_llm.model, null::text, '{}'::jsonb
    union all
    select 2, 'session', s.model_id, null, null, '{}'
    from public.chat_sessions s
    where s.organization_id = effective_llm.organization_id and s.id = effective_llm.session_id and s.model_id is not null
    union all
    select 3, 'project', null, c.model, c.provider, c.settings
    from client_mgmt.llm_configs c
    where c.organization_id = effective_llm.organization_id and c.project_id = effective_llm.project_id
    union all
    select 4, 'schema_preference', null, v.preference_value, null, '{}'
    from public.client_schema_preferences v
    join public.preference_types t on t.id = v.preference_type_id and t.name = 'default_model'
    where v.organization_id = effective_llm.organization_id
      and v.client_schema_id = coalesce(
        (select client_schema_id from scope),
        (select min(c.id) from public.client_schemas c where c.organization_id = effective_llm.organization_id)
      )
    union all
    select 5, 'organization', null, c.model, c.provider, c.settings
    from client_mgmt.llm_configs c
    where c.organization_id = effective_llm.organization_id and c.project_id is null
    union all
    (select 6, 'agent', m.id, null, null, '{}'
    from public.models m
    where m.agent_id = effective_llm.agent_id and m.enabled
      and (m.organization_id is null or m.organization_id = effective_llm.organization_id)
    order by m.priority, m.id limit 1)
  ),
  candidates as (
    select n.layer_order, n.layer, m.id as model_id, m.name, m.provider, n.settings
    from named n
    join public.models m
      on m.agent_id = effective_llm.agent_id and m.enabled
      and (m.organization_id is null or m.organization_id = effective_llm.organization_id)
      and (m.id = n.model_id or (n.model_id is null and m.name = n.name))
      and (n.provider is null or m.provider = n.provider)
  )
  select c.layer_order, c.layer, c.model_id, c.name, c.provider, c.settings,
    row_number() over (order by c.layer_order, c.model_id) = 1
  from candidates c
  order by c.layer_order, c.model_id
$$;
comment on function private.effective_llm(bigint, bigint, text, uuid, bigint) is
  'Every layer that names an enabled model of the agent: request, session, project, schema preference, organization, agent.';
revoke all on function private.effective_llm(bigint, bigint, text, uuid, bigint) from public, anon, authenticated, service_role;

create function private.find_agent(organization_id bigint, agent text, agent_id bigint) returns public.agents
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: called by definer functions only.
#variable_conflict use_column
declare
  result public.agents;
begin
  select a.* into result
  from public.agents a
  where a.enabled
    and (a.organization_id is null or a.organization_id = find_agent.organization_id)
    and (find_agent.agent is null or a.name = find_agent.agent)
    and (find_agent.agent_id is null or a.id = find_agent.agent_id)
  order by a.organization_id nulls last, a.id
  limit 1;
  if not found then
    raise exception using errcode = 'P0002', message = 'agent_not_found', detail = 'No such agent, or it is disabled.';
  end if;
  return result;
end
$$;
comment on function private.find_agent(bigint, text, bigint) is
  'An enabled agent by name or id, the organization''s before the platform''s; P0002 agent_not_found.';
revoke all on function private.find_agent(bigint, text, bigint) from public, anon, authenticated, service_role;

-- The agent of a request that names none: the session's, else the organization's preference, else the
-- first one. Names are looked up by find_agent.
create function private.preferred_agent(organization_id bigint, project_id bigint, providers text[]) returns text
language sql stable security definer set search_path = ''
as $$
  -- Definer: called by definer functions only.
  select coalesce(
    (
      select v.preference_value
      from public.client_schema_preferences v
      join public.preference_types t on t.id = v.preference_type_id and t.name = 'default_agent'
      where v.organization_id = preferred_agent.organization_id
        and v.client_schema_id = coalesce(
          (
            select p.client_schema_id from client_mgmt.projects p
            where p.organization_id = preferred_agent.organization_id and p.id = preferred_agent.project_id
          ),
          (select min(c.id) from public.client_schemas c where c.organization_id = preferred_agent.organization_id)
        )
    ),
    (
      select a.name from public.agents a
      where a.enabled and (a.organization_id is null or a.organization_id = preferred_agent.organization_id)
        and (providers is null or a.type = any (providers))
      order by a.organization_id nulls last, a.id limit 1
    )
  )
$$;
comment on function private.preferred_agent(bigint, bigint, text[]) is
  'Name of the agent that answers when none is named: preference default_agent, else the first whose provider is configured.';
revoke all on function private.preferred_agent(bigint, bigint, text[]) from public, anon, authenticated, service_role;

create function private.require_own_session(organization_id bigint, session_id uuid) returns public.chat_sessions
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: locks the row. Another person's session, another organization's and none at all are one error.
#variable_conflict use_column
declare
  result public.chat_sessions;
begin
  select s.* into result from public.chat_sessions s
  where s.organization_id = require_own_session.organization_id
    and s.id = require_own_session.session_id
    and s.user_id = private.current_user_id()
  for update;
  if not found then
    raise exception using errcode = 'P0002', message = 'session_not_found', detail = 'No session of yours has this id.';
  end if;
  return result;
end
$$;
comment on function private.require_own_session(bigint, uuid) is 'The caller''s session, locked; P0002 session_not_found.';
revoke all on function private.require_own_session(bigint, uuid) from public, anon, authenticated, service_role;

create function private.require_project(organization_id bigint, project_id bigint) returns void
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: called by definer functions only.
begin
  if project_id is not null and not exists (
    select 1 from client_mgmt.projects p
    where p.organization_id = require_project.organization_id and p.id = require_project.project_id
  ) then
    raise exception using errcode = 'P0002', message = 'project_not_found', detail = 'No such project.';
  end if;
end
$$;
comment on function private.require_project(bigint, bigint) is 'Passes for null and for the organization''s project; else P0002 project_not_found.';
revoke all on function private.require_project(bigint, bigint) from public, anon, authenticated, service_role;

create function private.explain_effective_llm(agent text, model text, session_id uuid, project_id bigint)
returns table (layer text, model_name text, provider text, settings jsonb, is_winner boolean)
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: explains what begin_execution() would choose, from the same functions, for the caller only.
#variable_conflict use_column
declare
  organization constant bigint := private.require_organization();
  chat public.chat_sessions;
  project bigint := explain_effective_llm.project_id;
  chosen public.agents;
begin
  if explain_effective_llm.session_id is not null then
    chat := private.require_own_session(organization, explain_effective_llm.session_id);
  end if;
  project := coalesce(project, chat.project_id);
  perform private.require_project(organization, project);
  chosen := private.find_agent(
    organization,
    coalesce(explain_effective_llm.agent,
      case when chat.agent_id is null then private.preferred_agent(organization, project, null) end),
    case when explain_effective_llm.agent is null then chat.agent_id end
  );
  return query
  select e.layer, e.name, e.provider, e.settings, e.is_winner
  from private.effective_llm(organization, chosen.id, explain_effective_llm.model, chat.id, project) e;
end
$$;
comment on function private.explain_effective_llm(text, text, uuid, bigint) is 'Body of public.explain_effective_llm().';
revoke all on function private.explain_effective_llm(text, text, uuid, bigint) from public, anon, authenticated, service_role;
grant execute on function private.explain_effective_llm(text, text, uuid, bigint) to authenticated;

create function public.explain_effective_llm(
  agent text default null, model text default null, session_id uuid default null, project_id bigint default null
) returns table (layer text, model_name text, provider text, settings jsonb, is_winner boolean)
language sql volatile security invoker set search_path = ''
as $$ select * from private.explain_effective_llm(agent, model, session_id, project_id) $$;
comment on function public.explain_effective_llm(text, text, uuid, bigint) is
  'Which model an invocation with these arguments would use: every layer that names one, in order, and the winner.';
revoke all on function public.explain_effective_llm(text, text, uuid, bigint) from public, anon, authenticated, service_role;
grant execute on function public.explain_effective_llm(text, text, uuid, bigint) to authenticated;

-- ── Circuit breaker ───────────────────────────────────────────────────────────────────────────
-- Opens after 5 provider faults in a row; after 30 s exactly one caller may probe, for at most 60 s.
-- A closed breaker without faults has no row to write. One update decides who probes.

create function private.acquire_breaker(agent_id bigint, model_id bigint, may_probe boolean) returns bigint
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: the table denies everyone. Called by begin_execution() only.
#variable_conflict use_column
declare
  breaker public.circuit_breaker_state;
  probe bigint;
begin
  select b.* into breaker from public.circuit_breaker_state b
  where b.organization_id is null and b.agent_id = acquire_breaker.agent_id and b.model_id = acquire_breaker.model_id;
  if not found then
    return 0;
  end if;
  if breaker.state = 'closed' then
    return breaker.generation;
  end if;
  if may_probe then
    update public.circuit_breaker_state b
    set state = 'half_open', generation = b.generation + 1,
      probe_expires_at = clock_timestamp() + interval '60 seconds'
    where b.id = breaker.id and (
      (b.state = 'open' and b.opened_at <= clock_timestamp() - interval '30 seconds')
      or (b.state = 'half_open' and b.probe_expires_at <= clock_timestamp())
    )
    returning b.generation into probe;
  end if;
  return probe;
end
$$;
comment on function private.acquire_breaker(bigint, bigint, boolean) is
  'Generation under which a call may be made; null when the breaker is open or another caller probes.';

create function private.settle_breaker(agent_id bigint, model_id bigint, generation bigint, outcome text) returns void
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: the table denies everyone. Called by finish_execution() only. outcome: success, fault, neutral.
#variable_conflict use_column
begin
  if outcome = 'fault' then
    insert into public.circuit_breaker_state as b (
      organization_id, agent_id, model_id, failure_count, last_failure_time
    ) values (null, settle_breaker.agent_id, settle_breaker.model_id, 1, clock_timestamp())
    on conflict on constraint circuit_breaker_state_key do update set
      failure_count = b.failure_count + 1,
      last_failure_time = clock_timestamp(),
      state = case when b.state = 'half_open' or b.failure_count + 1 >= 5 then 'open' else b.state end,
      opened_at = case when b.state = 'half_open' or b.failure_count + 1 >= 5 then clock_timestamp() else b.opened_at end,
      generation = case when b.state = 'half_open' or b.failure_count + 1 >= 5 then b.generation + 1 else b.generation end,
      probe_expires_at = null
    -- A late fault of an older generation says nothing of the provider now.
    where b.generation = settle_breaker.generation and b.state <> 'open';
  elsif outcome = 'success' then
    update public.circuit_breaker_state b
    set state = 'closed', failure_count = 0, probe_expires_at = null, last_success_time = clock_timestamp(),
      success_count = b.success_count + case when b.state = 'half_open' then 1 else 0 end
    where b.organization_id is null and b.agent_id = settle_breaker.agent_id and b.model_id = settle_breaker.model_id
      and b.generation = settle_breaker.generation and (b.state <> 'closed' or b.failure_count > 0);
  else
    -- The probe ended without a word on the provider: the next caller may probe.
    update public.circuit_breaker_state b set probe_expires_at = clock_timestamp()
    where b.organization_id is null and b.agent_id = settle_breaker.agent_id and b.model_id = settle_breaker.model_id
      and b.generation = settle_breaker.generation and b.state = 'half_open';
  end if;
end
$$;
comment on function private.settle_breaker(bigint, bigint, bigint, text) is
  'Counts an outcome under the generation it was made in. A success on a closed breaker without faults writes nothing.';
revoke all on function private.acquire_breaker(bigint, bigint, boolean), private.settle_breaker(bigint, bigint, bigint, text)
  from public, anon, authenticated, service_role;

-- ── Results ───────────────────────────────────────────────────────────────────────────────────

create function private.execution_result(organization_id bigint, execution_id uuid) returns jsonb
language sql stable security definer set search_path = ''
as $$
  -- Definer: called by definer functions that have checked whose execution it is.
  select jsonb_build_object(
    'status', x.status, 'finish_reason', x.finish_reason, 'error_code', x.error_code,
    'message', case when m.id is not null then
      jsonb_build_object('id', m.id, 'role', m.role, 'content', m.content, 'parts', m.parts) end,
    'usage', jsonb_build_object(
      'input_tokens', x.input_tokens, 'output_tokens', x.output_tokens, 'total_tokens', x.total_tokens),
    'cost_usd', x.cost_usd, 'model', model.name, 'latency_ms', x.latency_ms
  )
  from public.agent_executions x
  left join public.chat_messages m on m.organization_id = x.organization_id and m.id = x.response_message_id
  left join public.models model on model.id = x.model_id
  where x.organization_id = execution_result.organization_id and x.id = execution_result.execution_id
$$;
comment on function private.execution_result(bigint, uuid) is
  '{ status, finish_reason, error_code, message, usage, cost_usd, model, latency_ms } of an execution.';
revoke all on function private.execution_result(bigint, uuid) from public, anon, authenticated, service_role;

create function private.conversation_history(organization_id bigint, session_id uuid, message_id uuid) returns jsonb
language sql stable security definer set search_path = ''
as $$
  -- Definer: called by begin_execution() only. Follows the branch upwards; 200 messages at most.
  with recursive branch as (
    select m.id, m.parent_id, m.role, m.content, m.parts, 1 as depth
    from public.chat_messages m
    where m.organization_id = conversation_history.organization_id and m.id = conversation_history.message_id
    union all
    select m.id, m.parent_id, m.role, m.content, m.parts, b.depth + 1
    from branch b
    join public.chat_messages m
      on m.organization_id = conversation_history.organization_id
      and m.session_id = conversation_history.session_id and m.id = b.parent_id
    where b.depth < 200
  )
  select jsonb_agg(
    jsonb_build_object('id', id, 'role', role, 'content', content, 'parts', parts) order by depth desc
  )
  from branch
$$;
comment on function private.conversation_history(bigint, uuid, uuid) is 'The branch that ends with a message, oldest first.';
revoke all on function private.conversation_history(bigint, uuid, uuid) from public, anon, authenticated, service_role;

create function private.execution_cost(
  provider text, model_id text, input_tokens bigint, cached_input_tokens bigint, output_tokens bigint
) returns numeric
language sql stable security definer set search_path = ''
as $$
  -- Definer: called by finish_execution() only.
  select (
    (input_tokens - coalesce(cached_input_tokens, 0)) * p.input_per_million
    + case when coalesce(cached_input_tokens, 0) = 0 then 0 else cached_input_tokens * p.cached_input_per_million end
    + output_tokens * p.output_per_million
  ) / 1000000
  from client_mgmt.model_prices p
  where p.provider = execution_cost.provider and p.model_id = execution_cost.model_id
    and p.valid_from <= statement_timestamp()
  order by p.valid_from desc limit 1
$$;
comment on function private.execution_cost(text, text, bigint, bigint, bigint) is
  'US dollars at the price valid now; null when a price or a count is unknown.';
revoke all on function private.execution_cost(text, text, bigint, bigint, bigint) from public, anon, authenticated, service_role;

-- ── begin_execution ───────────────────────────────────────────────────────────────────────────

create function private.validate_invocation(message jsonb, params jsonb, idempotency_key text) returns void
language plpgsql immutable security invoker set search_path = ''
as $$
begin
  if jsonb_typeof(message) is distinct from 'object'
    or jsonb_typeof(message -> 'content') not in ('string', 'array')
    or message -> 'content' is null
    or message -> 'content' in ('""'::jsonb, '[]'::jsonb)
    or octet_length(message ->> 'content') > 262144
    or (message ->> 'id') !~ '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$'
    or jsonb_typeof(params) is distinct from 'object'
    or char_length(idempotency_key) not between 1 and 255
  then
    raise exception using errcode = '22023', message = 'invalid_request',
      detail = 'message is { id?: uuid, content: text or parts of at most 256 KB }, params an object, idempotency_key 1 to 255 characters.';
  end if;
end
$$;
comment on function private.validate_invocation(jsonb, jsonb, text) is 'Passes for a well-formed request; else 22023 invalid_request.';
revoke all on function private.validate_invocation(jsonb, jsonb, text) from public, anon, authenticated, service_role;

-- The route of an invocation as JSON: the model that won, then, when nobody asked for a particular
-- one, the agent's others in order; without the providers that have no key, without open breakers.
create function private.plan_route(
  organization_id bigint, agent_id bigint, model text, session_id uuid, project_id bigint, providers text[]
) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: called by begin_execution() only.
#variable_conflict use_column
declare
  winner record;
  candidate record;
  generation bigint;
  route jsonb := '[]';
  has_provider boolean := false;
begin
  select e.* into winner
  from private.effective_llm(
    plan_route.organization_id, plan_route.agent_id, plan_route.model, plan_route.session_id, plan_route.project_id
  ) e
  where e.is_winner and (plan_route.model is null or e.layer = 'request');
  if not found then
    raise exception using errcode = 'P0002', message = 'model_not_found', detail = 'The agent has no such enabled model.';
  end if;

  for candidate in
    select m.id, m.name, m.provider, m.model_id, a.config || m.config as config
    from public.models m
    join public.agents a on a.id = m.agent_id
    where m.agent_id = plan_route.agent_id and m.enabled
      and (m.organization_id is null or m.organization_id = plan_route.organization_id)
      and (m.id = winner.model_id or winner.layer not in ('request', 'session'))
    order by m.id <> winner.model_id, m.priority, m.id
  loop
    continue when plan_route.providers is not null and not candidate.provider = any (plan_route.providers);
    has_provider := true;
    generation := private.acquire_breaker(plan_route.agent_id, candidate.id, route = '[]');
    continue when generation is null;
    route := route || jsonb_build_array(jsonb_build_object(
      'model_id', candidate.id, 'name', candidate.name, 'provider', candidate.provider,
      'model', candidate.model_id, 'config', candidate.config, 'settings', winner.settings, 'generation', generation
    ));
  end loop;

  if route = '[]' then
    raise exception using errcode = '55000',
      message = case when has_provider then 'circuit_open' else 'provider_not_configured' end,
      detail = case when has_provider
        then 'The provider has failed repeatedly. Try again in half a minute.'
        else 'No key is configured for the provider of this model.' end;
  end if;
  return route;
end
$$;
comment on function private.plan_route(bigint, bigint, text, uuid, bigint, text[]) is
  'Models to try in order. P0002 model_not_found; 55000 provider_not_configured or circuit_open.';
revoke all on function private.plan_route(bigint, bigint, text, uuid, bigint, text[]) from public, anon, authenticated, service_role;

create function private.begin_execution(
  message jsonb, agent text, model text, session_id uuid, project_id bigint, parent_id uuid,
  params jsonb, idempotency_key text, providers text[]
) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: writes messages and executions, which no client may. Acts for the caller in the active
-- organization only; every id that comes in is looked up there.
#variable_conflict use_column
declare
  organization constant bigint := private.require_organization('agents.invoke');
  account constant uuid := private.current_user_id();
  key constant text := coalesce(begin_execution.idempotency_key, begin_execution.message ->> 'id');
  request constant bytea := sha256(convert_to(jsonb_build_object(
    'message', message, 'agent', agent, 'model', model, 'session_id', session_id,
    'project_id', project_id, 'parent_id', parent_id, 'params', params
  )::text, 'UTF8'));
  chat public.chat_sessions;
  chosen public.agents;
  route jsonb;
  project bigint := begin_execution.project_id;
  parent uuid := begin_execution.parent_id;
  message_id constant uuid := coalesce((message ->> 'id')::uuid, private.uuid_v7());
  execution public.agent_executions;
  replayed boolean := false;
begin
  perform private.validate_invocation(message, params, idempotency_key);

  if key is not null then
    -- Racing repeats wait here for the first one, then find its row.
    perform pg_advisory_xact_lock(hashtextextended(organization || '/' || account || '/' || key, 0));
    select x.* into execution from public.agent_executions x
    where x.organization_id = organization and x.user_id = account and x.idempotency_key = key;
    replayed := found;
  end if;

  if replayed then
    if execution.request_hash <> request then
      raise exception using errcode = '23505', message = 'idempotency_conflict',
        detail = 'The key was used for another request.';
    end if;
    select a.* into chosen from public.agents a where a.id = execution.agent_id;
  else
    if begin_execution.session_id is not null then
      chat := private.require_own_session(organization, begin_execution.session_id);
      if chat.status = 'closed' then
        raise exception using errcode = '55000', message = 'session_closed', detail = 'The session is closed.';
      end if;
      if exists (
        select 1 from public.agent_executions x
        where x.organization_id = organization and x.session_id = chat.id
          and x.status in ('pending', 'running') and x.lease_expires_at > clock_timestamp()
      ) then
        raise exception using errcode = '55000', message = 'session_busy',
          detail = 'An execution of this session is still running.';
      end if;
    end if;
    project := coalesce(project, chat.project_id);
    perform private.require_project(organization, project);
    chosen := private.find_agent(
      organization,
      coalesce(agent, case when chat.agent_id is null then private.preferred_agent(organization, project, providers) end),
      case when agent is null then chat.agent_id end
    );
    route := private.plan_route(organization, chosen.id, model, chat.id, project, providers);

    if chat.id is null then
      insert into public.chat_sessions (organization_id, user_id, agent_id, project_id)
      values (organization, account, chosen.id, project) returning * into chat;
    elsif parent is null then
      select m.id into parent from public.chat_messages m
      where m.organization_id = organization and m.session_id = chat.id
      order by m.created_at desc, m.id desc limit 1;
    end if;
    if begin_execution.parent_id is not null and not exists (
      select 1 from public.chat_messages m
      where m.organization_id = organization and m.session_id = chat.id and m.id = parent
    ) then
      raise exception using errcode = 'P0002', message = 'parent_not_found', detail = 'No message of the session has this id.';
    end if;

    begin
      insert into public.chat_messages (organization_id, id, session_id, user_id, parent_id, role, content, parts)
      values (
        organization, message_id, chat.id, account, parent, 'user',
        case jsonb_typeof(message -> 'content')
          when 'string' then message ->> 'content'
          else coalesce((
            select string_agg(p ->> 'text', '' order by n)
            from jsonb_array_elements(message -> 'content') with ordinality e(p, n)
            where p ->> 'type' = 'text'
          ), '')
        end,
        case when jsonb_typeof(message -> 'content') = 'array' then message -> 'content' end
      );
    exception when unique_violation then
      raise exception using errcode = '23505', message = 'idempotency_conflict',
        detail = 'The message id was used for another request.';
    end;

    insert into public.agent_executions (
      organization_id, session_id, user_id, message_id, project_id, agent_id, model_id, status,
      idempotency_key, request_hash, route, lease_expires_at
    ) values (
      organization, chat.id, account, message_id, project, chosen.id, (route -> 0 ->> 'model_id')::bigint, 'running',
      key, request, (
        select jsonb_agg(jsonb_build_object('model_id', r -> 'model_id', 'generation', r -> 'generation') order by n)
        from jsonb_array_elements(route) with ordinality e(r, n)
      ), clock_timestamp() + interval '120 seconds'
    ) returning * into execution;

    update public.chat_sessions s
    set last_message_at = clock_timestamp(), agent_id = coalesce(s.agent_id, chosen.id)
    where s.organization_id = organization and s.id = chat.id;
  end if;

  return jsonb_build_object(
    'organization_id', organization,
    'execution_id', execution.id,
    'session_id', execution.session_id,
    'message_id', execution.message_id,
    'response_message_id', execution.response_message_id,
    'replayed', replayed,
    'status', execution.status,
    'agent', jsonb_build_object('id', chosen.id, 'name', chosen.name),
    'lease_seconds', 120
  ) || case when replayed then jsonb_build_object(
    'result', case when execution.completed_at is not null then private.execution_result(organization, execution.id) end
  ) else jsonb_build_object(
    'result', null,
    'route', (
      select jsonb_agg(r - 'settings' - 'generation' order by n)
      from jsonb_array_elements(route) with ordinality e(r, n)
    ),
    'params', (route -> 0 -> 'settings') || params,
    'system_prompts', (select coalesce(jsonb_agg(p.content), '[]') from private.effective_system_prompts() p),
    'history', private.conversation_history(organization, execution.session_id, execution.message_id)
  ) end;
end
$$;
comment on function private.begin_execution(jsonb, text, text, uuid, bigint, uuid, jsonb, text, text[]) is 'Body of public.begin_execution().';
revoke all on function private.begin_execution(jsonb, text, text, uuid, bigint, uuid, jsonb, text, text[])
  from public, anon, authenticated, service_role;
grant execute on function private.begin_execution(jsonb, text, text, uuid, bigint, uuid, jsonb, text, text[]) to authenticated;

create function public.begin_execution(
  message jsonb, agent text default null, model text default null, session_id uuid default null,
  project_id bigint default null, parent_id uuid default null, params jsonb default '{}',
  idempotency_key text default null, providers text[] default null
) returns jsonb
language sql volatile security invoker set search_path = ''
as $$
  select private.begin_execution(
    message, agent, model, session_id, project_id, parent_id, params, idempotency_key, providers
  )
$$;
comment on function public.begin_execution(jsonb, text, text, uuid, bigint, uuid, jsonb, text, text[]) is
  'Opens one execution for the caller in one transaction: session, user message, route, prompts, history. '
  'The same idempotency key (or message id) and request answers the same execution (replayed). For the '
  'function agents: an execution nobody works on ends failed (interrupted) when its lease runs out. Errors '
  'are listed in docs/error-codes.md; a refused request writes nothing.';
revoke all on function public.begin_execution(jsonb, text, text, uuid, bigint, uuid, jsonb, text, text[])
  from public, anon, authenticated, service_role;
grant execute on function public.begin_execution(jsonb, text, text, uuid, bigint, uuid, jsonb, text, text[]) to authenticated;

-- ── finish_execution ──────────────────────────────────────────────────────────────────────────

create function private.count_outcome(execution public.agent_executions, fault text) returns void
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: called by finish_execution() only.
declare
  succeeded constant integer := (execution.status = 'success')::integer;
  failed constant integer := (execution.status = 'failed')::integer;
  cancelled constant integer := (execution.status = 'cancelled')::integer;
  measured constant integer := (execution.input_tokens is not null and execution.output_tokens is not null)::integer;
begin
  perform private.settle_breaker(
    execution.agent_id, execution.model_id,
    (
      select (r ->> 'generation')::bigint from jsonb_array_elements(execution.route) r
      where (r ->> 'model_id')::bigint = execution.model_id
    ),
    case when execution.status = 'success' then 'success' when fault = 'provider' then 'fault' else 'neutral' end
  );

  if fault = 'provider' then
    insert into public.agent_health as h (organization_id, agent_id, status, last_check, last_error, consecutive_failures)
    values (execution.organization_id, execution.agent_id, 'degraded', clock_timestamp(), execution.error_code, 1)
    on conflict on constraint agent_health_agent_id_key do update set
      consecutive_failures = h.consecutive_failures + 1, last_check = clock_timestamp(), last_error = excluded.last_error,
      status = case when h.consecutive_failures + 1 >= 5 then 'unhealthy' else 'degraded' end;
  elsif execution.status = 'success' then
    update public.agent_health h set status = 'healthy', consecutive_failures = 0, last_check = clock_timestamp()
    where h.organization_id = execution.organization_id and h.agent_id = execution.agent_id and h.status <> 'healthy';
  end if;

  insert into public.agent_metrics as m (
    organization_id, agent_id, total_requests, successful_requests, failed_requests, cancelled_requests,
    measured_requests, avg_latency_ms, avg_tokens_in, avg_tokens_out
  ) values (
    execution.organization_id, execution.agent_id, 1, succeeded, failed, cancelled, measured, execution.latency_ms,
    case when measured = 1 then execution.input_tokens end, case when measured = 1 then execution.output_tokens end
  )
  on conflict on constraint agent_metrics_day_key do update set
    total_requests = m.total_requests + 1,
    successful_requests = m.successful_requests + succeeded,
    failed_requests = m.failed_requests + failed,
    cancelled_requests = m.cancelled_requests + cancelled,
    measured_requests = m.measured_requests + measured,
    avg_latency_ms = m.avg_latency_ms + (excluded.avg_latency_ms - m.avg_latency_ms) / (m.total_requests + 1),
    avg_tokens_in = case when measured = 0 then m.avg_tokens_in
      else coalesce(m.avg_tokens_in, 0) + (excluded.avg_tokens_in - coalesce(m.avg_tokens_in, 0)) / (m.measured_requests + 1) end,
    avg_tokens_out = case when measured = 0 then m.avg_tokens_out
      else coalesce(m.avg_tokens_out, 0) + (excluded.avg_tokens_out - coalesce(m.avg_tokens_out, 0)) / (m.measured_requests + 1) end;
end
$$;
comment on function private.count_outcome(public.agent_executions, text) is 'Breaker, health and metrics of one ended execution.';
revoke all on function private.count_outcome(public.agent_executions, text) from public, anon, authenticated, service_role;

create function public.finish_execution(organization_id bigint, execution_id uuid, outcome jsonb) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: service_role holds no grant on these tables either. Executable by service_role only.
#variable_conflict use_column
declare
  execution public.agent_executions;
  model public.models;
  text_kept constant text := coalesce(outcome ->> 'content', '');
  parts_kept constant jsonb := case when jsonb_typeof(outcome -> 'parts') = 'array' then outcome -> 'parts' end;
begin
  if outcome ->> 'status' not in ('success', 'failed', 'cancelled') or outcome ->> 'status' is null
    or (outcome ->> 'status' = 'success' and outcome ->> 'finish_reason' is null)
    or (outcome ->> 'status' = 'failed' and outcome ->> 'error_code' is null)
  then
    raise exception using errcode = '22023', message = 'invalid_request',
      detail = 'outcome.status is success (with finish_reason), failed (with error_code) or cancelled.';
  end if;

  update public.agent_executions x set
    status = outcome ->> 'status',
    model_id = coalesce((outcome ->> 'model_id')::bigint, x.model_id),
    finish_reason = outcome ->> 'finish_reason',
    error_code = outcome ->> 'error_code',
    error_message = left(outcome ->> 'error_message', 2000),
    input_tokens = (outcome ->> 'input_tokens')::bigint,
    output_tokens = (outcome ->> 'output_tokens')::bigint,
    total_tokens = coalesce(
      (outcome ->> 'total_tokens')::bigint, (outcome ->> 'input_tokens')::bigint + (outcome ->> 'output_tokens')::bigint
    ),
    cached_input_tokens = (outcome ->> 'cached_input_tokens')::bigint,
    reasoning_tokens = (outcome ->> 'reasoning_tokens')::bigint,
    latency_ms = coalesce(
      (outcome ->> 'latency_ms')::integer, (extract(epoch from clock_timestamp() - x.created_at) * 1000)::integer
    ),
    first_chunk_ms = (outcome ->> 'first_chunk_ms')::integer,
    metadata = x.metadata || jsonb_strip_nulls(jsonb_build_object('provider_request_id', outcome ->> 'provider_request_id')),
    completed_at = clock_timestamp()
  where x.organization_id = finish_execution.organization_id and x.id = finish_execution.execution_id
    and x.status in ('pending', 'running')
  returning x.* into execution;

  if not found then
    if not exists (
      select 1 from public.agent_executions x
      where x.organization_id = finish_execution.organization_id and x.id = finish_execution.execution_id
    ) then
      raise exception using errcode = 'P0002', message = 'execution_not_found', detail = 'No such execution.';
    end if;
    return private.execution_result(finish_execution.organization_id, finish_execution.execution_id)
      || jsonb_build_object('already_final', true);
  end if;

  select m.* into model from public.models m where m.id = execution.model_id;
  update public.agent_executions x
  set cost_usd = private.execution_cost(
    model.provider, model.model_id, x.input_tokens, x.cached_input_tokens, x.output_tokens
  )
  where x.organization_id = execution.organization_id and x.id = execution.id
  returning x.* into execution;

  if text_kept <> '' or parts_kept is not null then
    insert into public.chat_messages (
      organization_id, id, session_id, user_id, parent_id, role, content, parts,
      tokens_in, tokens_out, tokens_total, metadata
    ) values (
      execution.organization_id, execution.response_message_id, execution.session_id, execution.user_id,
      execution.message_id, 'assistant', text_kept, parts_kept,
      execution.input_tokens, execution.output_tokens, execution.total_tokens,
      jsonb_build_object('execution_id', execution.id, 'status', execution.status, 'partial', execution.status <> 'success')
    );
    update public.chat_sessions s set last_message_at = clock_timestamp()
    where s.organization_id = execution.organization_id and s.id = execution.session_id;
  end if;

  if model.id is not null then
    insert into client_mgmt.usage_ledger (
      organization_id, execution_id, user_id, project_id, agent_name, provider, model_id,
      input_tokens, output_tokens, cached_input_tokens, reasoning_tokens, cost_usd
    )
    select execution.organization_id, execution.id, execution.user_id, execution.project_id, a.name,
      model.provider, model.model_id, execution.input_tokens, execution.output_tokens,
      execution.cached_input_tokens, execution.reasoning_tokens, execution.cost_usd
    from (select 1) one left join public.agents a on a.id = execution.agent_id;
  end if;
  if execution.agent_id is not null then
    perform private.count_outcome(execution, outcome ->> 'fault');
  end if;

  return private.execution_result(execution.organization_id, execution.id) || jsonb_build_object('already_final', false);
end
$$;
comment on function public.finish_execution(bigint, uuid, jsonb) is
  'Ends an execution, once: assistant message, usage, cost, breaker, health and metrics in one transaction. '
  'A second call changes nothing and answers what is stored (already_final). Service role only: a caller must not write usage.';
revoke all on function public.finish_execution(bigint, uuid, jsonb) from public, anon, authenticated, service_role;
grant execute on function public.finish_execution(bigint, uuid, jsonb) to service_role;

create function public.renew_execution_lease(organization_id bigint, execution_id uuid) returns text
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: service_role holds no grant to update executions. Executable by service_role only.
#variable_conflict use_column
declare
  current_status text;
begin
  update public.agent_executions x set lease_expires_at = clock_timestamp() + interval '120 seconds'
  where x.organization_id = renew_execution_lease.organization_id and x.id = renew_execution_lease.execution_id
    and x.status in ('pending', 'running')
  returning x.status into current_status;
  if not found then
    select x.status into current_status from public.agent_executions x
    where x.organization_id = renew_execution_lease.organization_id and x.id = renew_execution_lease.execution_id;
  end if;
  return current_status;
end
$$;
comment on function public.renew_execution_lease(bigint, uuid) is
  'Keeps a running execution alive for another 120 seconds; answers its status, null when it is gone. Service role only.';
revoke all on function public.renew_execution_lease(bigint, uuid) from public, anon, authenticated, service_role;
grant execute on function public.renew_execution_lease(bigint, uuid) to service_role;
