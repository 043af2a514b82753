-- Tool calls: intents, outcomes and approvals.
-- Special: a call is written before it is made, and its outcome after. So a crash leaves the status unknown
-- and never causes a second call. An execution does not wait for a person: it ends, and a decision
-- continues the turn in a new execution. Locks: execution, session, tool calls, then in the order of the
-- file end.

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
  'The tool calls of models. Written before the call is made, the outcome after it. A call is never made '
  'twice.';
comment on column conversation.tool_calls.tool_call_id is
  'The provider''s id of the call, or our own id when the provider repeats an id.';
comment on column conversation.tool_calls.step is
  'The execution''s model call, from 1; position is the tool call''s place in it, from 0.';
comment on column conversation.tool_calls.name is
  'The model''s name of the tool; server and tool are its meaning, null for an unknown name.';
comment on column conversation.tool_calls.endpoint is 'The server of the call. No other server gets it.';
comment on column conversation.tool_calls.definition_hash is 'The hash of the definition that the model got.';
comment on column conversation.tool_calls.arguments is 'JSON exactly as the model wrote it.';
comment on column conversation.tool_calls.status is
  'pending: waits for a decision; approved: may be made until the approval expires; denied and expired: '
  'never made; running: being made; success; error: refused, or answered with an error; unknown: it may '
  'have been made, and its outcome is not known.';
comment on column conversation.tool_calls.error_code is
  'The stable code of the reason why the call was not made or failed.';
comment on column conversation.tool_calls.result is 'The parts of the tool''s answer, typed and shortened.';
comment on column conversation.tool_calls.runner_id is
  'The execution whose worker makes the call: that of the model call, or the one that continues after an '
  'approval.';
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
comment on policy select_reader on conversation.tool_calls is 'The readers of the execution.';
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
  'The calls that need a person''s decision, and the decision, once. A call without a decision is denied '
  'when it expires.';
comment on column conversation.tool_approvals.arguments_hash is
  'SHA-256 of the shown arguments, in hexadecimal; other arguments are never sent.';
comment on column conversation.tool_approvals.expires_at is
  'The end of the time to decide and of the approval.';
comment on column conversation.tool_approvals.decided_by is 'No foreign key: stays after the membership.';
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
comment on policy select_reader on conversation.tool_approvals is 'The readers of the execution.';
revoke all on conversation.tool_approvals from anon, authenticated, service_role;
grant select on conversation.tool_approvals to authenticated, service_role;
-- No insert, update or delete: begin_tool_calls(), decide_tool_call().

-- ── Ends ──────────────────────────────────────────────────────────────────────────────────────

create function private.end_tool_calls() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no role holds a grant to update tool calls. However the execution ended, the server may have
-- carried out a running call: its outcome is not known, so it is never made again.
begin
  update conversation.tool_calls t
  set status = 'unknown', error_code = coalesce(new.error_code, 'interrupted'),
    completed_at = clock_timestamp()
  where t.organization_id = new.organization_id and t.runner_id = new.id and t.status = 'running';
  return null;
end
$$;
comment on function private.end_tool_calls() is
  'Trigger: the running calls of an ended execution become unknown.';
create trigger agent_executions_end_tool_calls
  after update of status on public.agent_executions
  for each row when (old.completed_at is null and new.completed_at is not null)
  execute function private.end_tool_calls();

create function private.supersede_tool_calls() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no role holds a grant to update tool calls. A new turn of the conversation does not approve
-- waiting calls: the default is deny.
begin
  update conversation.tool_calls t
  set status = 'denied', error_code = 'tool_call_superseded', completed_at = clock_timestamp()
  from public.agent_executions x
  where t.organization_id = new.organization_id and t.status in ('pending', 'approved')
    and x.organization_id = t.organization_id and x.id = t.execution_id and x.session_id = new.session_id
    -- Except calls that were approved and that the continuing execution is about to make.
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
  'Trigger: a new turn denies the waiting calls of earlier turns of its session.';
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
  'The text for a model about a call that may have been made.';

create function private.interrupted_parts(
  organization_id bigint,
  execution_id uuid,
  content text
) returns jsonb
language sql stable security definer set search_path = ''
as $$
  -- Definer: called by end_expired_execution() only. The model of the next turn also learns what a dead
  -- worker did, so that it does not repeat a call unknowingly.
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
  'The calls and results of an execution whose worker died, as parts of its message; null without a tool '
  'call.';

create function private.with_tool_results(
  organization_id bigint,
  session_id uuid,
  history jsonb
) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: called by prepare_execution() only. The next message of the branch has the result of an approved
-- call; another branch also shows that the call was made.
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
        -- Calls of the execution that continued; the message already has the calls of its own execution.
        and t.runner_id <> x.id and t.status in ('success', 'error', 'unknown')
      group by x.response_message_id
    ) r on r.message_id = (h.message ->> 'id')::uuid
  );
end
$$;
comment on function private.with_tool_results(bigint, uuid, jsonb) is
  'A history with the outcomes that came after the messages were stored.';

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
  'auto or ask, by the present policies; else the reason why the call must not be made: '
  'tool_not_available, tool_off, tool_changed.';

create function public.begin_tool_calls(
  organization_id bigint,
  execution_id uuid,
  step integer,
  calls jsonb,
  params jsonb,
  attempt integer default 1
)
returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: service_role holds no grant on tool calls. Executable by service_role only. This function
-- decides now which calls may be made; what the worker got at the beginning does not count.
#variable_conflict use_column
declare
  execution public.agent_executions;
  wanted record;
  verdict text;
  waits boolean := false;
  answer jsonb := jsonb_build_array();
begin
  -- A shared lock: the end of the execution waits, and then finds every running call.
  execution := private.hold_attempt(
    begin_tool_calls.organization_id, begin_tool_calls.execution_id, begin_tool_calls.attempt);
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
    -- For the execution that continues after the decision.
    update public.agent_executions x
    set metadata = x.metadata || jsonb_build_object('params', begin_tool_calls.params)
    where x.organization_id = execution.organization_id and x.id = execution.id;
  end if;
  return jsonb_build_object('status', 'running', 'calls', answer);
end
$$;
comment on function public.begin_tool_calls(bigint, uuid, integer, jsonb, jsonb, integer) is
  'Stores a model''s tool calls before any call is made. calls: [{ tool_call_id, name, arguments, refusal? '
  '} and, without a refusal, { mcp_configuration_id, server, endpoint, tool, definition_hash }]. Returns { '
  'status, calls: [{ tool_call_id, status: running (call it now) | pending | denied | error, error_code }] '
  '}. Another status than running means that the execution has ended or must end, and nothing was stored. '
  'params: kept for a continuation. PT409 attempt_over. Service role only.';

create function public.finish_tool_call(
  organization_id bigint,
  execution_id uuid,
  tool_call_id text,
  outcome jsonb,
  attempt integer default 1
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
  -- The attempt is that of the execution which makes the call.
  perform private.hold_attempt(t.organization_id, t.runner_id, finish_tool_call.attempt)
  from conversation.tool_calls t
  where t.organization_id = finish_tool_call.organization_id
    and t.execution_id = finish_tool_call.execution_id
    and t.tool_call_id = finish_tool_call.tool_call_id and t.status = 'running';
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
comment on function public.finish_tool_call(bigint, uuid, text, jsonb, integer) is
  'Stores the end of a running call: { status: success | error | unknown, error_code?, result? }. A second '
  'call changes nothing. Returns the stored status. PT409 attempt_over. Service role only.';

revoke all on function
  private.end_tool_calls(),
  private.supersede_tool_calls(),
  private.interrupted_parts(bigint, uuid, text),
  private.unknown_outcome_text(),
  private.with_tool_results(bigint, uuid, jsonb),
  private.judge_tool_call(bigint, uuid, bigint, text, text, text),
  public.begin_tool_calls(bigint, uuid, integer, jsonb, jsonb, integer),
  public.finish_tool_call(bigint, uuid, text, jsonb, integer)
  from public, anon, authenticated, service_role;
grant execute on function
  public.begin_tool_calls(bigint, uuid, integer, jsonb, jsonb, integer),
  public.finish_tool_call(bigint, uuid, text, jsonb, integer)
  to service_role;
