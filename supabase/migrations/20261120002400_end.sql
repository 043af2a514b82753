-- The end of an execution: finish_execution(), and the end of executions whose worker died.
-- Special: only the platform finishes, because a caller must not write usage, cost or an assistant's
-- message. An execution has exactly one end. Every transaction takes its locks in one order: the session's
-- key, execution, session, limits, the person's key, budgets, rates, breakers, health, metrics. Only a
-- deletion may wait for an execution while it holds more of a session than its key.

create function private.end_expired_executions(organization_id bigint, but_not uuid default null) returns void
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: called by functions that then reserve and may lock a session. Executions of dead workers keep
-- their session busy and their budgets reserved. It skips an execution whose session is locked.
#variable_conflict use_column
declare
  dead uuid;
begin
  if not exists (
    select 1 from public.agent_executions x
    where x.organization_id = end_expired_executions.organization_id and x.id is distinct from but_not
      and x.status in ('pending', 'running') and x.lease_expires_at <= clock_timestamp()
  ) then
    return;
  end if;
  perform 1
  from client_mgmt.organization_limits l
  where l.organization_id = end_expired_executions.organization_id for update;
  perform private.lock_budgets(end_expired_executions.organization_id);
  for dead in
    select x.id from public.agent_executions x
    join public.chat_sessions s on s.organization_id = x.organization_id and s.id = x.session_id
    where x.organization_id = end_expired_executions.organization_id and x.id is distinct from but_not
      and x.status in ('pending', 'running') and x.lease_expires_at <= clock_timestamp()
    order by x.created_at, x.id
    limit 100
    for no key update of s skip locked
  loop
    begin
      perform private.end_expired_execution(end_expired_executions.organization_id, dead);
    exception when others then
      -- An execution that cannot be ended must not block new executions of the organization.
      raise warning 'execution % was not ended: % (%)', dead, sqlerrm, sqlstate;
    end;
  end loop;
end
$$;
comment on function private.end_expired_executions(bigint, uuid) is
  'Ends the executions of dead workers in an organization, except one execution.';

create function private.end_expired_execution(organization_id bigint, execution_id uuid) returns boolean
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: writes the end of an execution whose worker died. Granted to authenticated, because a reader
-- must not wait for a scheduler. It can only end an execution whose lease has run out.
#variable_conflict use_column
declare
  -- Conflicts, exhausted resources, locks, shutdowns and system errors: the next call may succeed.
  transient constant text := '^(40|53|55|57|58|XX)';
  dead public.agent_executions;
  bare jsonb;
begin
  select x.* into dead from public.agent_executions x
  join public.chat_sessions s on s.organization_id = x.organization_id and s.id = x.session_id
  where x.organization_id = end_expired_execution.organization_id
    and x.id = end_expired_execution.execution_id
    and x.status in ('pending', 'running') and x.lease_expires_at <= clock_timestamp()
    -- A caller ends executions of the active organization only.
    and (private.jwt_claims() ->> 'role' is distinct from 'authenticated'
      or x.organization_id = private.current_tenant_id())
  for update of x skip locked
  -- The deletion of the session deletes the execution anyway.
  for key share of s skip locked;
  if not found then
    return false;
  end if;
  bare := jsonb_build_object(
    'status', case when dead.cancel_requested_at is null then 'failed' else 'cancelled' end,
    -- Shows readers that the worker may have sent events that are not stored.
    'error_code', 'interrupted',
    'error_message', 'The worker stopped before the answer was complete.',
    'fault', 'platform'
  );
  begin
    perform private.end_execution(dead.organization_id, dead.id, bare || jsonb_build_object(
      'content', private.events_text(dead.organization_id, dead.id),
      'parts', private.interrupted_parts(
        dead.organization_id, dead.id, private.events_text(dead.organization_id, dead.id))
    ));
  exception when others then
    if sqlstate ~ transient then
      raise;
    end if;
    -- No stored text keeps an execution from its end.
    raise warning 'execution % ends without its text: % (%)', dead.id, sqlerrm, sqlstate;
    begin
      perform private.end_execution(dead.organization_id, dead.id, bare);
    exception when others then
      if sqlstate ~ transient then
        raise;
      end if;
      raise warning 'execution % was not ended: % (%)', dead.id, sqlerrm, sqlstate;
      -- It leaves the head of the queue, where it would keep others from their end.
      update public.agent_executions x set lease_expires_at = clock_timestamp() + interval '1 minute'
      where x.organization_id = dead.organization_id and x.id = dead.id;
      return false;
    end;
  end;
  return true;
end
$$;
comment on function private.end_expired_execution(bigint, uuid) is
    'Ends an execution whose lease ran out: as failed (interrupted), or as cancelled after a request to '
  'cancel. Keeps the streamed text. False when there was none, or another transaction locks it.';

-- ── finish_execution ──────────────────────────────────────────────────────────────────────────

create function private.count_outcome(
  execution public.agent_executions,
  fault text,
  failed_models jsonb
) returns public.agent_executions
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: called by finish_execution() only.
declare
  succeeded constant integer := (execution.status = 'success')::integer;
  failed constant integer := (execution.status = 'failed')::integer;
  cancelled constant integer := (execution.status = 'cancelled')::integer;
  measured constant integer := (
    execution.input_tokens is not null
    and execution.output_tokens is not null
  )::integer;
  faulty constant jsonb := case when jsonb_typeof(failed_models) = 'array' then failed_models else '[]' end;
  step record;
begin
  -- Calls that failed before another model answered count for their own breakers. All organizations share
  -- breakers, and routes differ in order, so models are locked in the order of their ids.
  for step in
    select case
      when r ->> 'credential' = 'organization' then execution.organization_id end as credential_owner,
      (r ->> 'model_id')::bigint as model_id, (r ->> 'generation')::bigint as generation,
      (r ->> 'model_id')::bigint is not distinct from execution.model_id as is_last,
      coalesce((r -> 'probe')::boolean, false) as is_probe,
      (
        select count(*) from jsonb_array_elements(faulty) f(failed_model) where failed_model = r -> 'model_id'
      ) as faults,
      -- No row: closed, without faults. Only a fault changes that.
      exists (
        select 1 from public.circuit_breaker_state b
        where b.agent_id = execution.agent_id and b.model_id = (r ->> 'model_id')::bigint
          and b.organization_id is not distinct from case
            when r ->> 'credential' = 'organization' then execution.organization_id end
      ) as has_breaker
    from jsonb_array_elements(execution.route) r
    -- The breaker of a deleted model is deleted too.
    join public.models m on m.id = (r ->> 'model_id')::bigint
    order by 2
  loop
    for n in 1..step.faults loop
      perform private.settle_breaker(
        step.credential_owner, execution.agent_id, step.model_id, step.generation, 'fault');
    end loop;
    -- When another model answered after a probe, for a reason other than a fault, the probe is given back.
    if (step.is_last or (step.is_probe and step.faults = 0)) and (
      step.has_breaker or step.faults > 0 or fault = 'provider'
    ) then
      perform private.settle_breaker(
        step.credential_owner, execution.agent_id, step.model_id, step.generation,
        case
          -- An execution that ended because a tool asks the person may have called no model.
          when step.is_last and execution.status = 'success' and execution.total_tokens = 0 then 'neutral'
          when step.is_last and execution.status = 'success' then 'success'
          when step.is_last and fault = 'provider' then 'fault'
          else 'neutral'
        end
      );
    end if;
  end loop;

  if fault = 'provider' or (succeeded = 1 and faulty <> '[]') then
    -- Another model answered than the first of the route: degraded, not failed.
    insert into public.agent_health as h (
      organization_id, agent_id, status, last_check, last_error, consecutive_failures
    )
    values (
      execution.organization_id, execution.agent_id, 'degraded', clock_timestamp(),
      coalesce(execution.error_code, 'provider_error'), failed
    )
    on conflict on constraint agent_health_agent_id_key do update set
      consecutive_failures = case when failed = 1 then h.consecutive_failures + 1 else 0 end,
      last_check = excluded.last_check, last_error = excluded.last_error,
      status = case when failed = 1 and h.consecutive_failures + 1 >= 5 then 'unhealthy' else 'degraded' end;
  elsif succeeded = 1 then
    update public.agent_health h
    set status = recovered.status, consecutive_failures = 0, last_check = clock_timestamp()
    from (
      select case when exists (
        select 1 from public.circuit_breaker_state b
        join public.models m on m.id = b.model_id
        where b.agent_id = execution.agent_id and b.state <> 'closed'
          and (m.organization_id is null or m.organization_id = execution.organization_id)
          and (b.organization_id is null or b.organization_id = execution.organization_id)
      ) then 'degraded' else 'healthy' end as status
    ) recovered
    where h.organization_id = execution.organization_id and h.agent_id = execution.agent_id
      and (h.status <> recovered.status or h.consecutive_failures > 0);
  end if;

  loop
    update public.agent_metrics m set
      total_requests = m.total_requests + 1,
      successful_requests = m.successful_requests + succeeded,
      failed_requests = m.failed_requests + failed,
      cancelled_requests = m.cancelled_requests + cancelled,
      measured_requests = m.measured_requests + measured,
      avg_latency_ms = m.avg_latency_ms + (execution.latency_ms - m.avg_latency_ms) / (m.total_requests + 1),
      avg_tokens_in = case when measured = 0 then m.avg_tokens_in
        else coalesce(m.avg_tokens_in, 0) + (
          execution.input_tokens - coalesce(m.avg_tokens_in, 0)
        ) / (m.measured_requests + 1) end,
      avg_tokens_out = case when measured = 0 then m.avg_tokens_out
        else coalesce(m.avg_tokens_out, 0) + (
          execution.output_tokens - coalesce(m.avg_tokens_out, 0)
        ) / (m.measured_requests + 1) end
    where m.organization_id = execution.organization_id and m.agent_id = execution.agent_id
      and m.date = (now() at time zone 'utc')::date;
    exit when found;
    -- The first of the day.
    insert into public.agent_metrics (organization_id, agent_id)
    values (execution.organization_id, execution.agent_id)
    on conflict on constraint agent_metrics_day_key do nothing;
  end loop;
  return execution;
end
$$;
comment on function private.count_outcome(public.agent_executions, text, jsonb) is
  'Counts one ended execution in breaker, health and metrics.';
-- These functions return the execution that they got: an assignment of one call runs no query of its own.
create function private.store_answer(
  execution public.agent_executions,
  content text,
  parts jsonb
) returns public.agent_executions
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: called by finish_execution() only.
begin
  if content = '' and parts is null then
    return execution;
  end if;
  loop
    insert into public.chat_messages (
      organization_id, id, session_id, user_id, parent_id, role, content, parts,
      tokens_in, tokens_out, tokens_total, metadata
    ) values (
      execution.organization_id, execution.response_message_id, execution.session_id, execution.user_id,
      execution.message_id, 'assistant', store_answer.content, store_answer.parts,
      execution.input_tokens, execution.output_tokens, execution.total_tokens,
      jsonb_build_object(
        'execution_id', execution.id, 'status', execution.status, 'partial', execution.status <> 'success'
      )
    ) on conflict on constraint chat_messages_pkey do nothing;
    exit when found;
    -- Another message took the id: an end never fails by it.
    execution.response_message_id := private.uuid_v7();
    update public.agent_executions x set response_message_id = execution.response_message_id
    where x.organization_id = execution.organization_id and x.id = execution.id;
  end loop;
  -- A user who switched to another branch meanwhile stays there.
  update public.chat_sessions s
  set last_message_at = clock_timestamp(),
    current_message_id = case when s.current_message_id = execution.message_id
      then execution.response_message_id else s.current_message_id end,
    -- A user who asked for a person still waits for one.
    waiting_since = case when execution.status <> 'success' or s.current_message_id <> execution.message_id
      or s.asks_person then s.waiting_since end
  where s.organization_id = execution.organization_id and s.id = execution.session_id;
  return execution;
end
$$;
comment on function private.store_answer(public.agent_executions, text, jsonb) is
  'Stores the answer, whole or partial, and marks a partial one.';

create function private.said_bytes(content text, parts jsonb) returns bigint
language plpgsql immutable security invoker set search_path = ''
as $$
begin
  if parts is null then
    return octet_length(content);
  end if;
  return greatest(octet_length(content), coalesce((
    -- A picture costs 1,300 to 2,500 tokens, whatever its size in bytes.
    select sum(octet_length(concat(p ->> 'text', p ->> 'name', p ->> 'arguments'))
      + case when p ->> 'type' = 'image' then 8192 else 0 end)
    from jsonb_array_elements(parts) p
    -- What a tool answered is not the model's.
    where p ->> 'type' <> 'tool_result'
  ), 0));
end
$$;
comment on function private.said_bytes(text, jsonb) is 'The bytes of what the model itself said.';

create function private.settle_execution(
  execution public.agent_executions,
  model public.models,
  content text,
  parts jsonb
) returns public.agent_executions
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: called by finish_execution() and settle_deleted_execution() only. Usage that the provider did not
-- count is estimated, charged and marked: a cut or cancelled answer is not free.
declare
  said constant bigint := private.said_bytes(content, parts);
  -- No model was called where a person answers.
  answered constant boolean := execution.finish_reason is distinct from 'person_answers' and (
    execution.status = 'success' or said > 0
    or execution.input_tokens is not null or execution.output_tokens is not null
  );
  estimated constant boolean := answered and (
    execution.input_tokens is null or execution.output_tokens is null
    or execution.metadata @> '{"usage_is_estimated": true}'
  );
  tokens_in constant bigint := coalesce(
    execution.input_tokens, case when answered then execution.estimated_input_tokens end);
  tokens_out constant bigint := coalesce(
    execution.output_tokens, case when answered then ceil(said / 4.0) end
  );
  tokens constant bigint := greatest(execution.total_tokens, tokens_in + tokens_out, 0);
  cost numeric(18, 9) := execution.cost_usd;
begin
  if cost is null and estimated then
    cost := private.execution_cost(
      execution.organization_id, model.provider, model.model_id, tokens_in,
      execution.cached_input_tokens, tokens_out);
  end if;
  insert into client_mgmt.usage_ledger (
    organization_id, execution_id, user_id, end_user, project_id, agent_name, provider, model_id,
    input_tokens, output_tokens, cached_input_tokens, reasoning_tokens, tool_input_tokens, cost_usd,
    is_estimated
  )
  select execution.organization_id, execution.id, execution.user_id, execution.end_user,
    execution.project_id, a.name,
    -- Usage outlives the model too.
    coalesce(model.provider, 'unknown'), coalesce(model.model_id, 'unknown'), tokens_in, tokens_out,
    execution.cached_input_tokens, execution.reasoning_tokens, execution.tool_input_tokens, cost, estimated
  from (select 1) one left join public.agents a on a.id = execution.agent_id
  where execution.finish_reason is distinct from 'person_answers';
  execution := private.settle_budgets(
    execution,
    -- Without text and usage nothing is charged. Text at an unknown price is charged with the reservation.
    case when answered then cost else coalesce(cost, 0) end, tokens
  );
  return private.correct_rate(execution, tokens);
end
$$;
comment on function private.settle_execution(public.agent_executions, public.models, text, jsonb) is
  'Writes the usage ledger, settles the budgets and corrects the rate.';

create function private.settle_deleted_execution() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no role holds a grant on usage or budgets. When a user deletes a conversation during an answer,
-- the provider still counts the request: the input and the output so far are charged as estimates, and the
-- reservation ends. The worker finds no execution and stops. A statement may delete several executions,
-- after it has locked all their sessions.
declare
  model public.models;
begin
  perform private.lock_budgets(old.organization_id);
  select m.* into model from public.models m where m.id = old.model_id;
  -- What is deleted keeps nothing.
  old.stored_bytes := 0;
  if old.status = 'running' then
    old.input_tokens := old.estimated_input_tokens;
  end if;
  return private.settle_execution(old, model, private.events_text(old.organization_id, old.id), null);
end
$$;
comment on function private.settle_deleted_execution() is
  'Trigger: the deletion of a running execution writes its usage and ends its reservation.';
revoke all on function private.settle_deleted_execution() from public, anon, authenticated, service_role;

create function private.store_events(
  organization_id bigint,
  execution_id uuid,
  seq bigint,
  events text
) returns void
language sql volatile security definer set search_path = ''
as $$
  -- Definer: called by append_execution_events() and finish_execution() only. A worker without an
  -- acknowledgement sends a batch again, with later events. The longer text then contains the shorter one.
  -- The foreign key takes the same lock; here a deletion that commits meanwhile is no error.
  insert into conversation.execution_events as e (organization_id, execution_id, seq, event)
  select x.organization_id, x.id, store_events.seq, store_events.events::json
  from public.agent_executions x
  where x.organization_id = store_events.organization_id and x.id = store_events.execution_id
  for key share
  on conflict on constraint execution_events_pkey do update set event = excluded.event
  where octet_length(excluded.event::text) > octet_length(e.event::text)
$$;
comment on function private.store_events(bigint, uuid, bigint, text) is
  'Stores one batch of a stream, or its longer repetition. Of a deleted execution it stores nothing.';

create function private.end_execution(
  organization_id bigint,
  execution_id uuid,
  outcome jsonb,
  attempt integer default null
) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: called by functions that may end it. They name the attempt of the worker that wants the end.
#variable_conflict use_column
declare
  execution public.agent_executions;
  content constant text := coalesce(outcome ->> 'content', '');
  parts constant jsonb := nullif(
    case when jsonb_typeof(outcome -> 'parts') = 'array' then outcome -> 'parts' end, '[]'
  );
  model public.models;
  result jsonb;
begin
  if outcome ->> 'status' not in ('success', 'failed', 'cancelled') or outcome ->> 'status' is null
    or (outcome ->> 'status' = 'success' and outcome ->> 'finish_reason' is null)
    or (outcome ->> 'status' = 'failed' and outcome ->> 'error_code' is null)
  then
    raise exception using errcode = '22023', message = 'invalid_request',
      detail = 'outcome.status is success (with finish_reason), failed (with error_code) or cancelled.';
  end if;

  -- Locks the session's key, as keep_session() does. The model is null when it was deleted during the answer;
  -- the answer is stored all the same.
  select m.* into model
  from public.agent_executions x
  join public.chat_sessions s on s.organization_id = x.organization_id and s.id = x.session_id
  left join public.models m on m.id = coalesce((outcome ->> 'model_id')::bigint, x.model_id)
  where x.organization_id = end_execution.organization_id and x.id = end_execution.execution_id
  for key share of s;
  with gone as (
    delete from private.execution_callers c
    where c.organization_id = end_execution.organization_id
      and c.execution_id = end_execution.execution_id
  )
  update public.agent_executions x set
    status = outcome ->> 'status',
    model_id = case when outcome ->> 'model_id' is null then x.model_id else model.id end,
    finish_reason = outcome ->> 'finish_reason',
    error_code = outcome ->> 'error_code',
    error_message = left(outcome ->> 'error_message', 2000),
    input_tokens = (outcome ->> 'input_tokens')::bigint,
    output_tokens = (outcome ->> 'output_tokens')::bigint,
    total_tokens = coalesce(
      (outcome ->> 'total_tokens')::bigint,
      (outcome ->> 'input_tokens')::bigint + (outcome ->> 'output_tokens')::bigint
    ),
    cached_input_tokens = (outcome ->> 'cached_input_tokens')::bigint,
    reasoning_tokens = (outcome ->> 'reasoning_tokens')::bigint,
    tool_input_tokens = (outcome ->> 'tool_input_tokens')::bigint,
    -- Some of several model calls may be counted.
    estimated_input_tokens = coalesce(
      (outcome ->> 'estimated_input_tokens')::bigint, x.estimated_input_tokens
    ),
    -- The provider's own amount is more exact than a price list.
    cost_usd = coalesce((outcome ->> 'provider_cost_usd')::numeric, private.execution_cost(
      x.organization_id, model.provider, model.model_id, (outcome ->> 'input_tokens')::bigint,
      (outcome ->> 'cached_input_tokens')::bigint, (outcome ->> 'output_tokens')::bigint
    )),
    latency_ms = coalesce(
      (outcome ->> 'latency_ms')::integer,
      least(extract(epoch from clock_timestamp() - x.created_at) * 1000, 2147483647)::integer
    ),
    first_chunk_ms = (outcome ->> 'first_chunk_ms')::integer,
    -- The question was counted when it began. Events are as long as they are stored, compressed. A call is
    -- its model's execution's, its result that of the execution which made it.
    (metadata, stored_bytes) = (
      select k.metadata, x.stored_bytes + 1024 + octet_length(k.metadata::text) + octet_length(x.route::text)
        + octet_length(content) + coalesce(octet_length(parts::text), 0)
        + coalesce(octet_length(left(outcome ->> 'error_message', 2000)), 0)
        + coalesce(octet_length(outcome ->> 'events'), 0) + coalesce((
          select sum(pg_column_size(e.event)) from conversation.execution_events e
          where e.organization_id = x.organization_id and e.execution_id = x.id
            -- A worker that tries again may have stored its last batch before.
            and e.seq is distinct from (outcome ->> 'events_seq')::bigint
        ), 0) + coalesce((
          select sum(
            case when t.execution_id = x.id then octet_length(t.arguments) else 0 end
            + case when t.runner_id = x.id then coalesce(octet_length(t.result::text), 0) else 0 end
          )
          from conversation.tool_calls t
          where t.organization_id = x.organization_id
            and t.execution_id in (x.id, (x.metadata ->> 'continues')::uuid)
        ), 0)
      from (
        -- What only the beginning needed goes, and the parameters, unless a continuation needs them.
        select x.metadata - array['model', 'follows', 'input_bytes'] - case
          when outcome ->> 'finish_reason' in ('tool_approval_required', 'tool_input_required') then ''
          else 'params' end
          || jsonb_strip_nulls(jsonb_build_object(
            'provider_request_id', outcome ->> 'provider_request_id',
            'trimmed_messages', outcome -> 'trimmed_messages',
            -- Counts that did not add up are a bound; so is cached input at the price of input.
            'usage_is_estimated', case when (outcome -> 'usage_is_estimated')::boolean or (
              (outcome ->> 'cached_input_tokens')::bigint > 0 and outcome ->> 'provider_cost_usd' is null
              and exists (
                select 1 from private.model_price(x.organization_id, model.provider, model.model_id) p
                where p.id is not null and p.cached_input_per_million is null
              )
            ) then true end
          )) as metadata
      ) k
    ),
    completed_at = clock_timestamp()
  where x.organization_id = end_execution.organization_id and x.id = end_execution.execution_id
    and x.status in ('pending', 'running')
    and (
      end_execution.attempt is null
      or (x.attempt = end_execution.attempt and x.lease_expires_at > clock_timestamp())
    )
  returning x.* into execution;

  if not found then
    select x.* into execution from public.agent_executions x
    where x.organization_id = end_execution.organization_id and x.id = end_execution.execution_id;
    if not found then
      raise exception using errcode = 'PT404', message = 'execution_not_found',
        detail = 'No execution has this id. Check the id.';
    end if;
    perform private.require_attempt(execution, end_execution.attempt);
    return private.execution_result(end_execution.organization_id, end_execution.execution_id)
      || jsonb_build_object('already_final', true);
  end if;

  -- The last events are stored in the same transaction as the end.
  if jsonb_typeof(outcome -> 'events') = 'string' then
    perform private.store_events(
      execution.organization_id, execution.id, (outcome ->> 'events_seq')::bigint, outcome ->> 'events'
    );
  end if;
  execution := private.store_answer(execution, content, parts);
  -- A guest reads the execution and may not read what it cost. The variable keeps it for the ledger.
  if execution.cost_usd is not null and private.is_guest(execution.organization_id, execution.user_id) then
    update public.agent_executions x set cost_usd = null
    where x.organization_id = execution.organization_id and x.id = execution.id;
  end if;
  result := private.execution_result(execution.organization_id, execution.id)
    || jsonb_build_object('already_final', false);
  -- From here on other ends of the organization wait.
  execution := private.settle_execution(execution, model, content, parts);
  if execution.agent_id is not null and execution.finish_reason is distinct from 'person_answers' then
    execution := private.count_outcome(execution, outcome ->> 'fault', outcome -> 'failed_models');
  end if;
  return result;
end
$$;
comment on function private.end_execution(bigint, uuid, jsonb, integer) is
  'Body of public.finish_execution(). Without an attempt it ends the execution of any worker.';

create function public.finish_execution(
  organization_id bigint,
  execution_id uuid,
  outcome jsonb,
  attempt integer default 1
) returns jsonb
language sql volatile security definer set search_path = ''
as $$
  -- Definer: service_role holds no grant on these tables. Executable by service_role only.
  select private.end_execution(organization_id, execution_id, outcome, coalesce(attempt, 0))
$$;
comment on function public.finish_execution(bigint, uuid, jsonb, integer) is
  'Ends an execution once: last events, answer, usage, cost, budgets, breaker, health and metrics in one '
  'transaction. A second call changes nothing and returns the stored end (already_final). outcome.events '
  'is the JSON text of the last batch, whose first id is outcome.events_seq; outcome.failed_models lists '
  'model ids, one per provider fault before the last call. PT409 attempt_over to a worker whose attempt or '
  'lease is over. Service role only: a caller must not write usage.';

revoke all on function
  private.end_expired_executions(bigint, uuid),
  private.end_expired_execution(bigint, uuid),
  private.count_outcome(public.agent_executions, text, jsonb),
  private.store_answer(public.agent_executions, text, jsonb),
  private.said_bytes(text, jsonb),
  private.settle_execution(public.agent_executions, public.models, text, jsonb),
  private.store_events(bigint, uuid, bigint, text),
  private.end_execution(bigint, uuid, jsonb, integer),
  public.finish_execution(bigint, uuid, jsonb, integer)
  from public, anon, authenticated, service_role;
grant execute on function
  private.end_expired_execution(bigint, uuid)
  to authenticated;
grant execute on function
  public.finish_execution(bigint, uuid, jsonb, integer)
  to service_role;

create function public.reserve_execution_step(
  organization_id bigint, execution_id uuid, input_bytes bigint, output_tokens bigint,
  attempt integer default 1
) returns void
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no role holds a grant on counters. Executable by service_role only. A reservation covers one
-- model call; each further call adds its amount, in the period of the first. Locks budgets in the order of
-- their ids.
#variable_conflict use_column
declare
  execution public.agent_executions;
  reservation client_mgmt.budget_reservations;
  budget client_mgmt.budgets;
  tokens constant bigint := input_bytes + coalesce(output_tokens, 4096);
  usd numeric;
begin
  if input_bytes is null or input_bytes < 0 or output_tokens < 0 then
    raise exception using errcode = '22023', message = 'invalid_request',
      detail = 'input_bytes and output_tokens are whole numbers from 0 on; output_tokens may be null.';
  end if;
  perform private.keep_session(reserve_execution_step.organization_id, reserve_execution_step.execution_id);
  execution := private.hold_attempt(
    reserve_execution_step.organization_id, reserve_execution_step.execution_id,
    reserve_execution_step.attempt
  );
  if execution.status is distinct from 'running' then
    return;
  end if;
  perform private.require_access(execution);
  select private.route_cost(
    execution.organization_id, jsonb_agg(jsonb_build_object('provider', m.provider, 'model', m.model_id)),
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
    -- The budget was deleted meanwhile.
    continue when not found;
    perform private.add_to_reservation(budget, execution.id, reservation.period_start, usd, tokens);
  end loop;
end
$$;
comment on function public.reserve_execution_step(bigint, uuid, bigint, bigint, integer) is
  'Adds a further model call to an execution''s reservations, or raises PT402 budget_exceeded or PT403 '
  'access_revoked or PT409 attempt_over and changes nothing. output_tokens null: 4096. Service role only.';

revoke all on function
  public.reserve_execution_step(bigint, uuid, bigint, bigint, integer)
  from public, anon, authenticated, service_role;
grant execute on function
  public.reserve_execution_step(bigint, uuid, bigint, bigint, integer)
  to service_role;
