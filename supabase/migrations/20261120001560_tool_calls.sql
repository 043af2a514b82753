-- Tool calls: intents and outcomes, approvals, and the execution that goes on after an approval.
-- Special: a call is written before it is made and its outcome after, so that a crash leaves unknown and
-- never a second call. An execution does not wait for a person: it ends, and a decision continues the turn
-- in a new one. Locks: execution, session, tool calls, then as invocation.

-- ── conversation.tool_calls ───────────────────────────────────────────────────────────────────

create table conversation.tool_calls (
  organization_id bigint not null,
  execution_id uuid not null,
  tool_call_id text not null
    constraint tool_calls_tool_call_id_length check (char_length(tool_call_id) between 1 and 200),
  step integer not null constraint tool_calls_step check (step >= 1),
  position integer not null constraint tool_calls_position check (position >= 0),
  mcp_configuration_id bigint,
  server text,
  tool text,
  name text not null,
  endpoint text,
  definition_hash text,
  arguments text not null constraint tool_calls_arguments_size check (octet_length(arguments) <= 262144),
  status text not null constraint tool_calls_status check (
    status in ('pending', 'approved', 'denied', 'running', 'success', 'error', 'unknown', 'expired')
  ),
  error_code text,
  result jsonb,
  runner_id uuid,
  started_at timestamptz,
  completed_at timestamptz,
  created_at timestamptz not null default clock_timestamp(),
  primary key (organization_id, execution_id, tool_call_id),
  constraint tool_calls_place_key unique (organization_id, execution_id, step, position),
  constraint tool_calls_execution_fkey foreign key (organization_id, execution_id)
    references public.agent_executions (organization_id, id) on delete cascade,
  constraint tool_calls_configuration_fkey foreign key (organization_id, mcp_configuration_id)
    references public.mcp_configurations (organization_id, id) on delete set null (mcp_configuration_id)
);
comment on table conversation.tool_calls is
  'Tools that a model asked for. Written before the call is made; the outcome after it. Never made twice.';
comment on column conversation.tool_calls.tool_call_id is
  'The provider''s id of the call, or one of ours where the provider repeats itself.';
comment on column conversation.tool_calls.step is
  'The execution''s model call that asked, from 1; position is the call''s place in it, from 0.';
comment on column conversation.tool_calls.name is
  'As the model knows the tool; server and tool are what that stands for, null when it stands for nothing.';
comment on column conversation.tool_calls.endpoint is
  'The server for which the call was meant. Another one never gets it.';
comment on column conversation.tool_calls.definition_hash is 'The definition that the model had read.';
comment on column conversation.tool_calls.arguments is 'JSON exactly as the model wrote it.';
comment on column conversation.tool_calls.status is
  'pending: waits for an approval; approved: may be made until the approval expires; denied and '
  'expired: never made; running: being made; success; error: refused, or answered with an error; '
  'unknown: it may have been made, and nobody knows how it ended.';
comment on column conversation.tool_calls.error_code is 'Why it was not made or failed; a stable code.';
comment on column conversation.tool_calls.result is 'Typed and capped parts of the tool''s answer.';
comment on column conversation.tool_calls.runner_id is
  'The execution whose worker makes the call: the one that asked, or the one that goes on after an approval.';
create index tool_calls_configuration_idx on conversation.tool_calls (organization_id, mcp_configuration_id);
create index tool_calls_waiting_idx on conversation.tool_calls (organization_id, execution_id)
  where status in ('pending', 'approved');
create index tool_calls_running_idx on conversation.tool_calls (organization_id, runner_id)
  where status = 'running';
alter table conversation.tool_calls enable row level security;
alter table conversation.tool_calls force row level security;
create policy select_reader on conversation.tool_calls for select to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and exists (
      select 1 from public.agent_executions x
      where x.organization_id = tool_calls.organization_id and x.id = tool_calls.execution_id
    )
  );
comment on policy select_reader on conversation.tool_calls is 'Whoever may read the execution.';
revoke all on conversation.tool_calls from anon, authenticated, service_role;
grant select on conversation.tool_calls to authenticated, service_role;
-- No insert, update or delete: begin_tool_calls(), finish_tool_call(), decide_tool_call().

-- ── conversation.tool_approvals ───────────────────────────────────────────────────────────────

create table conversation.tool_approvals (
  organization_id bigint not null,
  execution_id uuid not null,
  tool_call_id text not null,
  arguments_hash text not null,
  expires_at timestamptz not null,
  decision text constraint tool_approvals_decision check (decision in ('approve', 'deny')),
  decided_by uuid,
  decided_at timestamptz,
  created_at timestamptz not null default clock_timestamp(),
  primary key (organization_id, execution_id, tool_call_id),
  constraint tool_approvals_call_fkey foreign key (organization_id, execution_id, tool_call_id)
    references conversation.tool_calls (organization_id, execution_id, tool_call_id) on delete cascade
);
comment on table conversation.tool_approvals is
  'Calls for which a person is asked, and what they said: once. Nothing said until it expires means no.';
comment on column conversation.tool_approvals.arguments_hash is
  'SHA-256 of the arguments that were shown, in hexadecimal; no others are ever sent.';
comment on column conversation.tool_approvals.expires_at is
  'End of both: of deciding, and of what an approval allows.';
comment on column conversation.tool_approvals.decided_by is 'No foreign key: outlives the membership.';
alter table conversation.tool_approvals enable row level security;
alter table conversation.tool_approvals force row level security;
create policy select_reader on conversation.tool_approvals for select to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and exists (
      select 1 from public.agent_executions x
      where x.organization_id = tool_approvals.organization_id and x.id = tool_approvals.execution_id
    )
  );
comment on policy select_reader on conversation.tool_approvals is 'Whoever may read the execution.';
revoke all on conversation.tool_approvals from anon, authenticated, service_role;
grant select on conversation.tool_approvals to authenticated, service_role;
-- No insert, update or delete: begin_tool_calls(), decide_tool_call().

-- ── Ends ──────────────────────────────────────────────────────────────────────────────────────

create function private.end_tool_calls() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: nobody holds a grant to update tool calls. Whatever ended the execution, a call that was
-- under way may have been carried out: nobody knows, so nobody makes it again.
begin
  update conversation.tool_calls t
  set status = 'unknown', error_code = coalesce(new.error_code, 'interrupted'),
    completed_at = clock_timestamp()
  where t.organization_id = new.organization_id and t.runner_id = new.id and t.status = 'running';
  return null;
end
$$;
comment on function private.end_tool_calls() is
  'Trigger: calls that an ended execution left running are unknown.';
create trigger agent_executions_end_tool_calls
  after update of status on public.agent_executions
  for each row when (old.completed_at is null and new.completed_at is not null)
  execute function private.end_tool_calls();

create function private.supersede_tool_calls() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: nobody holds a grant to update tool calls. A conversation that goes on elsewhere has not
-- approved what waits: deny is the default.
begin
  update conversation.tool_calls t
  set status = 'denied', error_code = 'tool_call_superseded', completed_at = clock_timestamp()
  from public.agent_executions x
  where t.organization_id = new.organization_id and t.status in ('pending', 'approved')
    and x.organization_id = t.organization_id and x.id = t.execution_id and x.session_id = new.session_id
    -- What was approved and is about to be made by the execution that continues is no longer asked.
    and x.id::text is distinct from new.metadata ->> 'continues'
    and not exists (
      select 1 from public.agent_executions y
      where y.organization_id = x.organization_id
        and y.session_id = x.session_id
        and y.message_id = x.response_message_id
        and y.status in ('pending', 'running') and y.metadata ->> 'continues' = x.id::text
    );
  return null;
end
$$;
comment on function private.supersede_tool_calls() is
  'Trigger: a new turn denies what an earlier one of its session still waits for.';
create trigger agent_executions_supersede_tool_calls
  after insert on public.agent_executions
  for each row execute function private.supersede_tool_calls();

create function private.unknown_outcome_text() returns text
language sql immutable security invoker set search_path = ''
as $$
  select 'The outcome of this call is unknown: it may have been carried out. '
    'Do not repeat it unasked.'
$$;
comment on function private.unknown_outcome_text() is
  'What a model is told of a call that may have been made.';

create function private.interrupted_parts(
  organization_id bigint,
  execution_id uuid,
  content text
) returns jsonb
language sql stable security definer set search_path = ''
as $$
  -- Definer: called by end_expired_execution() only. What a dead worker had done is told to the next
  -- turn's model too, so that it does not ask for the same again unknowingly.
  select jsonb_agg(p.part order by p.place) || case when content = '' then '[]'::jsonb
    else jsonb_build_array(jsonb_build_object('type', 'text', 'text', content)) end
  from (
    select array[t.step, 0, t.position] as place,
      jsonb_build_object(
        'type', 'tool_call', 'id', t.tool_call_id, 'name', t.name, 'arguments', t.arguments
      ) as part
    from conversation.tool_calls t
    where t.organization_id = interrupted_parts.organization_id
      and t.execution_id = interrupted_parts.execution_id
    union all
    select array[t.step, 1, t.position], jsonb_build_object(
      'type', 'tool_result', 'tool_call_id', t.tool_call_id, 'name', t.name, 'is_error',
      t.status <> 'success',
      'content', coalesce(t.result ->> 'text', case t.status
        when 'running' then private.unknown_outcome_text()
        else 'This call was not made.' end))
    from conversation.tool_calls t
    where t.organization_id = interrupted_parts.organization_id
      and t.execution_id = interrupted_parts.execution_id
  ) p
$$;
comment on function private.interrupted_parts(bigint, uuid, text) is
  'Calls and results of an execution whose worker died, as parts of its message; null when it '
  'called no tool.';

create function private.with_tool_results(
  organization_id bigint,
  session_id uuid,
  history jsonb
) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: called by prepare_execution() only. A call that was approved is answered in the next message of
-- its branch; another branch knows all the same that it was made.
#variable_conflict use_column
begin
  if not history @? '$[*].parts[*] ? (@.type == "tool_call")' then
    return history;
  end if;
  return (
    select jsonb_agg(
      case when r.results is null then h.message
        else h.message || jsonb_build_object('parts', (h.message -> 'parts') || r.results) end
      order by h.n
    )
    from jsonb_array_elements(history) with ordinality h(message, n)
    left join (
      select x.response_message_id as message_id, jsonb_agg(jsonb_build_object(
        'type', 'tool_result', 'tool_call_id', t.tool_call_id, 'name', t.name, 'is_error',
        t.status <> 'success',
        'content', coalesce(t.result ->> 'text', private.unknown_outcome_text())
      ) order by t.step, t.position) as results
      from public.agent_executions x
      join conversation.tool_calls t on t.organization_id = x.organization_id and t.execution_id = x.id
      where x.organization_id = with_tool_results.organization_id
        and x.session_id = with_tool_results.session_id
        -- Made by the execution that went on; what its own execution made is in the message already.
        and t.runner_id <> x.id and t.status in ('success', 'error', 'unknown')
      group by x.response_message_id
    ) r on r.message_id = (h.message ->> 'id')::uuid
  );
end
$$;
comment on function private.with_tool_results(bigint, uuid, jsonb) is
  'A history whose calls have the outcomes that came after their message was kept.';

-- ── Making calls ──────────────────────────────────────────────────────────────────────────────

create function private.judge_tool_call(
  organization_id bigint, user_id uuid, mcp_configuration_id bigint, endpoint text, tool text,
  definition_hash text
) returns text
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: called by definer functions only.
#variable_conflict use_column
declare
  server constant public.mcp_configurations := private.usable_mcp_configuration(
    judge_tool_call.organization_id, judge_tool_call.user_id, judge_tool_call.mcp_configuration_id);
  policy constant text := private.mcp_tool_policy(
    judge_tool_call.organization_id, judge_tool_call.mcp_configuration_id, judge_tool_call.tool);
begin
  if server.id is null or server.endpoint is distinct from judge_tool_call.endpoint then
    return 'tool_not_available';
  elsif policy = 'off' then
    return 'tool_off';
  elsif not exists (
    select 1 from client_mgmt.mcp_tools t
    where t.organization_id = server.organization_id and t.mcp_configuration_id = server.id
      and t.name = judge_tool_call.tool
      and t.status = 'pinned'
      and t.definition_hash = judge_tool_call.definition_hash
  ) then
    return 'tool_changed';
  end if;
  return policy;
end
$$;
comment on function private.judge_tool_call(bigint, uuid, bigint, text, text, text) is
  'auto or ask, by the policies of this moment; else why the call must not be made: '
  'tool_not_available, tool_off, tool_changed.';

create function public.begin_tool_calls(
  organization_id bigint,
  execution_id uuid,
  step integer,
  calls jsonb,
  params jsonb
)
returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: service_role holds no grant on tool calls. Executable by service_role only. What may be called
-- is decided here and now, whatever the worker was told when the execution began.
#variable_conflict use_column
declare
  execution public.agent_executions;
  wanted record;
  verdict text;
  waits boolean := false;
  answer jsonb := jsonb_build_array();
begin
  -- Shared: the end of the execution waits, and then finds every call that is running.
  select x.* into execution from public.agent_executions x
  where x.organization_id = begin_tool_calls.organization_id and x.id = begin_tool_calls.execution_id
  for share;
  if execution.status is distinct from 'running' then
    return jsonb_build_object('status', execution.status);
  elsif not private.access_stands(execution) then
    return jsonb_build_object('status', 'revoked');
  elsif execution.cancel_requested_at is not null then
    return jsonb_build_object('status', 'cancelling');
  end if;

  for wanted in
    select c.call, (c.n - 1)::integer as place
    from jsonb_array_elements(calls) with ordinality c(call, n)
    order by c.n
  loop
    verdict := coalesce(wanted.call ->> 'refusal', private.judge_tool_call(
      execution.organization_id, execution.user_id, (wanted.call ->> 'mcp_configuration_id')::bigint,
      wanted.call ->> 'endpoint', wanted.call ->> 'tool', wanted.call ->> 'definition_hash'
    ));
    insert into conversation.tool_calls (
      organization_id, execution_id, tool_call_id, step, position, mcp_configuration_id, server,
      tool, name, endpoint,
      definition_hash, arguments, status, error_code, runner_id, started_at, completed_at
    )
    select execution.organization_id, execution.id, wanted.call ->> 'tool_call_id',
      begin_tool_calls.step, wanted.place,
      c.id, wanted.call ->> 'server', wanted.call ->> 'tool', wanted.call ->> 'name',
      wanted.call ->> 'endpoint',
      wanted.call ->> 'definition_hash', wanted.call ->> 'arguments',
      case verdict when 'auto' then 'running' when 'ask' then 'pending' when 'tool_off' then 'denied'
        when 'tool_changed' then 'denied' else 'error' end,
      case when verdict not in ('auto', 'ask') then verdict end,
      case when verdict = 'auto' then execution.id end,
      case when verdict = 'auto' then clock_timestamp() end,
      case when verdict not in ('auto', 'ask') then clock_timestamp() end
    from (select 1) one
    left join public.mcp_configurations c
      on c.organization_id = execution.organization_id
        and c.id = (wanted.call ->> 'mcp_configuration_id')::bigint;
    if verdict = 'ask' then
      waits := true;
      insert into conversation.tool_approvals (
        organization_id, execution_id, tool_call_id, arguments_hash, expires_at
      )
      values (
        execution.organization_id, execution.id, wanted.call ->> 'tool_call_id',
        encode(sha256(convert_to(wanted.call ->> 'arguments', 'UTF8')), 'hex'),
        clock_timestamp() + interval '15 minutes'
      );
    end if;
    answer := answer || jsonb_build_array(jsonb_build_object(
      'tool_call_id', wanted.call ->> 'tool_call_id',
      'status', case verdict
        when 'auto' then 'running'
        when 'ask' then 'pending'
        when 'tool_off' then 'denied'
        when 'tool_changed' then 'denied' else 'error' end,
      'error_code', case when verdict not in ('auto', 'ask') then verdict end
    ));
  end loop;
  if waits then
    -- For the execution that goes on after the decision.
    update public.agent_executions x
    set metadata = x.metadata || jsonb_build_object('params', begin_tool_calls.params)
    where x.organization_id = execution.organization_id and x.id = execution.id;
  end if;
  return jsonb_build_object('status', 'running', 'calls', answer);
end
$$;
comment on function public.begin_tool_calls(bigint, uuid, integer, jsonb, jsonb) is
  'Writes down what a model asked for before anything is called. calls: [{ tool_call_id, name, '
  'arguments, refusal? } and, without a refusal, { mcp_configuration_id, server, endpoint, tool, '
  'definition_hash }]. Answers { status, calls: [{ tool_call_id, status: running (call it now) | '
  'pending | denied | error, error_code }] }; another status than running means that the execution '
  'has ended or is to end, and nothing was written. params: kept for a continuation. Service role '
  'only.';

create function public.finish_tool_call(
  organization_id bigint,
  execution_id uuid,
  tool_call_id text,
  outcome jsonb
) returns text
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: service_role holds no grant on tool calls. Executable by service_role only.
#variable_conflict use_column
declare
  stored text;
begin
  if coalesce(outcome ->> 'status', '') not in ('success', 'error', 'unknown') then
    raise exception using errcode = '22023', message = 'invalid_request',
      detail = 'outcome.status is success, error or unknown.';
  end if;
  update conversation.tool_calls t
  set status = outcome ->> 'status', error_code = outcome ->> 'error_code', result = outcome -> 'result',
    completed_at = clock_timestamp()
  where t.organization_id = finish_tool_call.organization_id
    and t.execution_id = finish_tool_call.execution_id
    and t.tool_call_id = finish_tool_call.tool_call_id and t.status = 'running'
  returning t.status into stored;
  if stored is null then
    select t.status into stored from conversation.tool_calls t
    where t.organization_id = finish_tool_call.organization_id
      and t.execution_id = finish_tool_call.execution_id
      and t.tool_call_id = finish_tool_call.tool_call_id;
  end if;
  return stored;
end
$$;
comment on function public.finish_tool_call(bigint, uuid, text, jsonb) is
  'Stores how a running call ended: { status: success | error | unknown, error_code?, result? }. '
  'Another call changes nothing. Answers the stored status. Service role only.';

create function public.reserve_execution_step(
  organization_id bigint, execution_id uuid, input_bytes bigint, output_tokens bigint
) returns void
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: nobody holds a grant on counters. Executable by service_role only. A reservation covers one
-- call of the model; each further one adds its own, in the period of the first. Budgets in the
-- order of their ids.
#variable_conflict use_column
declare
  execution public.agent_executions;
  reservation client_mgmt.budget_reservations;
  budget client_mgmt.budgets;
  tokens constant bigint := input_bytes + coalesce(output_tokens, 4096);
  usd numeric;
begin
  perform private.keep_session(reserve_execution_step.organization_id, reserve_execution_step.execution_id);
  select x.* into execution from public.agent_executions x
  where x.organization_id = reserve_execution_step.organization_id
    and x.id = reserve_execution_step.execution_id
    and x.status = 'running'
  for share;
  if not found then
    return;
  end if;
  select private.route_cost(
    jsonb_agg(jsonb_build_object('provider', m.provider, 'model', m.model_id)),
    input_bytes, coalesce(output_tokens, 4096)
  ) into usd
  from jsonb_array_elements(execution.route) r join public.models m on m.id = (r ->> 'model_id')::bigint;

  for reservation in
    select * from client_mgmt.budget_reservations r
    where r.organization_id = execution.organization_id
      and r.execution_id = execution.id
      and r.settled_at is null
    order by r.budget_id
  loop
    select b.* into budget from client_mgmt.budgets b
    where b.organization_id = reservation.organization_id and b.id = reservation.budget_id for key share;
    -- Deleted meanwhile: it limits nothing any more.
    continue when not found;
    perform private.add_to_reservation(budget, execution.id, reservation.period_start, usd, tokens);
  end loop;
end
$$;
comment on function public.reserve_execution_step(bigint, uuid, bigint, bigint) is
  'Adds a further call of the model to an execution''s reservations, or raises PT402 '
  'budget_exceeded and changes nothing. output_tokens null: 4096. Service role only.';

-- ── Approvals ─────────────────────────────────────────────────────────────────────────────────

create function private.continue_execution(source public.agent_executions, providers text[]) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: called by decide_tool_call() only, which has checked whose execution it is and holds it.
#variable_conflict use_column
declare
  chat constant public.chat_sessions := private.require_own_session(
    source.organization_id, source.session_id
  );
  params constant jsonb := coalesce(source.metadata -> 'params', '{}');
  execution public.agent_executions;
  route jsonb;
begin
  if chat.status = 'closed' then
    raise exception using errcode = 'PT409', message = 'session_closed', detail = 'The session is closed.';
  end if;
  perform private.end_expired_executions(source.organization_id, source.id);
  if exists (
    select 1 from public.agent_executions x
    where x.organization_id = source.organization_id and x.user_id = source.user_id and x.session_id = chat.id
      and x.status in ('pending', 'running')
  ) then
    raise exception using errcode = 'PT409', message = 'session_busy',
      detail = 'An execution of this session is still running.';
  end if;
  -- The same model: what it wants back of its own calls, no other takes.
  route := private.plan_route(
    source.organization_id, source.agent_id,
    (select m.name from public.models m where m.id = source.model_id),
    chat.id, source.project_id, providers
  );
  perform private.admit_execution(source.organization_id, source.user_id);
  insert into public.agent_executions (
    organization_id, session_id, user_id, message_id, project_id, agent_id, status, request_hash,
    metadata, lease_expires_at
  ) values (
    source.organization_id, source.session_id, source.user_id, source.response_message_id,
    source.project_id, source.agent_id,
    'running', sha256(convert_to('continues ' || source.id, 'UTF8')),
    jsonb_build_object('continues', source.id),
    private.first_lease()
  ) returning * into execution;
  return private.describe_execution(execution)
    || jsonb_build_object('replayed', false, 'result', null, 'continues', source.id)
    || private.prepare_execution(execution, route, params, null);
end
$$;
comment on function private.continue_execution(public.agent_executions, text[]) is
  'Begins the execution that goes on from another''s answer, as begin_execution() does for a message.';

create function private.decide_tool_call(
  execution_id uuid,
  tool_call_id text,
  decision text,
  providers text[]
) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no client may write approvals. The caller's own executions only.
#variable_conflict use_column
declare
  organization constant bigint := private.require_organization('agents.invoke');
  execution public.agent_executions;
  asked conversation.tool_approvals;
  held conversation.tool_calls;
  waiting integer;
  continued uuid;
  continuation jsonb;
begin
  if decide_tool_call.decision is null or decide_tool_call.decision not in ('approve', 'deny') then
    raise exception using errcode = '22023', message = 'invalid_request',
      detail = 'decision is approve or deny.';
  end if;
  perform private.keep_session(organization, decide_tool_call.execution_id);
  select x.* into execution from public.agent_executions x
  where x.organization_id = organization
    and x.id = decide_tool_call.execution_id
    and x.user_id = private.current_user_id()
  for no key update;
  if not found then
    raise exception using errcode = 'PT404', message = 'execution_not_found',
      detail = 'No execution of yours has this id.';
  end if;
  perform private.require_own_session(organization, execution.session_id);
  select a.* into asked from conversation.tool_approvals a
  where a.organization_id = organization
    and a.execution_id = execution.id
    and a.tool_call_id = decide_tool_call.tool_call_id
  for update;
  select t.* into held from conversation.tool_calls t
  where t.organization_id = organization
    and t.execution_id = execution.id
    and t.tool_call_id = decide_tool_call.tool_call_id;
  if asked.tool_call_id is null or held.tool_call_id is null then
    raise exception using errcode = 'PT404', message = 'tool_call_not_found',
      detail = 'No call of the execution waits under this id.';
  end if;
  if execution.status in ('pending', 'running') then
    raise exception using errcode = 'PT409', message = 'execution_in_progress',
      detail = 'The execution has not ended yet.';
  end if;
  if asked.decision is distinct from decide_tool_call.decision
    and (asked.decision is not null or held.status = 'denied') then
    raise exception using errcode = 'PT409', message = 'tool_call_decided',
      detail = 'The call was decided before, or the conversation has gone on without it.';
  end if;

  if held.status = 'expired'
    or (asked.expires_at <= clock_timestamp() and held.status in ('pending', 'approved')) then
    -- Answered and not raised, so that it stays written. All calls that wait were asked for together.
    update conversation.tool_calls t
    set status = 'expired', error_code = 'tool_approval_expired', completed_at = clock_timestamp()
    where t.organization_id = organization
      and t.execution_id = execution.id
      and t.status in ('pending', 'approved');
    return jsonb_build_object(
      'tool_call_id', held.tool_call_id, 'status', 'expired', 'waiting', 0, 'continued_by', null,
      'continuation', null
    );
  end if;
  if asked.decision is null and held.status = 'pending' then
    update conversation.tool_approvals a
    set decision = decide_tool_call.decision, decided_by = private.current_user_id(),
      decided_at = clock_timestamp()
    where a.organization_id = organization
      and a.execution_id = execution.id
      and a.tool_call_id = held.tool_call_id;
    update conversation.tool_calls t
    set status = case decide_tool_call.decision when 'approve' then 'approved' else 'denied' end,
      error_code = case decide_tool_call.decision when 'deny' then 'tool_call_denied' end,
      completed_at = case decide_tool_call.decision when 'deny' then clock_timestamp() end
    where t.organization_id = organization
      and t.execution_id = execution.id
      and t.tool_call_id = held.tool_call_id
    returning t.* into held;
  end if;

  select count(*) into waiting from conversation.tool_calls t
  where t.organization_id = organization and t.execution_id = execution.id and t.status = 'pending';
  select x.id into continued from public.agent_executions x
  where x.organization_id = organization and x.session_id = execution.session_id
    and x.message_id = execution.response_message_id and x.metadata ->> 'continues' = execution.id::text
    -- One that died before it made any call left the decisions to be carried out.
    and (x.status <> 'failed' or not exists (
      select 1 from conversation.tool_calls t
      where t.organization_id = organization and t.execution_id = execution.id and t.status = 'approved'
    ))
  order by x.created_at desc limit 1;
  if waiting = 0 and continued is null and execution.finish_reason = 'tool_approval_required' then
    continuation := private.continue_execution(execution, providers);
    continued := (continuation ->> 'execution_id')::uuid;
  end if;
  return jsonb_build_object(
    'tool_call_id', held.tool_call_id, 'status', held.status, 'waiting', waiting, 'continued_by', continued,
    'continuation', continuation
  );
end
$$;
comment on function private.decide_tool_call(uuid, text, text, text[]) is
  'Body of public.decide_tool_call().';

create function public.decide_tool_call(
  execution_id uuid,
  tool_call_id text,
  decision text,
  providers text[] default null
)
returns jsonb
language sql volatile security invoker set search_path = ''
as $$ select private.decide_tool_call(execution_id, tool_call_id, decision, providers) $$;
comment on function public.decide_tool_call(uuid, text, text, text[]) is
  'Approves or denies a call for which one''s own execution ended with tool_approval_required. '
  'Answers { tool_call_id, status, waiting: calls still undecided, continued_by, continuation }: '
  'the last decision begins the execution that goes on, as begin_execution() answers it (null when '
  'it had begun before). What is said twice changes nothing; expired means denied. PT404 '
  'execution_not_found, tool_call_not_found; PT409 execution_in_progress, tool_call_decided, '
  'session_busy; and what begin_execution() raises. For the function agents: an execution nobody '
  'works on ends failed (interrupted).';

create function public.claim_tool_calls(organization_id bigint, execution_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: service_role holds no grant on tool calls. Executable by service_role only. Each approved call
-- is handed out once, with the arguments that were approved and no others, and only while everything
-- that the person saw still holds.
#variable_conflict use_column
declare
  execution public.agent_executions;
  held record;
  verdict text;
  claimed text[] := array[]::text[];
begin
  select x.* into execution from public.agent_executions x
  where x.organization_id = claim_tool_calls.organization_id and x.id = claim_tool_calls.execution_id
    and x.status = 'running' and x.metadata ->> 'continues' is not null
  for share;
  if not found or not private.access_stands(execution) then
    return jsonb_build_array();
  end if;
  for held in
    select t.*, a.arguments_hash, a.expires_at from conversation.tool_calls t
    join conversation.tool_approvals a
      on a.organization_id = t.organization_id
        and a.execution_id = t.execution_id
        and a.tool_call_id = t.tool_call_id
    where t.organization_id = execution.organization_id
      and t.execution_id = (execution.metadata ->> 'continues')::uuid
      and t.status = 'approved' and a.decision = 'approve'
    order by t.step, t.position
    for update of t
  loop
    verdict := case
      when held.expires_at <= clock_timestamp() then 'tool_approval_expired'
      when encode(sha256(convert_to(held.arguments, 'UTF8')), 'hex') <> held.arguments_hash
        then 'tool_call_changed'
      else private.judge_tool_call(
        execution.organization_id, execution.user_id, held.mcp_configuration_id, held.endpoint,
        held.tool, held.definition_hash)
    end;
    update conversation.tool_calls t set
      status = case
        when verdict in ('auto', 'ask') then 'running'
        when verdict = 'tool_approval_expired' then 'expired'
        else 'denied' end,
      error_code = case when verdict not in ('auto', 'ask') then verdict end,
      runner_id = case when verdict in ('auto', 'ask') then execution.id end,
      started_at = case when verdict in ('auto', 'ask') then clock_timestamp() end,
      completed_at = case when verdict not in ('auto', 'ask') then clock_timestamp() end
    where t.organization_id = held.organization_id
      and t.execution_id = held.execution_id
      and t.tool_call_id = held.tool_call_id;
    if verdict in ('auto', 'ask') then
      claimed := claimed || held.tool_call_id;
    end if;
  end loop;
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
      'execution_id', t.execution_id, 'tool_call_id', t.tool_call_id, 'name', t.name,
      'server', t.server, 'tool', t.tool,
      'mcp_configuration_id', t.mcp_configuration_id, 'endpoint', t.endpoint, 'arguments', t.arguments,
      'type', (
        select c.type from public.mcp_configurations c
        where c.organization_id = t.organization_id and c.id = t.mcp_configuration_id
      ),
      'status', case
        when t.status = 'running'
        and not t.tool_call_id = any (claimed) then 'unknown'
        else t.status end,
      'error_code', t.error_code,
      'definition', (
        select d.definition from client_mgmt.mcp_tools d
        where d.organization_id = t.organization_id
          and d.mcp_configuration_id = t.mcp_configuration_id
          and d.name = t.tool
      )
    ) order by t.step, t.position), '[]')
    from conversation.tool_calls t
    join conversation.tool_approvals a
      on a.organization_id = t.organization_id
        and a.execution_id = t.execution_id
        and a.tool_call_id = t.tool_call_id
    where t.organization_id = execution.organization_id
      and t.execution_id = (execution.metadata ->> 'continues')::uuid
  );
end
$$;
comment on function public.claim_tool_calls(bigint, uuid) is
  'The calls whose decisions an execution goes on from: [{ execution_id, tool_call_id, name, '
  'server, tool, mcp_configuration_id, type, endpoint, arguments, definition, status: running '
  '(call it now, once) | denied | expired | unknown, error_code }]. Service role only.';

create function public.expire_tool_approvals(batch integer default 1000) returns integer
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: service_role holds no grant on tool calls. Executable by service_role only.
declare
  handled integer;
begin
  with over as (
    select t.organization_id, t.execution_id, t.tool_call_id
    from conversation.tool_calls t
    join conversation.tool_approvals a
      on a.organization_id = t.organization_id
        and a.execution_id = t.execution_id
        and a.tool_call_id = t.tool_call_id
    where t.status in ('pending', 'approved') and a.expires_at <= clock_timestamp()
    limit greatest(batch, 0)
    for update of t skip locked
  )
  update conversation.tool_calls t
  set status = 'expired', error_code = 'tool_approval_expired', completed_at = clock_timestamp()
  from over
  where t.organization_id = over.organization_id
    and t.execution_id = over.execution_id
    and t.tool_call_id = over.tool_call_id;
  get diagnostics handled = row_count;
  return handled;
end
$$;
comment on function public.expire_tool_approvals(integer) is
  'Ends up to batch calls that nobody decided, or made, in time. Returns how many.';

revoke all on function
  private.end_tool_calls(), private.supersede_tool_calls(), private.interrupted_parts(bigint, uuid, text),
  private.unknown_outcome_text(), private.with_tool_results(bigint, uuid, jsonb),
  private.judge_tool_call(bigint, uuid, bigint, text, text, text),
  private.continue_execution(public.agent_executions, text[]),
  private.decide_tool_call(uuid, text, text, text[]),
  public.begin_tool_calls(bigint, uuid, integer, jsonb, jsonb),
  public.finish_tool_call(bigint, uuid, text, jsonb),
  public.reserve_execution_step(bigint, uuid, bigint, bigint),
  public.decide_tool_call(uuid, text, text, text[]),
  public.claim_tool_calls(bigint, uuid), public.expire_tool_approvals(integer)
  from public, anon, authenticated, service_role;
grant execute on function
  private.decide_tool_call(uuid, text, text, text[]), public.decide_tool_call(uuid, text, text, text[])
  to authenticated;
grant execute on function
  public.begin_tool_calls(bigint, uuid, integer, jsonb, jsonb),
  public.finish_tool_call(bigint, uuid, text, jsonb),
  public.reserve_execution_step(bigint, uuid, bigint, bigint), public.claim_tool_calls(bigint, uuid),
  public.expire_tool_approvals(integer)
  to service_role;
