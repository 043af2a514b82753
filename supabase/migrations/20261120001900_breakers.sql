-- Breakers: they decide, from the last faults of its provider, whether a model may be called.

create table public.circuit_breaker_state (
  id bigint generated always as identity primary key,
  organization_id bigint references public.organizations (id) on delete cascade,
  agent_id bigint not null references public.agents (id) on delete cascade,
  model_id bigint references public.models (id) on delete cascade,
  state text not null default 'closed'
    constraint circuit_breaker_state_state check (state in ('closed', 'open', 'half_open')),
  failure_count integer not null default 0,
  success_count integer not null default 0,
  last_failure_time timestamptz,
  last_success_time timestamptz,
  opened_at timestamptz,
  generation bigint not null default 0,
  probe_expires_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint circuit_breaker_state_key unique nulls not distinct (organization_id, agent_id, model_id)
);
comment on table public.circuit_breaker_state is
  'One breaker per agent, model and credential. organization_id null: the platform''s credential; else the '
  'organization''s own. So a bad key of one organization pauses no model for another. No row: closed.';
comment on column public.circuit_breaker_state.failure_count is 'Provider faults since the last success.';
comment on column public.circuit_breaker_state.success_count is 'Successful probes.';
comment on column public.circuit_breaker_state.generation is
  'Counts openings and probes; an outcome of an older generation is ignored.';
comment on column public.circuit_breaker_state.probe_expires_at is
  'While half open: the end of the time for the one probe.';
create index circuit_breaker_state_agent_id_idx on public.circuit_breaker_state (agent_id, model_id);
create index circuit_breaker_state_model_id_idx on public.circuit_breaker_state (model_id);
create index circuit_breaker_state_open_idx on public.circuit_breaker_state (opened_at)
  where state <> 'closed';
alter table public.circuit_breaker_state enable row level security;
alter table public.circuit_breaker_state force row level security;
revoke all on public.circuit_breaker_state from anon, authenticated, service_role;
grant select on public.circuit_breaker_state to service_role;
-- No policy: deny everyone. Clients see private.breaker_states() through v_agent_status. A breaker of the
-- platform's credential (organization_id null) may belong to an agent of any organization.
create trigger circuit_breaker_state_check_references
  before insert or update of organization_id, agent_id, model_id on public.circuit_breaker_state
  for each row when (new.organization_id is not null) execute function private.check_shared_references();
create trigger circuit_breaker_state_updated_at before update on public.circuit_breaker_state
  for each row execute function private.update_updated_at_column();

create function private.breaker_states() returns table (agent_id bigint, state text)
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: circuit_breaker_state denies everyone. Returns only the state, and only of breakers that apply
-- to the caller's requests. One call returns all, so that the caller is looked up once.
declare
  organization constant bigint := private.current_organization_id();
begin
  return query
  select distinct on (b.agent_id) b.agent_id, b.state
  from public.circuit_breaker_state b
  join public.agents a on a.id = b.agent_id
  -- Another organization's own model of a shared agent is not the caller's.
  join public.models m on m.id = b.model_id
  where (a.organization_id is null or a.organization_id = organization)
    and (m.organization_id is null or m.organization_id = organization)
    and (b.organization_id is null or b.organization_id = organization)
  order by b.agent_id, case b.state when 'open' then 0 when 'half_open' then 1 else 2 end;
end
$$;
comment on function private.breaker_states() is
  'The worst breaker state of each agent for the caller''s requests. An agent without a breaker is not '
  'listed.';
revoke all on function private.breaker_states() from public, anon, authenticated, service_role;
grant execute on function private.breaker_states() to authenticated, service_role;

create view public.v_agent_status with (security_invoker = true) as
select
  a.id as agent_id, a.organization_id, a.name, a.type, a.enabled,
  -- A breaker that others opened applies before the organization's own first fault.
  case when h.status <> 'healthy' then h.status
    when coalesce(b.state, 'closed') <> 'closed' then 'degraded'
    else 'healthy' end as health,
  coalesce(b.state, 'closed') as circuit_state,
  h.last_check, h.last_error, coalesce(h.consecutive_failures, 0) as consecutive_failures,
  coalesce(m.total_requests, 0) as requests_today,
  coalesce(m.failed_requests, 0) as failed_today,
  m.avg_latency_ms as avg_latency_ms_today
from public.agents a
left join private.breaker_states() b on b.agent_id = a.id
left join public.agent_health h
  on h.agent_id = a.id and h.organization_id = (select private.current_organization_id())
left join public.agent_metrics m
  on m.agent_id = a.id and m.organization_id = (select private.current_organization_id())
  and m.date = (now() at time zone 'utc')::date;
comment on view public.v_agent_status is
  'Each visible agent with its health, breaker and today''s figures for the active organization.';
revoke all on public.v_agent_status from anon, authenticated, service_role;
grant select on public.v_agent_status to authenticated, service_role;

-- ── Circuit breaker ─────────────────────────────────────────────────────────────────────────────
-- A breaker opens after 5 provider faults in a row. After 30 s exactly one caller may probe, for at most 60
-- s. A closed breaker without faults has no row. One update decides which caller probes.

create function private.check_breaker(
  breaker public.circuit_breaker_state, out generation bigint, out needs_probe boolean
)
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: called by plan_route() only. It reads and takes nothing: a caller who could take the one probe and
-- not use it would keep a breaker open for everyone.
begin
  if breaker.id is null then
    generation := 0;
    needs_probe := false;
  elsif breaker.state = 'closed' then
    generation := breaker.generation;
    needs_probe := false;
  elsif (breaker.state = 'open' and breaker.opened_at <= clock_timestamp() - interval '30 seconds')
    or (breaker.state = 'half_open' and breaker.probe_expires_at <= clock_timestamp())
  then
    generation := breaker.generation;
    needs_probe := true;
  end if;
end
$$;
comment on function private.check_breaker(public.circuit_breaker_state) is
  'The generation for a call, and whether acquire_probe() must come first. Nulls while the breaker is open '
  'or another worker probes. Null is a breaker without faults.';

create function private.settle_breaker(
  credential_owner bigint, agent_id bigint, model_id bigint, generation bigint, outcome text
) returns void
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: the table denies everyone. Called by finish_execution() only. outcome: success, fault, neutral.
#variable_conflict use_column
begin
  if outcome = 'fault' then
    insert into public.circuit_breaker_state as b (
      organization_id, agent_id, model_id, failure_count, last_failure_time
    ) values (credential_owner, settle_breaker.agent_id, settle_breaker.model_id, 1, clock_timestamp())
    on conflict on constraint circuit_breaker_state_key do update set
      failure_count = b.failure_count + 1,
      last_failure_time = clock_timestamp(),
      state = case when b.state = 'half_open' or b.failure_count + 1 >= 5 then 'open' else b.state end,
      opened_at = case
        when b.state = 'half_open'
        or b.failure_count + 1 >= 5 then clock_timestamp()
        else b.opened_at end,
      generation = case
        when b.state = 'half_open'
        or b.failure_count + 1 >= 5 then b.generation + 1
        else b.generation end,
      probe_expires_at = null
    -- A late fault of an older generation does not describe the provider now.
    where b.generation = settle_breaker.generation and b.state <> 'open';
  elsif outcome = 'success' then
    update public.circuit_breaker_state b
    set state = 'closed', failure_count = 0, probe_expires_at = null, last_success_time = clock_timestamp(),
      success_count = b.success_count + case when b.state = 'half_open' then 1 else 0 end
    where b.organization_id is not distinct from credential_owner
      and b.agent_id = settle_breaker.agent_id
      and b.model_id = settle_breaker.model_id
      and b.generation = settle_breaker.generation and (b.state <> 'closed' or b.failure_count > 0);
  else
    -- The probe ended without a result about the provider: the next caller may probe.
    update public.circuit_breaker_state b set probe_expires_at = clock_timestamp()
    where b.organization_id is not distinct from credential_owner
      and b.agent_id = settle_breaker.agent_id
      and b.model_id = settle_breaker.model_id
      and b.generation = settle_breaker.generation and b.state = 'half_open';
  end if;
end
$$;
comment on function private.settle_breaker(bigint, bigint, bigint, bigint, text) is
  'Counts the outcome of a call for the generation of its beginning. A success on a closed breaker without '
  'faults writes nothing.';
revoke all on function private.check_breaker(public.circuit_breaker_state),
  private.settle_breaker(bigint, bigint, bigint, bigint, text)
  from public, anon, authenticated, service_role;

create function private.take_probe(credential_owner bigint, agent_id bigint, model_id bigint) returns bigint
language sql volatile security definer set search_path = ''
as $$
  -- Definer: the table denies everyone. One update decides among all workers.
  update public.circuit_breaker_state b
  set state = 'half_open', generation = b.generation + 1,
    probe_expires_at = clock_timestamp() + interval '60 seconds'
  where b.organization_id is not distinct from take_probe.credential_owner
    and b.agent_id = take_probe.agent_id and b.model_id = take_probe.model_id
    and (
      (b.state = 'open' and b.opened_at <= clock_timestamp() - interval '30 seconds')
      or (b.state = 'half_open' and b.probe_expires_at <= clock_timestamp())
    )
  returning b.generation
$$;
comment on function private.take_probe(bigint, bigint, bigint) is
  'Takes the one probe of an open breaker, for 60 seconds, and returns its generation; null when another '
  'worker has it.';
revoke all on function private.take_probe(bigint, bigint, bigint)
  from public, anon, authenticated, service_role;

create function public.acquire_probe(
  organization_id bigint,
  execution_id uuid,
  model_id bigint,
  attempt integer default 1
) returns boolean
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: circuit_breaker_state denies everyone. Executable by service_role only.
#variable_conflict use_column
declare
  probe bigint;
  execution public.agent_executions;
begin
  -- Locks the execution first, in the order of its end, which another transaction may run meanwhile.
  select x.* into execution from public.agent_executions x
  where x.organization_id = acquire_probe.organization_id
    and x.id = acquire_probe.execution_id
    and x.status = 'running'
  for no key update;
  if found then
    perform private.require_attempt(execution, acquire_probe.attempt);
    perform private.require_access(execution);
  end if;
  select private.take_probe(
    case when r ->> 'credential' = 'organization' then execution.organization_id end, execution.agent_id,
    acquire_probe.model_id
  ) into probe
  from jsonb_array_elements(execution.route) r
  where (r ->> 'model_id')::bigint = acquire_probe.model_id;
  if probe is null then
    return false;
  end if;
  update public.agent_executions x
  set route = (
    select jsonb_agg(case when (r ->> 'model_id')::bigint = acquire_probe.model_id
      then r || jsonb_build_object('generation', probe, 'probe', true) else r end order by n)
    from jsonb_array_elements(x.route) with ordinality e(r, n)
  )
  where x.organization_id = acquire_probe.organization_id and x.id = acquire_probe.execution_id;
  return true;
end
$$;
comment on function public.acquire_probe(bigint, uuid, bigint, integer) is
  'Takes the one probe of an open breaker for an execution, for 60 seconds; false when another worker has '
  'it. After PT403 access_revoked or PT409 '
  'attempt_over the probe is not taken. Service role only.';

revoke all on function
  public.acquire_probe(bigint, uuid, bigint, integer)
  from public, anon, authenticated, service_role;
grant execute on function
  public.acquire_probe(bigint, uuid, bigint, integer)
  to service_role;
