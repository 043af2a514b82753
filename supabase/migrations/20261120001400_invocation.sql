-- Invocation: from begin_execution() to finish_execution(), and what may happen between them.
-- Special: beginning is one transaction as the caller, so a refused request writes nothing and needs no
-- privilege; finishing is the platform's, because a caller must not write usage, cost or an assistant's
-- words. An execution has exactly one end. Locks are taken in one order: the session's key,
-- execution, session, limits, the person's key, budgets, rates, breakers, health, metrics; whoever
-- holds more of a session than its key never waits for an execution, but who deletes it.

-- ── begin_execution ───────────────────────────────────────────────────────────────────────────

create function private.validate_invocation(
  message jsonb, params jsonb, idempotency_key text, session_id uuid, on_busy text, regenerate uuid
) returns void
language plpgsql immutable security invoker set search_path = ''
as $$
begin
  if (message is null) = (regenerate is null)
    or (regenerate is not null and session_id is null)
    or (message is not null and (
      jsonb_typeof(message) <> 'object'
      or coalesce(jsonb_typeof(message -> 'content'), '') not in ('string', 'array')
      or message -> 'content' in ('""'::jsonb, '[]'::jsonb)
      or octet_length(message ->> 'content') > 262144
      or (message ->> 'id') !~ '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$'
      -- Whatever is stored is sent to providers with every later turn. An address of another scheme, gs://
      -- for one, would be read with the rights of the platform's own account there.
      or exists (
        select 1
        from jsonb_array_elements(
          case jsonb_typeof(message -> 'content') when 'array' then message -> 'content' else '[]' end
        ) p
        where not coalesce(case p ->> 'type'
          when 'text' then jsonb_typeof(p -> 'text') = 'string'
          when 'tool_call' then jsonb_typeof(p -> 'id') = 'string' and jsonb_typeof(p -> 'name') = 'string'
            and jsonb_typeof(p -> 'arguments') = 'string'
          when 'tool_result' then jsonb_typeof(p -> 'tool_call_id') = 'string'
            and jsonb_typeof(p -> 'name') = 'string'
            and jsonb_typeof(p -> 'content') = 'string'
          else p ->> 'type' in ('image', 'file') and jsonb_typeof(p -> 'media_type') = 'string'
            and char_length(p ->> 'url') <= 2048
            and p ->> 'url' ~ '^https://[^[:space:]/?#@]+([/?#][^[:space:]]*)?$'
        end, false)
      )
    ))
    or octet_length((params - 'response_format')::text) > 65536
    -- The text of a schema of 64 KiB, with its name.
    or octet_length(params ->> 'response_format') > 66560
    or jsonb_typeof(params) is distinct from 'object'
    -- A reservation is computed from it: a negative one would give budget away.
    or coalesce(params ->> 'max_output_tokens', '1') !~ '^[1-9][0-9]{0,6}$'
    or char_length(idempotency_key) not between 1 and 255
    or on_busy not in ('refuse', 'queue') or on_busy is null
  then
    raise exception using errcode = '22023', message = 'invalid_request',
      detail = 'Either message { id?: uuid, content: text or parts of at most 256 KB, files by https } '
          'or session_id and regenerate; '
        'params an object, idempotency_key 1 to 255 characters, on_busy refuse or queue.';
  end if;
end
$$;
comment on function private.validate_invocation(jsonb, jsonb, text, uuid, text, uuid) is
  'Passes for a well-formed request; else 22023 invalid_request.';

create function private.message_text(content jsonb) returns text
language plpgsql immutable security invoker set search_path = ''
as $$
begin
  return case jsonb_typeof(content)
    when 'string' then content #>> '{}'
    else coalesce((
      select string_agg(p ->> 'text', '' order by n)
      from jsonb_array_elements(content) with ordinality e(p, n)
      where p ->> 'type' = 'text'
    ), '')
  end;
end
$$;
comment on function private.message_text(jsonb) is
  'The text of a content: itself, or that of its text parts.';

create function private.events_text(organization_id bigint, execution_id uuid) returns text
language sql stable security definer set search_path = ''
as $$
  -- Definer: called by functions that end an execution nobody else will.
  select coalesce(string_agg(chunk ->> 'delta', '' order by e.seq, n), '')
  from conversation.execution_events e
  cross join lateral json_array_elements(e.event) with ordinality c(chunk, n)
  where e.organization_id = events_text.organization_id and e.execution_id = events_text.execution_id
    and chunk ->> 'type' = 'text-delta'
$$;
comment on function private.events_text(bigint, uuid) is
  'The text that an execution''s stored events add up to.';

-- What a worker needs to run an execution, and the reservation for it.
create function private.prepare_execution(
  execution public.agent_executions,
  route jsonb,
  params jsonb,
  input_bytes bigint
)
returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: called by begin_execution(), start_execution() and continue_execution() only.
declare
  prompts jsonb;
  history jsonb;
  tools jsonb;
  bytes bigint;
  -- The format of the answer is the request's alone.
  effective jsonb := ((route -> 0 -> 'settings') - 'response_format') || params;
  max_output_tokens bigint;
  more_tokens bigint;
begin
  select coalesce(jsonb_agg(p.content), '[]') into prompts from private.effective_system_prompts() p;
  -- Layers are bounded one by one; a worker has to hold them all, beside those of other executions.
  if octet_length(prompts::text) > 4194304 then
    raise exception using errcode = '22023', message = 'invalid_request',
      detail = 'The system prompts are longer than 4 MiB together.';
  end if;
  history := private.with_tool_results(
    execution.organization_id, execution.session_id,
    private.conversation_history(execution.organization_id, execution.session_id, execution.message_id));
  -- A client that keeps its conversation itself brings its own tools.
  tools := case when exists (
    select 1 from public.chat_sessions s
    where s.organization_id = execution.organization_id
      and s.id = execution.session_id
      and s.metadata @> '{"transient": true}'
  ) then '[]' else private.execution_tools(execution.organization_id, execution.user_id) end;
  -- A file is sent as its address and read as what is there: each counts as more than most large images.
  bytes := octet_length(history::text) + 4096 * jsonb_array_length(
    jsonb_path_query_array(history, '$[*].parts[*] ? (@.type == "image" || @.type == "file")'));
  -- What a client sends instead of the history (input_bytes) goes along with the prompts, too. It is the
  -- caller's to say, so it counts only as far as a body with images can go.
  bytes := greatest(
    bytes, least(coalesce(input_bytes, 0), 8388608)
  ) + octet_length(prompts::text) + octet_length(tools::text)
    + coalesce(octet_length(effective ->> 'response_format'), 0);

  max_output_tokens := case
    when effective ->> 'max_output_tokens' ~ '^[1-9][0-9]{0,6}$'
      then (effective ->> 'max_output_tokens')::bigint
      else 4096 end;
  if private.has_budget(execution.organization_id, execution.user_id, execution.project_id) then
    -- No tokenizer makes more of a text than a token per byte; the answer's bound is sent along.
    effective := effective || jsonb_build_object('max_output_tokens', max_output_tokens);
    perform private.reserve_budgets(
      execution.organization_id, execution.id, execution.user_id, execution.project_id,
      private.route_cost(route, bytes, max_output_tokens), bytes + max_output_tokens
    );
  end if;
  -- An execution that waited for its session was counted when it began: only what came meanwhile is added.
  more_tokens := greatest(ceil(bytes / 4.0)::bigint + max_output_tokens - execution.reserved_tokens, 0);
  perform private.count_rate(
    execution.organization_id, execution.user_id, (execution.reserved_tokens = 0)::integer, more_tokens);

  insert into private.execution_callers (organization_id, execution_id, user_session_id)
  values (execution.organization_id, execution.id, private.claim_uuid('session_id'))
  on conflict on constraint execution_callers_pkey do nothing;
  update public.agent_executions x
  set estimated_input_tokens = ceil(bytes / 4.0)::bigint,
    reserved_tokens = execution.reserved_tokens + more_tokens,
    model_id = (prepare_execution.route -> 0 ->> 'model_id')::bigint,
    route = (
      select jsonb_agg(jsonb_build_object(
        'model_id', r -> 'model_id', 'generation', r -> 'generation', 'credential', r -> 'credential'
      ) order by n)
      from jsonb_array_elements(prepare_execution.route) with ordinality e(r, n)
    )
  where x.organization_id = execution.organization_id and x.id = execution.id;

  return jsonb_build_object(
    'route', (
      select jsonb_agg(r - 'settings' - 'generation' order by n)
      from jsonb_array_elements(route) with ordinality e(r, n)
    ),
    'params', effective,
    'system_prompts', prompts,
    'history', history,
    'tools', tools
  );
end
$$;
comment on function private.prepare_execution(public.agent_executions, jsonb, jsonb, bigint) is
  'Reserves the budgets and returns { route, params, system_prompts, history, tools }.';

create function private.describe_execution(execution public.agent_executions) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: called by definer functions that have checked whose execution it is.
#variable_conflict use_column
begin
  return jsonb_build_object(
    'organization_id', execution.organization_id,
    'execution_id', execution.id,
    'user_id', execution.user_id,
    'session_id', execution.session_id,
    'message_id', execution.message_id,
    'response_message_id', execution.response_message_id,
    'status', execution.status,
    'agent', (
      select jsonb_build_object('id', a.id, 'name', a.name)
      from public.agents a
      where a.id = execution.agent_id
    )
  );
end
$$;
comment on function private.describe_execution(public.agent_executions) is
  'Ids, status and agent of an execution.';

create function private.keep_session(organization_id bigint, execution_id uuid) returns void
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: called by definer functions that are about to take an execution. Whoever deletes a
-- session takes it before its executions, and waits here for nobody else: only a deletion wants
-- what this holds.
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
  'Keeps an execution''s session from being deleted until the transaction ends, or waits until it is.';

create function private.end_expired_executions(organization_id bigint, but_not uuid default null) returns void
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: called by functions that go on to reserve and may hold a session: what dead workers left
-- would keep it busy, and budgets spent. A session that somebody else holds is left to them.
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
      -- One that cannot be ended must not refuse everything that others of the organization begin.
      raise warning 'execution % was not ended: % (%)', dead, sqlerrm, sqlstate;
    end;
  end loop;
end
$$;
comment on function private.end_expired_executions(bigint, uuid) is
  'Ends what dead workers left in an organization, but for one execution.';

create function private.begin_execution(
  message jsonb, agent text, model text, session_id uuid, project_id bigint, parent_id uuid, params jsonb,
  idempotency_key text, providers text[], on_busy text, regenerate uuid, as_root boolean, transient boolean,
  input_bytes bigint
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
    'message', message, 'agent', agent, 'model', model, 'session_id', session_id, 'project_id', project_id,
    'parent_id', parent_id, 'params', params, 'regenerate', regenerate, 'as_root', as_root
  )::text, 'UTF8'));
  chat public.chat_sessions;
  chosen public.agents;
  route jsonb;
  project bigint := begin_execution.project_id;
  parent uuid := begin_execution.parent_id;
  asked uuid;
  waits boolean := false;
  execution public.agent_executions;
begin
  perform private.validate_invocation(message, params, idempotency_key, session_id, on_busy, regenerate);

  if key is not null then
    -- Racing repeats wait here for the first one, then find its row.
    perform pg_advisory_xact_lock(hashtextextended(organization || '/' || account || '/' || key, 0));
    select x.* into execution from public.agent_executions x
    where x.organization_id = organization and x.user_id = account and x.idempotency_key = key;
    if found then
      if execution.request_hash <> request then
        raise exception using errcode = '23505', message = 'idempotency_conflict',
          detail = 'The key was used for another request.';
      end if;
      return private.describe_execution(execution) || jsonb_build_object(
        'replayed', true,
        'result', case
          when execution.completed_at is not null
            then private.execution_result(organization, execution.id) end
      );
    end if;
  end if;

  if begin_execution.session_id is not null then
    chat := private.require_own_session(organization, begin_execution.session_id);
    if chat.status = 'closed' then
      raise exception using errcode = 'PT409', message = 'session_closed', detail = 'The session is closed.';
    end if;
  end if;
  perform private.end_expired_executions(organization);
  if chat.id is not null then
    waits := exists (
      select 1 from public.agent_executions x
      where x.organization_id = organization and x.user_id = account and x.session_id = chat.id
        and x.status in ('pending', 'running')
    );
    if waits and on_busy = 'refuse' then
      raise exception using errcode = 'PT409', message = 'session_busy',
        detail = 'An execution of this session is still running.';
    end if;
    select s.current_message_id into chat.current_message_id from public.chat_sessions s
    where s.organization_id = organization and s.id = chat.id;
  end if;

  project := coalesce(project, chat.project_id);
  perform private.require_project(organization, project);
  chosen := private.find_agent(
    organization,
    coalesce(
      agent, case
        when chat.agent_id is null then private.preferred_agent(organization, project, providers) end
    ),
    case when agent is null then chat.agent_id end
  );
  route := private.plan_route(organization, chosen.id, model, chat.id, project, providers);
  perform private.admit_execution(organization, account);

  if chat.id is null then
    insert into public.chat_sessions (organization_id, user_id, agent_id, project_id, status, metadata)
    values (
      organization, account, chosen.id, project,
      case when transient then 'closed' else 'active' end,
      case when transient then '{"transient": true}'::jsonb else '{}' end
    ) returning * into chat;
  end if;

  if regenerate is not null then
    -- Asking again: the message itself when a person wrote it, else the one it answered. An answer that
    -- went on after an approval has another answer before it.
    with recursive branch as (
      select m.id, m.parent_id, m.role from public.chat_messages m
      where m.organization_id = organization and m.session_id = chat.id and m.id = regenerate
      union all
      select m.id, m.parent_id, m.role from branch b
      join public.chat_messages m on m.organization_id = organization
        and m.session_id = chat.id
        and m.id = b.parent_id
      where b.role <> 'user'
    )
    select b.id into asked from branch b where b.role = 'user';
    if asked is null then
      raise exception using errcode = 'PT404', message = 'message_not_found',
        detail = 'No message of the session has this id.';
    end if;
  else
    if parent is not null and not exists (
      select 1 from public.chat_messages m
      where m.organization_id = organization and m.session_id = chat.id and m.id = parent
    ) then
      raise exception using errcode = 'PT404', message = 'parent_not_found',
        detail = 'No message of the session has this id.';
    end if;
    asked := coalesce((message ->> 'id')::uuid, private.uuid_v7());
    begin
      insert into public.chat_messages (
        organization_id, id, session_id, user_id, parent_id, role, content, parts
      )
      values (
        organization, asked, chat.id, account,
        case when as_root then null else coalesce(parent, chat.current_message_id) end,
        'user', private.message_text(message -> 'content'),
        case when jsonb_typeof(message -> 'content') = 'array' then message -> 'content' end
      );
    exception when unique_violation then
      raise exception using errcode = '23505', message = 'idempotency_conflict',
        detail = 'The message id was used for another request.';
    end;
  end if;

  insert into public.agent_executions (
    organization_id, session_id, user_id, message_id, project_id, agent_id, status, idempotency_key,
    request_hash,
    metadata, lease_expires_at
  ) values (
    organization, chat.id, account, asked, project, chosen.id, case
      when waits then 'pending'
      else 'running' end,
    key, request,
    case when waits then jsonb_build_object(
      'model', model, 'params', params, 'follows', regenerate is null and parent is null and not as_root
    ) else '{}' end,
    private.first_lease()
  ) returning * into execution;

  update public.chat_sessions s
  set last_message_at = clock_timestamp(), current_message_id = case
    when waits then s.current_message_id
    else asked end,
    agent_id = coalesce(s.agent_id, chosen.id),
    title = coalesce(s.title, nullif(left(btrim(regexp_replace(
      private.message_text(message -> 'content'), '\s+', ' ', 'g')), 80), ''))
  where s.organization_id = organization and s.id = chat.id;

  return private.describe_execution(execution)
    || jsonb_build_object('replayed', false, 'result', null)
    || private.prepare_execution(execution, route, params, input_bytes);
end
$$;
comment on function private.begin_execution(
  jsonb, text, text, uuid, bigint, uuid, jsonb, text, text[], text, uuid, boolean, boolean, bigint
) is 'Body of public.begin_execution().';

-- ── start_execution: the turn of one that waited ──────────────────────────────────────────────

create function private.start_execution(execution_id uuid, providers text[]) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: as begin_execution(). The caller's own execution only.
#variable_conflict use_column
declare
  organization constant bigint := private.require_organization('agents.invoke');
  chat public.chat_sessions;
  execution public.agent_executions;
begin
  perform private.keep_session(organization, start_execution.execution_id);
  select x.* into execution from public.agent_executions x
  where x.organization_id = organization
    and x.id = start_execution.execution_id
    and x.user_id = private.current_user_id()
  for no key update;
  if not found then
    raise exception using errcode = 'PT404', message = 'execution_not_found',
      detail = 'No execution of yours has this id.';
  end if;
  chat := private.require_own_session(organization, execution.session_id);
  perform private.end_expired_executions(organization, execution.id);
  -- One that no worker kept alive gave its place back, and needs another.
  if execution.status = 'pending' and execution.lease_expires_at <= clock_timestamp() then
    perform private.admit_execution(organization, execution.user_id);
  end if;

  update public.agent_executions x
  set lease_expires_at = private.first_lease(),
    status = case when exists (
      select 1 from public.agent_executions y
      where y.organization_id = organization and y.user_id = chat.user_id and y.session_id = chat.id
        and (y.status = 'running' or (y.status = 'pending' and (y.created_at, y.id) < (x.created_at, x.id)))
    ) then 'pending' else 'running' end
  where x.organization_id = organization and x.id = execution.id and x.status = 'pending'
  returning x.* into execution;
  if not found or execution.status = 'pending' then
    select x.* into execution from public.agent_executions x
    where x.organization_id = organization and x.id = start_execution.execution_id;
    return private.describe_execution(execution);
  end if;

  if (execution.metadata -> 'follows')::boolean then
    update public.chat_messages m set parent_id = s.current_message_id
    from public.chat_sessions s
    where s.organization_id = organization and s.id = chat.id
      and m.organization_id = organization and m.id = execution.message_id;
  end if;
  update public.chat_sessions s set current_message_id = execution.message_id
  where s.organization_id = organization and s.id = chat.id;

  return private.describe_execution(execution) || private.prepare_execution(
    execution,
    private.plan_route(
      organization, execution.agent_id, execution.metadata ->> 'model', chat.id,
      execution.project_id, providers
    ),
    execution.metadata -> 'params', null
  );
end
$$;
comment on function private.start_execution(uuid, text[]) is 'Body of public.start_execution().';

-- ── cancel and read ───────────────────────────────────────────────────────────────────────────

create function private.cancel_execution(execution_id uuid) returns text
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no client may update executions. The caller's own only.
#variable_conflict use_column
declare
  organization constant bigint := private.require_organization('agents.invoke');
  execution public.agent_executions;
begin
  perform private.keep_session(organization, cancel_execution.execution_id);
  update public.agent_executions x
  set cancel_requested_at = coalesce(x.cancel_requested_at, clock_timestamp())
  where x.organization_id = organization and x.id = cancel_execution.execution_id
    and x.user_id = private.current_user_id() and x.status in ('pending', 'running')
  returning x.* into execution;
  if found and execution.status = 'pending' then
    perform public.finish_execution(organization, execution.id,
      jsonb_build_object('status', 'cancelled', 'error_code', 'execution_cancelled'));
  elsif found then
    perform private.end_expired_execution(organization, execution.id);
  end if;

  select x.* into execution from public.agent_executions x
  where x.organization_id = organization
    and x.id = cancel_execution.execution_id
    and x.user_id = private.current_user_id();
  if not found then
    raise exception using errcode = 'PT404', message = 'execution_not_found',
      detail = 'No execution of yours has this id.';
  end if;
  return execution.status;
end
$$;
comment on function private.cancel_execution(uuid) is 'Body of public.cancel_execution().';

create function private.end_expired_execution(organization_id bigint, execution_id uuid) returns boolean
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: writes the end of an execution whose worker died. Granted to authenticated because a reader
-- must not wait for a scheduler; all it can do is state what is already so.
#variable_conflict use_column
declare
  dead public.agent_executions;
begin
  select x.* into dead from public.agent_executions x
  join public.chat_sessions s on s.organization_id = x.organization_id and s.id = x.session_id
  where x.organization_id = end_expired_execution.organization_id
    and x.id = end_expired_execution.execution_id
    and x.status in ('pending', 'running') and x.lease_expires_at <= clock_timestamp()
    -- A caller states it of the active organization's only.
    and (private.jwt_claims() ->> 'role' is distinct from 'authenticated'
      or x.organization_id = private.current_organization_id())
  for update of x skip locked
  -- With a session that is being deleted it goes anyway.
  for key share of s skip locked;
  if not found then
    return false;
  end if;
  perform public.finish_execution(dead.organization_id, dead.id, jsonb_build_object(
    'status', case when dead.cancel_requested_at is null then 'failed' else 'cancelled' end,
    -- Readers tell by it that the worker may have sent events which it did not live to store.
    'error_code', 'interrupted',
    'error_message', 'The worker stopped before the answer was complete.',
    'content', private.events_text(dead.organization_id, dead.id),
    'parts', private.interrupted_parts(
      dead.organization_id, dead.id, private.events_text(dead.organization_id, dead.id)),
    'fault', 'platform'
  ));
  return true;
end
$$;
comment on function private.end_expired_execution(bigint, uuid) is
  'Ends an execution whose lease ran out: failed (interrupted), or cancelled when that was asked '
  'for; what was streamed is kept. False when there was none, or somebody else has it.';

create function private.event_batches(
  organization_id bigint, execution_id uuid, after_seq bigint, max_batches integer
) returns json
language plpgsql stable security invoker set search_path = ''
as $$
-- Invoker: for a client the policies decide who reads. json all the way, so that stored events
-- keep their bytes.
#variable_conflict use_column
begin
  return coalesce((
    select json_agg(json_build_object('seq', b.seq, 'events', b.event) order by b.seq)
    from (
      select e.seq, e.event from conversation.execution_events e
      where e.organization_id = event_batches.organization_id
        and e.execution_id = event_batches.execution_id
        -- The batch that holds the next event may begin before it.
        and e.seq >= coalesce((
          select max(f.seq) from conversation.execution_events f
          where f.organization_id = event_batches.organization_id
            and f.execution_id = event_batches.execution_id
            and f.seq <= event_batches.after_seq + 1
        ), 0)
      order by e.seq
      limit least(greatest(event_batches.max_batches, 1), 500)
    ) b
  ), '[]'::json);
end
$$;
comment on function private.event_batches(bigint, uuid, bigint, integer) is
  '[{ seq, events }] of an execution after an event id, as far as the caller may read them.';

create function public.read_execution(
  execution_id uuid,
  after_seq bigint default -1,
  max_batches integer default 500
)
returns json
language plpgsql volatile security invoker set search_path = ''
as $$
-- Invoker: the policies decide who reads.
declare
  result json;
begin
  perform private.end_expired_execution(x.organization_id, x.id)
  from public.agent_executions x
  where x.organization_id = (select private.current_organization_id()) and x.id = read_execution.execution_id
    and x.status in ('pending', 'running') and x.lease_expires_at <= clock_timestamp();

  select json_build_object(
    'execution_id', x.id, 'status', x.status,
    'batches', private.event_batches(
      x.organization_id, x.id, read_execution.after_seq, read_execution.max_batches)
  ) into result
  from public.agent_executions x
  where x.organization_id = (select private.current_organization_id()) and x.id = read_execution.execution_id;
  if result is null then
    raise exception using errcode = 'PT404', message = 'execution_not_found',
      detail = 'No execution you may read has this id.';
  end if;
  return result;
end
$$;
comment on function public.read_execution(uuid, bigint, integer) is
  '{ execution_id, status, batches: [{ seq, events }] } after an event id, for whoever may read '
  'the session. PT404 execution_not_found. With status success, failed or cancelled the last batch '
  'is the last there will be.';

create function public.follow_execution(
  organization_id bigint, execution_id uuid, after_seq bigint, sessions uuid[]
) returns json
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: a worker looks once for all its followers. Executable by service_role only. Who may read
-- is what private.current_session() and the policy select_reader of agent_executions say, for each
-- auth session.
#variable_conflict use_column
declare
  execution public.agent_executions;
begin
  perform private.end_expired_execution(x.organization_id, x.id)
  from public.agent_executions x
  where x.organization_id = follow_execution.organization_id
    and x.id = follow_execution.execution_id
    and x.status in ('pending', 'running') and x.lease_expires_at <= clock_timestamp();

  -- Its status before its events: what is over by now has no event that the next statement does not see.
  select x.* into execution from public.agent_executions x
  where x.organization_id = follow_execution.organization_id
    and x.id = follow_execution.execution_id;
  if not found then
    return null;
  end if;
  return json_build_object(
    'status', execution.status,
    'batches', private.event_batches(
      execution.organization_id, execution.id, follow_execution.after_seq, 500),
    'readers', coalesce((
      select json_agg(s.id) from public.user_sessions s
      where s.organization_id = execution.organization_id and s.id = any (follow_execution.sessions)
        and s.is_active and s.revoked_at is null
        and (s.expires_at is null or s.expires_at > clock_timestamp())
        and (s.access_expires_at is null or s.access_expires_at > clock_timestamp())
        and (s.user_id = execution.user_id or 'content.read_all' = any (s.permissions) or exists (
          select 1 from public.chat_sessions c
          where c.organization_id = execution.organization_id and c.id = execution.session_id
            and c.visibility = 'organization'
        ))
    ), '[]'::json),
    'result', case when execution.completed_at is not null then
      private.execution_result(execution.organization_id, execution.id) end
  );
end
$$;
comment on function public.follow_execution(bigint, uuid, bigint, uuid[]) is
  '{ status, batches, readers, result } after an event id: readers are the auth sessions of the '
  'list that may read the execution now, result its stored end once there is one. Null when it is '
  'gone. Service role only.';

create function private.read_execution_result(execution_id uuid) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: joins tables with policies of their own; the caller's own execution only.
begin
  return private.execution_result(x.organization_id, x.id)
  from public.agent_executions x
  where x.organization_id = private.current_organization_id() and x.id = read_execution_result.execution_id
    and x.completed_at is not null
    and (
      x.user_id = private.current_user_id() or private.has_permission('content.read_all') or exists (
        select 1 from public.chat_sessions s
        where s.organization_id = x.organization_id and s.id = x.session_id and s.visibility = 'organization'
      )
    );
end
$$;
comment on function private.read_execution_result(uuid) is 'Body of public.read_execution_result().';

create function public.read_execution_result(execution_id uuid) returns jsonb
language sql stable security invoker set search_path = ''
as $$ select private.read_execution_result(execution_id) $$;
comment on function public.read_execution_result(uuid) is
  'The stored end of an execution, as finish_execution() returned it; null while it runs and for '
  'whoever may not read it.';

-- ── finish_execution ──────────────────────────────────────────────────────────────────────────

create function private.count_outcome(
  execution public.agent_executions,
  fault text,
  failed_models jsonb
) returns void
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
  -- Calls that failed before another model answered count for their own breakers. Breakers are shared by
  -- everyone, and routes differ in order: models are taken in the order of their ids.
  for step in
    select case
      when r ->> 'credential' = 'organization' then execution.organization_id end as credential_owner,
      (r ->> 'model_id')::bigint as model_id, (r ->> 'generation')::bigint as generation,
      (r ->> 'model_id')::bigint is not distinct from execution.model_id as is_last,
      coalesce((r -> 'probe')::boolean, false) as is_probe,
      (
        select count(*) from jsonb_array_elements(faulty) f(failed_model) where failed_model = r -> 'model_id'
      ) as faults
    from jsonb_array_elements(execution.route) r
    -- One that was deleted meanwhile took its breaker along.
    join public.models m on m.id = (r ->> 'model_id')::bigint
    order by 2
  loop
    for n in 1..step.faults loop
      perform private.settle_breaker(
        step.credential_owner, execution.agent_id, step.model_id, step.generation, 'fault');
    end loop;
    -- A probe on which another answer followed, for a reason that is no fault, is given back.
    if step.is_last or (step.is_probe and step.faults = 0) then
      perform private.settle_breaker(
        step.credential_owner, execution.agent_id, step.model_id, step.generation,
        case
          when step.is_last and execution.status = 'success' then 'success'
          when step.is_last and fault = 'provider' then 'fault'
          else 'neutral'
        end
      );
    end if;
  end loop;

  if fault = 'provider' or (succeeded = 1 and faulty <> '[]') then
    -- Answered by another model than the one that was meant to: degraded, and no failure.
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
        where b.agent_id = execution.agent_id and b.state <> 'closed'
          and (b.organization_id is null or b.organization_id = execution.organization_id)
      ) then 'degraded' else 'healthy' end as status
    ) recovered
    where h.organization_id = execution.organization_id and h.agent_id = execution.agent_id
      and (h.status <> recovered.status or h.consecutive_failures > 0);
  end if;

  insert into public.agent_metrics as m (
    organization_id, agent_id, total_requests, successful_requests, failed_requests, cancelled_requests,
    measured_requests, avg_latency_ms, avg_tokens_in, avg_tokens_out
  ) values (
    execution.organization_id, execution.agent_id, 1, succeeded, failed, cancelled, measured,
    execution.latency_ms,
    case when measured = 1 then execution.input_tokens end, case
      when measured = 1 then execution.output_tokens end
  )
  on conflict on constraint agent_metrics_day_key do update set
    total_requests = m.total_requests + 1,
    successful_requests = m.successful_requests + succeeded,
    failed_requests = m.failed_requests + failed,
    cancelled_requests = m.cancelled_requests + cancelled,
    measured_requests = m.measured_requests + measured,
    avg_latency_ms = m.avg_latency_ms + (excluded.avg_latency_ms - m.avg_latency_ms) / (m.total_requests + 1),
    avg_tokens_in = case when measured = 0 then m.avg_tokens_in
      else coalesce(m.avg_tokens_in, 0) + (
        excluded.avg_tokens_in - coalesce(m.avg_tokens_in, 0)
      ) / (m.measured_requests + 1) end,
    avg_tokens_out = case when measured = 0 then m.avg_tokens_out
      else coalesce(m.avg_tokens_out, 0) + (
        excluded.avg_tokens_out - coalesce(m.avg_tokens_out, 0)
      ) / (m.measured_requests + 1) end;
end
$$;
comment on function private.count_outcome(public.agent_executions, text, jsonb) is
  'Breaker, health and metrics of one ended execution.';
create function private.store_answer(
  execution public.agent_executions,
  content text,
  parts jsonb
) returns void
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: called by finish_execution() only.
begin
  if content = '' and parts is null then
    return;
  end if;
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
  );
  -- Whoever switched to another branch meanwhile stays there.
  update public.chat_sessions s
  set last_message_at = clock_timestamp(),
    current_message_id = case when s.current_message_id = execution.message_id
      then execution.response_message_id else s.current_message_id end
  where s.organization_id = execution.organization_id and s.id = execution.session_id;
end
$$;
comment on function private.store_answer(public.agent_executions, text, jsonb) is
  'Keeps what was said, whole or partial, and marks which.';

create function private.settle_execution(
  execution public.agent_executions,
  content text,
  parts jsonb
) returns void
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: called by finish_execution() only. What the provider did not count although it answered is
-- estimated, charged and marked: a cut or cancelled answer is not free.
declare
  model public.models;
  said constant bigint := greatest(octet_length(content), coalesce((
    select sum(octet_length(concat(p ->> 'text', p ->> 'name', p ->> 'arguments')))
    from jsonb_array_elements(parts) p
    -- What a tool answered is not the model's.
    where p ->> 'type' <> 'tool_result'
  ), 0));
  answered constant boolean := execution.status = 'success' or said > 0
    or execution.input_tokens is not null or execution.output_tokens is not null;
  estimated constant boolean := answered
    and (execution.input_tokens is null or execution.output_tokens is null);
  tokens_in constant bigint := coalesce(
    execution.input_tokens, case when answered then execution.estimated_input_tokens end);
  tokens_out constant bigint := coalesce(
    execution.output_tokens, case when answered then ceil(said / 4.0) end
  );
  tokens constant bigint := greatest(execution.total_tokens, tokens_in + tokens_out, 0);
  cost numeric(18, 9) := execution.cost_usd;
begin
  select m.* into model from public.models m where m.id = execution.model_id;
  if cost is null and estimated then
    cost := private.execution_cost(
      model.provider, model.model_id, tokens_in, execution.cached_input_tokens, tokens_out);
  end if;
  insert into client_mgmt.usage_ledger (
    organization_id, execution_id, user_id, project_id, agent_name, provider, model_id,
    input_tokens, output_tokens, cached_input_tokens, reasoning_tokens, tool_input_tokens, cost_usd,
    is_estimated
  )
  select execution.organization_id, execution.id, execution.user_id, execution.project_id, a.name,
    -- Usage outlives the model too.
    coalesce(model.provider, 'unknown'), coalesce(model.model_id, 'unknown'), tokens_in, tokens_out,
    execution.cached_input_tokens, execution.reasoning_tokens, execution.tool_input_tokens, cost, estimated
  from (select 1) one left join public.agents a on a.id = execution.agent_id;
  perform private.settle_budgets(
    execution.organization_id, execution.id,
    -- Neither words nor usage: nothing is charged. Words at an unknown price: the reservation.
    case when answered then cost else coalesce(cost, 0) end, tokens
  );
  perform private.correct_rate(execution, tokens);
end
$$;
comment on function private.settle_execution(public.agent_executions, text, jsonb) is
  'Writes the usage ledger, settles the budgets and corrects the rate.';

create function private.settle_deleted_execution() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: nobody holds a grant on usage or budgets. Whoever deletes a conversation in the middle of an
-- answer has asked the provider all the same: what was sent and what was said so far are charged, as
-- estimates, and nothing stays reserved. Its worker finds nothing to write to, and stops. A statement may
-- delete several, after it has taken all their sessions.
begin
  perform private.lock_budgets(old.organization_id);
  if old.status = 'running' then
    old.input_tokens := old.estimated_input_tokens;
  end if;
  perform private.settle_execution(old, private.events_text(old.organization_id, old.id), null);
  return old;
end
$$;
comment on function private.settle_deleted_execution() is
  'Trigger: an execution that is deleted before its end leaves its usage and no reservation.';
revoke all on function private.settle_deleted_execution() from public, anon, authenticated, service_role;
create trigger agent_executions_settle_deleted before delete on public.agent_executions
  for each row when (old.status in ('pending', 'running'))
  execute function private.settle_deleted_execution();

create function private.store_events(
  organization_id bigint,
  execution_id uuid,
  seq bigint,
  events text
) returns void
language sql volatile security definer set search_path = ''
as $$
  -- Definer: called by append_execution_events() and finish_execution() only. A worker that got no answer
  -- sends a batch again, with what came meanwhile: the longer text of the two then holds the other.
  insert into conversation.execution_events as e (organization_id, execution_id, seq, event)
  values (
    store_events.organization_id, store_events.execution_id, store_events.seq, store_events.events::json
  )
  on conflict on constraint execution_events_pkey do update set event = excluded.event
  where octet_length(excluded.event::text) > octet_length(e.event::text)
$$;
comment on function private.store_events(bigint, uuid, bigint, text) is
  'Stores one batch of a stream, or its longer repetition.';

create function public.finish_execution(
  organization_id bigint,
  execution_id uuid,
  outcome jsonb
) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: service_role holds no grant on these tables either. Executable by service_role only.
#variable_conflict use_column
declare
  execution public.agent_executions;
  content constant text := coalesce(outcome ->> 'content', '');
  parts constant jsonb := nullif(
    case when jsonb_typeof(outcome -> 'parts') = 'array' then outcome -> 'parts' end, '[]'
  );
  -- Null when it was deleted while it answered, which makes the answer none the worse.
  answering constant bigint := (
    select m.id from public.models m where m.id = (outcome ->> 'model_id')::bigint
  );
begin
  if outcome ->> 'status' not in ('success', 'failed', 'cancelled') or outcome ->> 'status' is null
    or (outcome ->> 'status' = 'success' and outcome ->> 'finish_reason' is null)
    or (outcome ->> 'status' = 'failed' and outcome ->> 'error_code' is null)
  then
    raise exception using errcode = '22023', message = 'invalid_request',
      detail = 'outcome.status is success (with finish_reason), failed (with error_code) or cancelled.';
  end if;

  perform private.keep_session(finish_execution.organization_id, finish_execution.execution_id);
  update public.agent_executions x set
    status = outcome ->> 'status',
    model_id = case when outcome ->> 'model_id' is null then x.model_id else answering end,
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
    -- Of several calls of the model some may have been counted.
    estimated_input_tokens = coalesce(
      (outcome ->> 'estimated_input_tokens')::bigint, x.estimated_input_tokens
    ),
    -- What the provider says it charged is truer than a price list.
    cost_usd = coalesce((outcome ->> 'provider_cost_usd')::numeric, (
      select private.execution_cost(
        m.provider, m.model_id, (outcome ->> 'input_tokens')::bigint,
        (outcome ->> 'cached_input_tokens')::bigint, (outcome ->> 'output_tokens')::bigint
      ) from public.models m where m.id = coalesce((outcome ->> 'model_id')::bigint, x.model_id)
    )),
    latency_ms = coalesce(
      (outcome ->> 'latency_ms')::integer,
      (extract(epoch from clock_timestamp() - x.created_at) * 1000)::integer
    ),
    first_chunk_ms = (outcome ->> 'first_chunk_ms')::integer,
    metadata = x.metadata || jsonb_strip_nulls(
      jsonb_build_object('provider_request_id', outcome ->> 'provider_request_id')
    ),
    completed_at = clock_timestamp()
  where x.organization_id = finish_execution.organization_id and x.id = finish_execution.execution_id
    and x.status in ('pending', 'running')
  returning x.* into execution;

  if not found then
    if not exists (
      select 1 from public.agent_executions x
      where x.organization_id = finish_execution.organization_id and x.id = finish_execution.execution_id
    ) then
      raise exception using errcode = 'PT404', message = 'execution_not_found', detail = 'No such execution.';
    end if;
    return private.execution_result(finish_execution.organization_id, finish_execution.execution_id)
      || jsonb_build_object('already_final', true);
  end if;

  delete from private.execution_callers c
  where c.organization_id = execution.organization_id and c.execution_id = execution.id;
  -- The events that were still on their way belong to the same transaction as the end.
  if jsonb_typeof(outcome -> 'events') = 'string' then
    perform private.store_events(
      execution.organization_id, execution.id, (outcome ->> 'events_seq')::bigint, outcome ->> 'events'
    );
  end if;
  perform private.store_answer(execution, content, parts);
  perform private.settle_execution(execution, content, parts);
  if execution.agent_id is not null then
    perform private.count_outcome(execution, outcome ->> 'fault', outcome -> 'failed_models');
  end if;
  return private.execution_result(
    execution.organization_id, execution.id
  ) || jsonb_build_object('already_final', false);
end
$$;
comment on function public.finish_execution(bigint, uuid, jsonb) is
  'Ends an execution, once: last events, answer, usage, cost, budgets, breaker, health and metrics '
  'in one transaction. A second call changes nothing and answers what is stored (already_final). '
  'outcome.events is the JSON text of the last batch, whose first id is outcome.events_seq; '
  'outcome.failed_models lists model ids, one per provider fault before the last call. Service '
  'role only: a caller must not write usage.';

-- ── While it runs ─────────────────────────────────────────────────────────────────────────────

create function public.append_execution_events(
  organization_id bigint,
  execution_id uuid,
  seq bigint,
  events text
)
returns text
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: service_role holds no grant to insert events. Executable by service_role only.
#variable_conflict use_column
declare
  state text;
begin
  state := public.renew_execution_lease(
    append_execution_events.organization_id, append_execution_events.execution_id
  );
  if state in ('running', 'cancelling', 'revoked') then
    perform private.store_events(
      append_execution_events.organization_id, append_execution_events.execution_id,
      append_execution_events.seq, append_execution_events.events
    );
  end if;
  return state;
end
$$;
comment on function public.append_execution_events(bigint, uuid, bigint, text) is
  'Stores one batch of a stream (the JSON text of an array), renews the lease and answers as '
  'renew_execution_lease(). Repeating a batch changes nothing, repeating it with more events adds '
  'these. Service role only.';

create function public.acquire_probe(
  organization_id bigint,
  execution_id uuid,
  model_id bigint
) returns boolean
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: circuit_breaker_state denies everyone. Executable by service_role only.
#variable_conflict use_column
declare
  probe bigint;
  execution public.agent_executions;
begin
  -- The execution first, as its end takes them, which may come from elsewhere meanwhile.
  select x.* into execution from public.agent_executions x
  where x.organization_id = acquire_probe.organization_id
    and x.id = acquire_probe.execution_id
    and x.status = 'running'
  for no key update;
  -- One update decides among all workers.
  update public.circuit_breaker_state b
  set state = 'half_open', generation = b.generation + 1,
    probe_expires_at = clock_timestamp() + interval '60 seconds'
  from jsonb_array_elements(execution.route) r
  where (r ->> 'model_id')::bigint = acquire_probe.model_id
    and b.organization_id is not distinct from
      case when r ->> 'credential' = 'organization' then execution.organization_id end
    and b.agent_id = execution.agent_id and b.model_id = acquire_probe.model_id
    and (
      (b.state = 'open' and b.opened_at <= clock_timestamp() - interval '30 seconds')
      or (b.state = 'half_open' and b.probe_expires_at <= clock_timestamp())
    )
  returning b.generation into probe;
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
comment on function public.acquire_probe(bigint, uuid, bigint) is
  'Takes the one probe of an open breaker for an execution, for 60 seconds; false when another '
  'worker has it. Service role only.';

create function public.renew_execution_lease(organization_id bigint, execution_id uuid) returns text
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: service_role holds no grant to update executions. Executable by service_role only.
#variable_conflict use_column
declare
  execution public.agent_executions;
  revoked boolean;
begin
  select x.* into execution from public.agent_executions x
  where x.organization_id = renew_execution_lease.organization_id
    and x.id = renew_execution_lease.execution_id;
  revoked := execution.status in ('pending', 'running') and not private.access_stands(execution);
  -- Written only when it is getting short: a stream that writes events four times a second renews
  -- it every ten.
  if execution.status in ('pending', 'running') and (
    execution.lease_expires_at < clock_timestamp() + interval '20 seconds'
    or (revoked and execution.cancel_requested_at is null)
  ) then
    update public.agent_executions x
    set lease_expires_at = clock_timestamp() + interval '30 seconds',
      cancel_requested_at = case when revoked then coalesce(x.cancel_requested_at, clock_timestamp())
        else x.cancel_requested_at end
    where x.organization_id = execution.organization_id
      and x.id = execution.id
      and x.status in ('pending', 'running')
    returning x.* into execution;
  end if;
  return case
    when execution.status = 'running' and revoked then 'revoked'
    when execution.status = 'running' and execution.cancel_requested_at is not null then 'cancelling'
    else execution.status
  end;
end
$$;
comment on function public.renew_execution_lease(bigint, uuid) is
  'Keeps a running execution alive for up to 30 seconds more; answers its status, cancelling when '
  'someone asked for that, revoked when its person may invoke agents there no longer or its '
  'session was revoked, null when it is gone. Service role only.';

-- ── The RPCs ──────────────────────────────────────────────────────────────────────────────────

create function public.begin_execution(
  message jsonb default null, agent text default null, model text default null, session_id uuid default null,
  project_id bigint default null, parent_id uuid default null, params jsonb default '{}',
  idempotency_key text default null, providers text[] default null, on_busy text default 'refuse',
  regenerate uuid default null, as_root boolean default false, transient boolean default false,
  input_bytes bigint default null
) returns jsonb
language sql volatile security invoker set search_path = ''
as $$
  select private.begin_execution(
    message, agent, model, session_id, project_id, parent_id, params, idempotency_key, providers, on_busy,
    regenerate, as_root, transient, input_bytes
  )
$$;
comment on function public.begin_execution(
  jsonb, text, text, uuid, bigint, uuid, jsonb, text, text[], text, uuid, boolean, boolean, bigint
) is
  'Opens one execution for the caller in one transaction: session, user message, route, prompts, '
  'history, budget. The same idempotency key (or message id) and request answers the same '
  'execution (replayed). parent_id continues from a message, as_root starts over, regenerate asks '
  'again, on_busy queue waits (start_execution), transient keeps the session out of the lists. For '
  'the function agents: an execution nobody works on ends failed (interrupted) when its lease runs '
  'out. Errors are listed in docs/error-codes.md; a refused request writes nothing.';

create function public.start_execution(execution_id uuid, providers text[] default null) returns jsonb
language sql volatile security invoker set search_path = ''
as $$ select private.start_execution(execution_id, providers) $$;
comment on function public.start_execution(uuid, text[]) is
  'Starts an execution that waited for its session: as begin_execution() once it is its turn '
  '(status running, with route and history), else its status alone. Keeps it alive while it waits. '
  'PT404 execution_not_found.';

create function public.cancel_execution(execution_id uuid) returns text
language sql volatile security invoker set search_path = ''
as $$ select private.cancel_execution(execution_id) $$;
comment on function public.cancel_execution(uuid) is
  'Asks the worker of one''s own execution to stop; what was said is kept. Answers the status: '
  'running until the worker has stopped. An execution that has ended stays as it is. PT404 '
  'execution_not_found.';

revoke all on function
  private.validate_invocation(jsonb, jsonb, text, uuid, text, uuid), private.message_text(jsonb),
  private.events_text(bigint, uuid),
  private.prepare_execution(public.agent_executions, jsonb, jsonb, bigint),
  private.describe_execution(public.agent_executions), private.keep_session(bigint, uuid),
  private.end_expired_executions(bigint, uuid),
  private.begin_execution(
    jsonb, text, text, uuid, bigint, uuid, jsonb, text, text[], text, uuid, boolean, boolean, bigint
  ),
  private.start_execution(uuid, text[]), private.cancel_execution(uuid),
  private.end_expired_execution(bigint, uuid),
  private.event_batches(bigint, uuid, bigint, integer), private.read_execution_result(uuid),
  private.count_outcome(public.agent_executions, text, jsonb),
  private.store_answer(public.agent_executions, text, jsonb),
  private.settle_execution(public.agent_executions, text, jsonb),
  private.store_events(bigint, uuid, bigint, text),
  public.begin_execution(
    jsonb, text, text, uuid, bigint, uuid, jsonb, text, text[], text, uuid, boolean, boolean, bigint
  ),
  public.start_execution(uuid, text[]), public.cancel_execution(uuid),
  public.read_execution(uuid, bigint, integer),
  public.follow_execution(bigint, uuid, bigint, uuid[]),
  public.read_execution_result(uuid), public.finish_execution(bigint, uuid, jsonb),
  public.append_execution_events(bigint, uuid, bigint, text), public.acquire_probe(bigint, uuid, bigint),
  public.renew_execution_lease(bigint, uuid)
  from public, anon, authenticated, service_role;
grant execute on function
  private.begin_execution(
    jsonb, text, text, uuid, bigint, uuid, jsonb, text, text[], text, uuid, boolean, boolean, bigint
  ),
  private.start_execution(uuid, text[]), private.cancel_execution(uuid),
  private.end_expired_execution(bigint, uuid),
  private.event_batches(bigint, uuid, bigint, integer), private.read_execution_result(uuid),
  public.begin_execution(
    jsonb, text, text, uuid, bigint, uuid, jsonb, text, text[], text, uuid, boolean, boolean, bigint
  ),
  public.start_execution(uuid, text[]), public.cancel_execution(uuid),
  public.read_execution(uuid, bigint, integer),
  public.read_execution_result(uuid)
  to authenticated;
grant execute on function
  public.follow_execution(bigint, uuid, bigint, uuid[]), public.finish_execution(bigint, uuid, jsonb),
  public.append_execution_events(bigint, uuid, bigint, text),
  public.acquire_probe(bigint, uuid, bigint), public.renew_execution_lease(bigint, uuid)
  to service_role;
