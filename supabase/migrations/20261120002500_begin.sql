-- The beginning of an execution: begin_execution(), and start_execution() for one that waited.
-- Special: beginning is one transaction as the caller, so a refused request writes nothing and needs no
-- privilege. It stands after the file end, because it first ends what dead workers left.

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
create trigger agent_executions_settle_deleted before delete on public.agent_executions
  for each row when (old.status in ('pending', 'running'))
  execute function private.settle_deleted_execution();

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

revoke all on function
  private.validate_invocation(jsonb, jsonb, text, uuid, text, uuid),
  private.message_text(jsonb),
  private.prepare_execution(public.agent_executions, jsonb, jsonb, bigint),
  private.begin_execution(
    jsonb, text, text, uuid, bigint, uuid, jsonb, text, text[], text, uuid, boolean, boolean, bigint
  ),
  private.start_execution(uuid, text[]),
  public.begin_execution(
    jsonb, text, text, uuid, bigint, uuid, jsonb, text, text[], text, uuid, boolean, boolean, bigint
  ),
  public.start_execution(uuid, text[])
  from public, anon, authenticated, service_role;
grant execute on function
  private.begin_execution(
    jsonb, text, text, uuid, bigint, uuid, jsonb, text, text[], text, uuid, boolean, boolean, bigint
  ),
  private.start_execution(uuid, text[]),
  public.begin_execution(
    jsonb, text, text, uuid, bigint, uuid, jsonb, text, text[], text, uuid, boolean, boolean, bigint
  ),
  public.start_execution(uuid, text[])
  to authenticated;
