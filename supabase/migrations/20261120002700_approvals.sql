-- Approvals and answers: a person decides on a call or answers its questions, and the last decision or answer
-- begins the execution that continues.

-- ── Continuing ────────────────────────────────────────────────────────────────────────────────

create function private.continue_execution(source public.agent_executions, providers text[]) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: called by continue_decided() only.
#variable_conflict use_column
declare
  chat constant public.chat_sessions := private.require_own_session(
    source.organization_id, source.session_id
  );
  execution public.agent_executions;
  route jsonb;
  params jsonb;
  input record;
begin
  if chat.status = 'closed' then
    raise exception using errcode = 'PT409', message = 'session_closed',
      detail = 'The session is closed. Begin another one.';
  end if;
  if chat.handled_by is not null then
    raise exception using errcode = 'PT409', message = 'person_answers',
      detail = 'A person answers in this session. The call waits until the person hands the session back.';
  end if;
  perform private.end_expired_executions(source.organization_id, source.id);
  if exists (
    select 1 from public.agent_executions x
    where x.organization_id = source.organization_id and x.user_id = source.user_id and x.session_id = chat.id
      and x.status in ('pending', 'running')
  ) then
    raise exception using errcode = 'PT409', message = 'session_busy',
      detail = 'Another execution of this session is running. Wait for its end.';
  end if;
  -- The same model, because only it accepts the signatures of its own calls.
  route := private.plan_route(
    source.organization_id, source.agent_id,
    (select m.name from public.models m where m.id = source.model_id),
    chat.id, source.project_id, providers
  );
  perform private.check_admission(source.organization_id, source.user_id);
  perform private.check_end_user(source.organization_id, source.user_id, chat.end_user, 0);
  params := coalesce(source.metadata -> 'params', '{}');
  execution := private.new_execution(
    chat, source.response_message_id, source.project_id, source.agent_id,
    jsonb_strip_nulls(jsonb_build_object('continues', source.id, 'prompt', source.metadata -> 'prompt'))
  );
  input := private.execution_input(chat, execution, params, null);
  execution.request_hash := sha256(convert_to('continues ' || source.id, 'UTF8'));
  return private.describe_execution(execution)
    || jsonb_build_object('replayed', false, 'result', null, 'continues', source.id)
    || private.prepare_execution(execution, route, params, input.input, input.bytes);
end
$$;
comment on function private.continue_execution(public.agent_executions, text[]) is
  'Begins the execution that continues another''s answer, as begin_execution() does for a message.';

create function private.lock_own_execution(execution_id uuid) returns public.agent_executions
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: locks rows that clients may not update. Finds executions of the caller in the active organization
-- only.
declare
  organization constant bigint := private.require_organization('agents.invoke');
  execution public.agent_executions;
begin
  perform private.keep_session(organization, lock_own_execution.execution_id);
  select x.* into execution from public.agent_executions x
  where x.organization_id = organization
    and x.id = lock_own_execution.execution_id
    and x.user_id = private.current_user_id()
  for no key update;
  if not found then
    raise exception using errcode = 'PT404', message = 'execution_not_found',
      detail = 'No execution of the caller has this id. Check the id.';
  end if;
  perform private.require_own_session(organization, execution.session_id);
  return execution;
end
$$;
comment on function private.lock_own_execution(uuid) is
  'An execution of the caller, locked; PT404 execution_not_found for every other one.';

create function private.expire_waiting_calls(source public.agent_executions, tool_call_id text) returns jsonb
language sql volatile security definer set search_path = ''
as $$
  -- Definer: called by functions that have checked the owner of the execution and locked it.
  update conversation.tool_calls t
  set status = 'expired', error_code = 'tool_approval_expired', completed_at = clock_timestamp()
  where t.organization_id = source.organization_id
    and t.execution_id = source.id
    and t.status in ('pending', 'approved');
  select jsonb_build_object(
    'tool_call_id', expire_waiting_calls.tool_call_id, 'status', 'expired', 'waiting', 0,
    'continued_by', null, 'continuation', null
  );
$$;
comment on function private.expire_waiting_calls(public.agent_executions, text) is
  'Expires every waiting call of an execution, and returns what says so. Answered and not raised, so that '
  'the expiry stays stored.';

create function private.continue_decided(
  source public.agent_executions,
  tool_call_id text,
  providers text[]
) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: called by functions that have checked the owner of the execution and locked it.
#variable_conflict use_column
declare
  held conversation.tool_calls;
  waiting integer;
  continued uuid;
  continuation jsonb;
begin
  select t.* into held from conversation.tool_calls t
  where t.organization_id = source.organization_id
    and t.execution_id = source.id
    and t.tool_call_id = continue_decided.tool_call_id;
  select count(*) into waiting from conversation.tool_calls t
  where t.organization_id = source.organization_id and t.execution_id = source.id and t.status = 'pending';
  select x.id into continued from public.agent_executions x
  where x.organization_id = source.organization_id and x.session_id = source.session_id
    and x.message_id = source.response_message_id and x.metadata ->> 'continues' = source.id::text
    -- Decisions are still to be carried out by another one: those of an execution that died before it made
    -- any call, and answers to questions that were asked in an execution which has ended since.
    and not exists (
      select 1 from conversation.tool_calls t
      left join conversation.tool_elicitations e using (organization_id, execution_id, tool_call_id)
      where t.organization_id = source.organization_id
        and t.execution_id = source.id
        and t.status = 'approved'
        and (x.status = 'failed' or e.answered_at >= x.completed_at)
    )
  order by x.created_at desc limit 1;
  if waiting = 0 and continued is null
    and source.finish_reason in ('tool_approval_required', 'tool_input_required') then
    continuation := private.continue_execution(source, providers);
    continued := (continuation ->> 'execution_id')::uuid;
  end if;
  return jsonb_build_object(
    'tool_call_id', held.tool_call_id, 'status', held.status, 'waiting', waiting, 'continued_by', continued,
    'continuation', continuation
  );
end
$$;
comment on function private.continue_decided(public.agent_executions, text, text[]) is
  'Begins the execution that continues another, unless a call of it still waits or one has begun.';

-- ── Approvals ─────────────────────────────────────────────────────────────────────────────────

create function private.decide_tool_call(
  execution_id uuid,
  tool_call_id text,
  decision text,
  providers text[]
) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no client may write approvals. Decides on calls of the caller's own executions only.
#variable_conflict use_column
declare
  execution public.agent_executions;
  asked conversation.tool_approvals;
  held conversation.tool_calls;
begin
  execution := private.lock_own_execution(decide_tool_call.execution_id);
  if decide_tool_call.decision is null or decide_tool_call.decision not in ('approve', 'deny') then
    raise exception using errcode = '22023', message = 'invalid_request',
      detail = 'decision is approve or deny.';
  end if;
  select a.* into asked from conversation.tool_approvals a
  where a.organization_id = execution.organization_id
    and a.execution_id = execution.id
    and a.tool_call_id = decide_tool_call.tool_call_id
  for update;
  select t.* into held from conversation.tool_calls t
  where t.organization_id = execution.organization_id
    and t.execution_id = execution.id
    and t.tool_call_id = decide_tool_call.tool_call_id;
  if asked.tool_call_id is null or held.tool_call_id is null then
    raise exception using errcode = 'PT404', message = 'tool_call_not_found',
      detail = 'No call of the execution with this id waits for a decision. Check the id.';
  end if;
  if execution.status in ('pending', 'running') then
    raise exception using errcode = 'PT409', message = 'execution_in_progress',
      detail = 'The execution has not ended yet. Try again after its end.';
  end if;
  if asked.decision is distinct from decide_tool_call.decision
    and (asked.decision is not null or held.status = 'denied') then
    raise exception using errcode = 'PT409', message = 'tool_call_decided',
      detail = 'The call was decided before, or the conversation continued without it. Ask the agent again.';
  end if;

  if held.status = 'expired'
    or (asked.expires_at <= clock_timestamp() and held.status in ('pending', 'approved')) then
    -- All waiting calls were requested together.
    return private.expire_waiting_calls(execution, held.tool_call_id);
  end if;
  if asked.decision is null and held.status = 'pending' then
    update conversation.tool_approvals a
    set decision = decide_tool_call.decision, decided_by = private.current_user_id(),
      decided_at = clock_timestamp()
    where a.organization_id = execution.organization_id
      and a.execution_id = execution.id
      and a.tool_call_id = held.tool_call_id;
    update conversation.tool_calls t
    set status = case decide_tool_call.decision when 'approve' then 'approved' else 'denied' end,
      error_code = case decide_tool_call.decision when 'deny' then 'tool_call_denied' end,
      completed_at = case decide_tool_call.decision when 'deny' then clock_timestamp() end
    where t.organization_id = execution.organization_id
      and t.execution_id = execution.id
      and t.tool_call_id = held.tool_call_id;
  end if;
  return private.continue_decided(execution, held.tool_call_id, providers);
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
  'Approves or denies a call of the caller''s own execution that ended and waits for a decision. '
  'Returns { tool_call_id, status, waiting: the number of undecided calls, continued_by, continuation }. '
  'The last decision begins the execution that continues, as begin_execution() returns it (null when it '
  'had begun before). A repeated decision changes nothing; expired means denied. PT404 '
  'execution_not_found, tool_call_not_found; PT409 execution_in_progress, tool_call_decided, session_busy; '
  'and the errors of begin_execution(). For the function agents: an execution without a worker ends failed '
  '(interrupted).';

-- ── Answers ───────────────────────────────────────────────────────────────────────────────────

create function private.answer_tool_call(
  execution_id uuid,
  tool_call_id text,
  round integer,
  actions jsonb,
  answers text,
  answers_hash text,
  providers text[]
) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no client may write answers. Answers calls of the caller's own executions only.
#variable_conflict use_column
declare
  execution public.agent_executions;
  asked conversation.tool_elicitations;
  held conversation.tool_calls;
  known text;
begin
  execution := private.lock_own_execution(answer_tool_call.execution_id);
  if answer_tool_call.answers is null or answer_tool_call.answers_hash is null
    or jsonb_typeof(answer_tool_call.actions) is distinct from 'object'
    or answer_tool_call.answers_hash !~ '^[0-9a-f]{64}$' then
    raise exception using errcode = '22023', message = 'invalid_request',
      detail = 'actions is an object; answers is sealed, with its SHA-256. The function agents sends them.';
  end if;
  select e.* into asked from conversation.tool_elicitations e
  where e.organization_id = execution.organization_id
    and e.execution_id = execution.id
    and e.tool_call_id = answer_tool_call.tool_call_id
  for update;
  select t.* into held from conversation.tool_calls t
  where t.organization_id = execution.organization_id
    and t.execution_id = execution.id
    and t.tool_call_id = answer_tool_call.tool_call_id;
  select s.answers_hash into known from private.elicitation_secrets s
  where s.organization_id = execution.organization_id
    and s.execution_id = execution.id
    and s.tool_call_id = answer_tool_call.tool_call_id;
  if asked.tool_call_id is null or held.tool_call_id is null then
    raise exception using errcode = 'PT404', message = 'tool_call_not_found',
      detail = 'No call of the execution with this id waits for an answer. Check the id.';
  end if;
  if asked.answered_at is not null and asked.round = answer_tool_call.round
    and known = answer_tool_call.answers_hash and held.status <> 'expired' then
    return private.continue_decided(execution, held.tool_call_id, providers);
  end if;
  if held.status = 'expired'
    or (asked.expires_at <= clock_timestamp() and held.status in ('pending', 'approved')) then
    return private.expire_waiting_calls(execution, held.tool_call_id);
  end if;
  if asked.round <> answer_tool_call.round or held.status <> 'pending' or asked.answered_at is not null then
    raise exception using errcode = 'PT409', message = 'tool_call_decided',
      detail = 'The question was answered before, or the conversation continued without it. '
        'Read the session again.';
  end if;
  if execution.status in ('pending', 'running') or exists (
    select 1 from public.agent_executions x
    where x.organization_id = execution.organization_id and x.session_id = execution.session_id
      and x.status in ('pending', 'running') and x.metadata ->> 'continues' = execution.id::text
  ) then
    raise exception using errcode = 'PT409', message = 'execution_in_progress',
      detail = 'The execution has not ended yet. Try again after its end.';
  end if;
  if (execution.finish_reason in ('tool_approval_required', 'tool_input_required')) is not true then
    -- It was cancelled or failed after the question: no execution continues it.
    raise exception using errcode = 'PT409', message = 'tool_call_decided',
      detail = 'The execution ended before the question was answered. Ask the agent again.';
  end if;
  if (select array_agg(q ->> 'key' order by q ->> 'key') from jsonb_array_elements(asked.questions) q)
      is distinct from (select array_agg(k order by k) from jsonb_object_keys(answer_tool_call.actions) k)
    or exists (
      select 1 from jsonb_each_text(answer_tool_call.actions) a
      where a.value is null or a.value not in ('accept', 'decline', 'cancel')
    ) then
    raise exception using errcode = '22023', message = 'invalid_request',
      detail = 'actions has accept, decline or cancel for each question, and nothing else.';
  end if;
  update conversation.tool_elicitations e
  set actions = answer_tool_call.actions, answered_by = private.current_user_id(),
    answered_at = clock_timestamp()
  where e.organization_id = execution.organization_id
    and e.execution_id = execution.id
    and e.tool_call_id = held.tool_call_id;
  update private.elicitation_secrets s
  set answers = answer_tool_call.answers, answers_hash = answer_tool_call.answers_hash
  where s.organization_id = execution.organization_id
    and s.execution_id = execution.id
    and s.tool_call_id = held.tool_call_id;
  update conversation.tool_calls t set status = 'approved'
  where t.organization_id = execution.organization_id
    and t.execution_id = execution.id
    and t.tool_call_id = held.tool_call_id;
  return private.continue_decided(execution, held.tool_call_id, providers);
end
$$;
comment on function private.answer_tool_call(uuid, text, integer, jsonb, text, text, text[]) is
  'Body of public.answer_tool_call().';

create function public.answer_tool_call(
  execution_id uuid,
  tool_call_id text,
  round integer,
  actions jsonb,
  answers text,
  answers_hash text,
  providers text[] default null
)
returns jsonb
language sql volatile security invoker set search_path = ''
as $$
  select private.answer_tool_call(
    execution_id, tool_call_id, round, actions, answers, answers_hash, providers)
$$;
comment on function public.answer_tool_call(uuid, text, integer, jsonb, text, text, text[]) is
  'Answers the questions of a call of the caller''s own execution. Returns what decide_tool_call() returns. '
  'The same answers sent again change nothing. PT404 execution_not_found, tool_call_not_found; PT409 '
  'execution_in_progress, tool_call_decided, session_busy; and the errors of begin_execution(). For the '
  'function agents, which checks and seals the answers; the worker checks them again.';

-- ── Making the calls ──────────────────────────────────────────────────────────────────────────

create function public.claim_tool_calls(
  organization_id bigint, execution_id uuid, attempt integer default 1
) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: service_role holds no grant on tool calls. Executable by service_role only. Returns each
-- approved call once, with the approved arguments only, and only while everything that the person saw is
-- unchanged.
#variable_conflict use_column
declare
  execution public.agent_executions;
  held record;
  verdict text;
  claimed text[] := array[]::text[];
  -- What the end of the wait deletes.
  inputs jsonb := jsonb_build_object();
begin
  execution := private.hold_attempt(
    claim_tool_calls.organization_id, claim_tool_calls.execution_id, claim_tool_calls.attempt);
  if execution.status is distinct from 'running' or not execution.metadata ? 'continues'
    or not private.access_stands(execution) then
    return jsonb_build_array();
  end if;
  for held in
    select t.*, coalesce(e.arguments_hash, a.arguments_hash) as arguments_hash,
      coalesce(e.expires_at, a.expires_at) as expires_at, jsonb_build_object(
        'round', e.round, 'questions', e.questions, 'request_state', s.request_state, 'answers', s.answers
      ) as input, e.round is not null as has_input
    from conversation.tool_calls t
    left join conversation.tool_approvals a using (organization_id, execution_id, tool_call_id)
    left join conversation.tool_elicitations e using (organization_id, execution_id, tool_call_id)
    left join private.elicitation_secrets s using (organization_id, execution_id, tool_call_id)
    where t.organization_id = execution.organization_id
      and t.execution_id = (execution.metadata ->> 'continues')::uuid
      and t.status = 'approved'
      and (a.decision = 'approve' or (a.tool_call_id is null and e.answered_at is not null))
      and (e.tool_call_id is null or e.answered_at is not null)
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
      if held.has_input then
        inputs := inputs || jsonb_build_object(held.tool_call_id, held.input);
      end if;
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
      'result', t.result,
      'input', inputs -> t.tool_call_id,
      'definition', (
        select d.definition from client_mgmt.mcp_tools d
        where d.organization_id = t.organization_id
          and d.mcp_configuration_id = t.mcp_configuration_id
          and d.name = t.tool
      )
    ) order by t.step, t.position), '[]')
    from conversation.tool_calls t
    where t.organization_id = execution.organization_id
      and t.execution_id = (execution.metadata ->> 'continues')::uuid
      and (
        exists (
          select 1 from conversation.tool_approvals a
          where a.organization_id = t.organization_id
            and a.execution_id = t.execution_id
            and a.tool_call_id = t.tool_call_id
        )
        or exists (
          select 1 from conversation.tool_elicitations e
          where e.organization_id = t.organization_id
            and e.execution_id = t.execution_id
            and e.tool_call_id = t.tool_call_id
        )
      )
  );
end
$$;
comment on function public.claim_tool_calls(bigint, uuid, integer) is
  'The decided and answered calls from which an execution continues: [{ execution_id, tool_call_id, name, '
  'server, tool, mcp_configuration_id, type, endpoint, arguments, definition, status: running (call it now, '
  'once) | denied | expired | unknown | success | error, error_code, result, input: of a running call that '
  'asked: { round, questions, request_state, answers } }]. PT409 attempt_over. Service role only.';

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
    left join conversation.tool_approvals a using (organization_id, execution_id, tool_call_id)
    left join conversation.tool_elicitations e using (organization_id, execution_id, tool_call_id)
    where t.status in ('pending', 'approved')
      and coalesce(e.expires_at, a.expires_at) <= clock_timestamp()
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
  'Expires up to batch calls that were not decided, answered or made in time. Returns how many.';

revoke all on function
  private.continue_execution(public.agent_executions, text[]),
  private.lock_own_execution(uuid),
  private.expire_waiting_calls(public.agent_executions, text),
  private.continue_decided(public.agent_executions, text, text[]),
  private.decide_tool_call(uuid, text, text, text[]),
  public.decide_tool_call(uuid, text, text, text[]),
  private.answer_tool_call(uuid, text, integer, jsonb, text, text, text[]),
  public.answer_tool_call(uuid, text, integer, jsonb, text, text, text[]),
  public.claim_tool_calls(bigint, uuid, integer),
  public.expire_tool_approvals(integer)
  from public, anon, authenticated, service_role;
grant execute on function
  private.decide_tool_call(uuid, text, text, text[]), public.decide_tool_call(uuid, text, text, text[]),
  private.answer_tool_call(uuid, text, integer, jsonb, text, text, text[]),
  public.answer_tool_call(uuid, text, integer, jsonb, text, text, text[])
  to authenticated;
grant execute on function
  public.claim_tool_calls(bigint, uuid, integer),
  public.expire_tool_approvals(integer)
  to service_role;
