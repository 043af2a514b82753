-- Approvals: a person decides on a call, and the last decision begins the execution that continues.

-- ── Approvals ─────────────────────────────────────────────────────────────────────────────────

create function private.continue_execution(source public.agent_executions, providers text[]) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: called by decide_tool_call() only, which has checked the owner of the execution and locked it.
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
      detail = 'No execution of the caller has this id. Check the id.';
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
    -- Answered and not raised, so that the expiry stays stored. All waiting calls were requested together.
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
    -- When an execution died before it made any call, its decisions are still to be carried out.
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
  'Approves or denies a call of the caller''s own execution that ended with tool_approval_required. '
  'Returns { tool_call_id, status, waiting: the number of undecided calls, continued_by, continuation }. '
  'The last decision begins the execution that continues, as begin_execution() returns it (null when it '
  'had begun before). A repeated decision changes nothing; expired means denied. PT404 '
  'execution_not_found, tool_call_not_found; PT409 execution_in_progress, tool_call_decided, session_busy; '
  'and the errors of begin_execution(). For the function agents: an execution without a worker ends failed '
  '(interrupted).';

create function public.claim_tool_calls(organization_id bigint, execution_id uuid) returns jsonb
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
  'The decided calls from which an execution continues: [{ execution_id, tool_call_id, name, server, tool, '
  'mcp_configuration_id, type, endpoint, arguments, definition, status: running (call it now, once) | '
  'denied | expired | unknown, error_code }]. Service role only.';

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
  'Expires up to batch calls that were not decided, or not made, in time. Returns how many.';

revoke all on function
  private.continue_execution(public.agent_executions, text[]),
  private.decide_tool_call(uuid, text, text, text[]),
  public.decide_tool_call(uuid, text, text, text[]),
  public.claim_tool_calls(bigint, uuid),
  public.expire_tool_approvals(integer)
  from public, anon, authenticated, service_role;
grant execute on function
  private.decide_tool_call(uuid, text, text, text[]), public.decide_tool_call(uuid, text, text, text[])
  to authenticated;
grant execute on function
  public.claim_tool_calls(bigint, uuid),
  public.expire_tool_approvals(integer)
  to service_role;
