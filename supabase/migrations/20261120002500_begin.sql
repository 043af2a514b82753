-- The beginning of an execution: begin_execution(), and start_execution() for a queued one.
-- Special: one transaction as the caller begins an execution, so a refused request writes nothing and needs
-- no privilege. What it answers has the system prompts, so a guest's execution begins through the service
-- role. The file follows the file end: begin_execution() first ends the executions of dead workers.

-- ── begin_execution ───────────────────────────────────────────────────────────────────────────

-- The stored parts of a message are sent to providers with every later turn. The provider would read an
-- address of another scheme, such as gs://, with the rights of the platform's own account.
create function private.is_message_part(part jsonb) returns boolean
language plpgsql immutable security invoker set search_path = ''
as $$
begin
  return coalesce(case part ->> 'type'
    when 'text' then jsonb_typeof(part -> 'text') = 'string'
    when 'refusal' then jsonb_typeof(part -> 'text') = 'string'
    when 'tool_call' then jsonb_typeof(part -> 'id') = 'string' and jsonb_typeof(part -> 'name') = 'string'
      and jsonb_typeof(part -> 'arguments') = 'string'
    when 'tool_result' then jsonb_typeof(part -> 'tool_call_id') = 'string'
      and jsonb_typeof(part -> 'name') = 'string'
      and jsonb_typeof(part -> 'content') = 'string'
    else part ->> 'type' in ('image', 'file') and jsonb_typeof(part -> 'media_type') = 'string'
      and case when part ? 'path'
        then not part ? 'url' and (private.file_address(part ->> 'path')).id is not null
        else char_length(part ->> 'url') <= 2048
          and part ->> 'url' ~ '^https://[^[:space:]/?#@]+([/?#][^[:space:]]*)?$' end
  end, false);
end
$$;
comment on function private.is_message_part(jsonb) is
  'Whether an adapter of a provider can send this part of a message.';

create function private.are_message_parts(content jsonb) returns boolean
language plpgsql immutable security invoker set search_path = ''
as $$
begin
  if jsonb_typeof(content) is distinct from 'array' then
    return true;
  end if;
  return not exists (select 1 from jsonb_array_elements(content) p where not private.is_message_part(p));
end
$$;
comment on function private.are_message_parts(jsonb) is
  'False for a list with a part that no adapter can send.';

-- The message that asks stands beside the list: its place has only its role.
create function private.are_input_messages(input jsonb) returns boolean
language plpgsql immutable security invoker set search_path = ''
as $$
begin
  if jsonb_typeof(input) is distinct from 'array' then
    return false;
  end if;
  return not exists (
    select 1 from jsonb_array_elements(input) m
    where jsonb_typeof(m) <> 'object' or m - '{role,content,parts}'::text[] <> '{}'
      or coalesce(m ->> 'role' not in ('system', 'user', 'assistant', 'tool'), true)
      or (m ? 'content' and jsonb_typeof(m -> 'content') <> 'string')
      or (m ? 'parts' and jsonb_typeof(m -> 'parts') <> 'array')
      or not private.are_message_parts(coalesce(m -> 'parts', '[]'))
      -- Only the message that asks may name a file: private.name_files() checks its path.
      or m @? '$.parts[*].path'
  ) and (select count(*) from jsonb_array_elements(input) m where not m ? 'content' and not m ? 'parts') = 1;
end
$$;
comment on function private.are_input_messages(jsonb) is
  'Whether it is a list of messages { role, content, parts? } in which one, the one that asks, has only its '
  'role.';

-- The problem of the first wrong field, as `field: what it must be`; null for a well-formed request.
create function private.invocation_problem(request jsonb) returns text
language plpgsql immutable security invoker set search_path = ''
as $$
declare
  uuid_form constant text := '^"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"$';
  message constant jsonb := request -> 'message';
  content constant jsonb := message -> 'content';
  unknown constant jsonb := request - array[
    'message', 'agent', 'model', 'session_id', 'project_id', 'parent_id', 'params', 'on_busy',
    'regenerate', 'as_root', 'transient', 'input_bytes', 'previous', 'prompt',
    'capability', 'title', 'end_user', 'refers'
  ];
  unknown_of_message constant jsonb := case jsonb_typeof(message)
    when 'object' then message - array['id', 'content', 'digest', 'input'] else '{}' end;
  prompt constant jsonb := request -> 'prompt';
  unknown_of_prompt constant jsonb := case jsonb_typeof(prompt)
    when 'object' then prompt - array['name', 'variables'] else '{}' end;
begin
  if unknown <> '{}' then
    return (select left(min(k), 64) || ': is no field of a request.' from jsonb_object_keys(unknown) k);
  elsif unknown_of_message <> '{}' then
    return (
      select 'message.' || left(min(k), 64) || ': is no field of a message.'
      from jsonb_object_keys(unknown_of_message) k
    );
  elsif unknown_of_prompt <> '{}' then
    return (
      select 'prompt.' || left(min(k), 64) || ': is no field of a prompt.'
      from jsonb_object_keys(unknown_of_prompt) k
    );
  end if;
  return case
    when jsonb_typeof(message) <> 'object' then 'message: must be an object.'
    when not message ? 'content' or jsonb_typeof(content) not in ('string', 'array')
      then 'message.content: must be a text or a list of parts.'
    when content in ('""', '[]') then 'message.content: must not be empty.'
    when octet_length(message ->> 'content') > 262144
      then 'message.content: is longer than 262144 bytes.'
    when not private.are_message_parts(content)
      then 'message.content: a part must be a text, an image or file by https or by its path, or a tool call '
        'or result.'
    when (message -> 'id')::text !~ uuid_form then 'message.id: must be a uuid.'
    when jsonb_typeof(message -> 'digest') <> 'string' then 'message.digest: must be a text.'
    when message ? 'input' and not request @> '{"transient": true}'
      then 'message.input: can come only with transient.'
    when octet_length(message ->> 'input') > 8388608 then 'message.input: is longer than 8388608 bytes.'
    when message ? 'input' and not private.are_input_messages(message -> 'input')
      then 'message.input: must be a list of messages, the place of the one that asks among them.'
    when jsonb_typeof(request -> 'end_user') <> 'string'
      or char_length(request ->> 'end_user') not between 1 and 512
      then 'end_user: must be a text of 1 to 512 characters.'
    when jsonb_typeof(request -> 'refers') <> 'array'
      or request @? ('$.refers[*] ? (!(@.type() == "string" && @ like_regex '
        || '"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"))')::jsonpath
      then 'refers: must be a list of uuids.'
    when jsonb_typeof(request -> 'agent') <> 'string' then 'agent: must be a text.'
    when jsonb_typeof(request -> 'title') <> 'string'
      or char_length(request ->> 'title') not between 1 and 500
      then 'title: must be a text of 1 to 500 characters.'
    when jsonb_typeof(request -> 'model') <> 'string' then 'model: must be a text.'
    when (request -> 'session_id')::text !~ uuid_form then 'session_id: must be a uuid.'
    when (request -> 'project_id')::text !~ '^[0-9]{1,18}$' then 'project_id: must be a number.'
    when (request -> 'previous')::text !~ uuid_form then 'previous: must be a uuid.'
    when request ? 'previous' and not request @> '{"transient": true}'
      then 'previous: can come only with transient.'
    when request ?& '{previous,parent_id}' or request @> '{"as_root": true}' and request ? 'previous'
      then 'previous: cannot come with parent_id or as_root.'
    when (request -> 'parent_id')::text !~ uuid_form then 'parent_id: must be a uuid.'
    when (request -> 'regenerate')::text !~ uuid_form then 'regenerate: must be a uuid.'
    when jsonb_typeof(request -> 'params') <> 'object' then 'params: must be an object.'
    when octet_length(((request -> 'params') - 'response_format')::text) > 65536
      then 'params: is longer than 65536 bytes.'
    -- The text of a schema of 64 KiB, and its name.
    when octet_length(request -> 'params' ->> 'response_format') > 66560
      then 'params.response_format: is longer than 66560 bytes.'
    -- The reservation is computed from it: a negative value would increase the budget.
    when request -> 'params' ->> 'max_output_tokens' !~ '^[1-9][0-9]{0,6}$'
      then 'params.max_output_tokens: must be a whole number from 1 to 9999999.'
    when jsonb_typeof(prompt) <> 'object' then 'prompt: must be an object.'
    when prompt is not null and jsonb_typeof(prompt -> 'name') is distinct from 'string'
      then 'prompt.name: must be a text.'
    when jsonb_typeof(prompt -> 'variables') <> 'object' then 'prompt.variables: must be an object.'
    when octet_length(prompt ->> 'variables') > 65536
      then 'prompt.variables: is longer than 65536 bytes.'
    when request -> 'on_busy' not in ('"refuse"', '"queue"') then 'on_busy: must be refuse or queue.'
    when jsonb_typeof(request -> 'as_root') <> 'boolean' then 'as_root: must be true or false.'
    when jsonb_typeof(request -> 'transient') <> 'boolean' then 'transient: must be true or false.'
    when (request -> 'input_bytes')::text !~ '^[0-9]{1,18}$' then 'input_bytes: must be a whole number.'
    when request ? 'regenerate' and message is not null then 'message: cannot come with regenerate.'
    when request ? 'regenerate' and request ? 'parent_id' then 'parent_id: cannot come with regenerate.'
    when request ? 'regenerate' and not request ? 'session_id'
      then 'session_id: is required with regenerate.'
    when message is null and not request ? 'regenerate'
      then 'message: is required, unless regenerate is given.'
    when request -> 'capability' not in ('"chat"', '"embeddings"')
      then 'capability: must be chat or embeddings.'
    when request @> '{"capability": "embeddings"}' and not request @> '{"transient": true}'
      then 'capability: embeddings can come only with transient.'
    when request @> '{"as_root": true}' and request ?| '{parent_id,regenerate}'
      then 'as_root: cannot come with parent_id or regenerate.'
    when request @> '{"transient": true}' and request ? 'session_id'
      then 'transient: cannot come with session_id.'
  end;
end
$$;
comment on function private.invocation_problem(jsonb) is
  'The problem of the first wrong field of a request of begin_execution(); null without one.';

create function private.read_invocation(request jsonb, idempotency_key text) returns jsonb
language plpgsql immutable security invoker set search_path = ''
as $$
declare
  -- A null field is absent. This holds for the request's own fields only: a deeper null may have a meaning.
  given jsonb := case jsonb_typeof(request) when 'object' then request else '{}' end;
  problem text;
begin
  if given @? 'strict $.* ? (@ == null)' then
    given := (select coalesce(jsonb_object_agg(key, value) filter (where value <> 'null'), '{}')
      from jsonb_each(given));
  end if;
  problem := case
    when jsonb_typeof(request) is distinct from 'object' then 'request: must be an object.'
    when char_length(idempotency_key) not between 1 and 255
      then 'idempotency_key: must have 1 to 255 characters.'
    else private.invocation_problem(given)
  end;
  if problem is not null then
    raise exception using errcode = '22023', message = 'invalid_request', detail = problem;
  end if;
  return '{"params": {}, "on_busy": "refuse", "as_root": false, "transient": false}' || given;
end
$$;
comment on function private.read_invocation(jsonb, text) is
  'The request with its defaults and without nulls; 22023 invalid_request, whose detail begins with the '
  'name of the wrong field.';

create function private.message_text(content jsonb) returns text
language plpgsql immutable security invoker set search_path = ''
as $$
begin
  if jsonb_typeof(content) is distinct from 'array' then
    return content #>> '{}';
  end if;
  return coalesce((
    select string_agg(p ->> 'text', '' order by n)
    from jsonb_array_elements(content) with ordinality e(p, n)
    where p ->> 'type' = 'text' and not p ? 'not_stored'
  ), '');
end
$$;
comment on function private.message_text(jsonb) is
  'The text of a content: itself, or that of its text parts, without those that name a file.';

create function private.hand_back_note(organization_id bigint, session_id uuid) returns text
language sql stable security definer set search_path = ''
as $$
  -- Definer: called by functions that do not show the note to the session's user.
  select n.note from conversation.hand_back_notes n
  where n.organization_id = hand_back_note.organization_id and n.session_id = hand_back_note.session_id
$$;
comment on function private.hand_back_note(bigint, uuid) is
  'What the last person who handed a session back told the model; null without a note.';

-- Reads the long values before its caller locks rows that other people wait for.
create function private.execution_input(
  chat public.chat_sessions, execution public.agent_executions, params jsonb, input_bytes bigint,
  out input jsonb, out bytes bigint
)
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: called by begin_execution(), start_execution() and continue_execution() only.
declare
  prompts jsonb;
  history jsonb;
  tools jsonb;
  note text;
begin
  select coalesce(jsonb_agg(p.content), '[]') into prompts
  from private.prompt_layers(
    chat.organization_id, chat.user_id, execution.agent_id, execution.project_id, chat.context, true
  ) p;
  -- A client that keeps its conversation itself, or names a response, sends it all, and its own tools.
  if chat.metadata @> '{"transient": true}' then
    tools := '[]';
    history := (
      select jsonb_build_array(jsonb_build_object(
        'id', m.id, 'role', m.role, 'content', m.content, 'parts', m.parts))
      from public.chat_messages m
      where m.organization_id = chat.organization_id and m.id = execution.message_id
    );
  else
    tools := private.execution_tools(chat.organization_id, chat.user_id);
    history := private.with_tool_results(
      chat.organization_id, chat.id,
      private.conversation_history(chat.organization_id, execution.message_id));
    if history @? '$[*] ? (@.role == "assistant" && @.content starts with "[A person")' then
      prompts := prompts || to_jsonb('People answered in this conversation beside you. An answer of a person '
        'begins with a line in brackets that says so. Never begin an answer with such a line.'::text);
    end if;
    note := private.hand_back_note(chat.organization_id, chat.id);
  end if;
  if execution.metadata ? 'prompt' then
    prompts := prompts
      || to_jsonb(private.fill_prompt(chat.organization_id, execution.metadata -> 'prompt'));
  end if;
  -- Each layer has a bound; a worker must hold all layers, beside those of other executions.
  if octet_length(prompts::text) > 4194304 then
    raise exception using errcode = '22023', message = 'invalid_request',
      detail = 'The system prompts are longer than 4 MiB together.';
  end if;
  -- Each file counts 16,384 bytes, more than most large images are billed; a document counts its bytes too.
  bytes := octet_length(history::text) + 16384 * jsonb_array_length(
    jsonb_path_query_array(history, '$[*].parts[*] ? (@.type == "image" || @.type == "file")'))
    + private.document_bytes(chat.organization_id, chat.id, history);
  -- The caller names input_bytes, the size of what it sends and the database does not store. It counts up to
  -- the size of the largest body. A client that keeps its conversation itself sends it in place of the
  -- history.
  bytes := case when chat.metadata @> '{"transient": true}'
      then greatest(bytes, least(coalesce(input_bytes, 0), 8388608))
      else bytes + least(coalesce(input_bytes, 0), 8388608) end
    + octet_length(prompts::text) + octet_length(tools::text)
    -- With the sentence that the worker sends before it.
    + coalesce(octet_length(note) + 128, 0)
    + coalesce(octet_length(params ->> 'response_format'), 0);
  -- The caller is the session's user: the worker reads the note itself.
  input := jsonb_build_object('system_prompts', prompts, 'history', history, 'tools', tools)
    || case when note is null then '{}'::jsonb else '{"has_note": true}' end;
end
$$;
comment on function private.execution_input(
  public.chat_sessions, public.agent_executions, jsonb, bigint
) is
  '{ system_prompts, history, tools, has_note? } of an execution, and their bytes with those of the '
  'parameters. has_note: hand_back_note() has another system prompt for the worker. The '
  'prompt of the library that the request named is the last system prompt.';

create function private.prompts_hash(prompts jsonb) returns text
language sql immutable security invoker set search_path = ''
as $$
  select encode(sha256(convert_to(string_agg(p, E'\n\n' order by n), 'UTF8')), 'hex')
  from jsonb_array_elements_text(prompts) with ordinality e(p, n)
$$;
comment on function private.prompts_hash(jsonb) is
  'SHA-256, in hexadecimal, of a list of texts that are joined by an empty line; null for an empty list.';

create function private.prepare_execution(
  execution public.agent_executions,
  route jsonb,
  params jsonb,
  input jsonb,
  bytes bigint
)
returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: called by begin_execution(), start_execution() and continue_execution() only.
declare
  sent jsonb;
  asked constant bigint := case
    when params ->> 'max_output_tokens' ~ '^[1-9][0-9]{0,6}$'
      then (params ->> 'max_output_tokens')::bigint end;
  -- Any model of the route may answer. A model that makes embeddings puts nothing out.
  has_output constant boolean := not route @> '[{"capability": "embeddings"}]';
  max_output_tokens bigint;
  more_tokens bigint;
  more_requests integer;
  has_budget boolean;
begin
  route := private.priced_route(
    execution.organization_id, execution.user_id, execution.project_id, route, has_output
  );
  max_output_tokens := case when has_output then coalesce(asked, (
    select max(coalesce((r -> 'params' ->> 'max_output_tokens')::bigint, 4096))
    from jsonb_array_elements(route) r
  )) else 0 end;
  -- A queued execution was counted when it began: only later additions are counted now.
  more_tokens := greatest(ceil(bytes / 4.0)::bigint + max_output_tokens - execution.reserved_tokens, 0);
  more_requests := (execution.reserved_tokens = 0)::integer;

  execution.estimated_input_tokens := ceil(bytes / 4.0)::bigint;
  execution.reserved_tokens := execution.reserved_tokens + more_tokens;
  execution.model_id := (route -> 0 ->> 'model_id')::bigint;
  execution.prompts_hash := private.prompts_hash(input -> 'system_prompts');
  select
    jsonb_agg(jsonb_build_object(
      'model_id', r -> 'model_id', 'generation', r -> 'generation', 'credential', r -> 'credential'
    ) order by n),
    jsonb_agg(r - 'generation' order by n)
  into execution.route, sent
  from jsonb_array_elements(route) with ordinality e(r, n);
  -- A queued execution is stored already. A new one is written once and complete: each write of the row
  -- also writes to each of its indexes.
  if execution.updated_at is null then
    execution.updated_at := execution.created_at;
    with begun as (
      insert into public.agent_executions values (execution.*) returning organization_id, id
    )
    insert into private.execution_callers (organization_id, execution_id, user_session_id)
    select b.organization_id, b.id, private.claim_uuid('session_id') from begun b;
    perform private.admit_execution(execution.organization_id, execution.user_id, execution.id);
    perform private.check_end_user(
      execution.organization_id, execution.user_id, execution.end_user, execution.reserved_tokens,
      execution.id
    );
  else
    update public.agent_executions x
    set estimated_input_tokens = execution.estimated_input_tokens,
      reserved_tokens = execution.reserved_tokens, model_id = execution.model_id, route = execution.route,
      prompts_hash = execution.prompts_hash
    where x.organization_id = execution.organization_id and x.id = execution.id;
  end if;
  has_budget := private.has_budget(execution.organization_id, execution.user_id, execution.project_id);
  -- The bound of the answer is sent to the provider, also that of a guest's answer.
  if asked is null and (has_budget or private.is_guest(execution.organization_id, execution.user_id)) then
    select jsonb_agg(
      r || jsonb_build_object('params', '{"max_output_tokens": 4096}' || (r -> 'params')) order by n
    ) into sent
    from jsonb_array_elements(sent) with ordinality e(r, n);
  end if;
  if has_budget then
    -- The membership before its budgets, as its deletion takes them.
    perform 1 from client_mgmt.client_users m
    where m.organization_id = execution.organization_id and m.user_id = execution.user_id for key share;
    -- No tokenizer makes more than one token per byte.
    perform private.reserve_budgets(
      execution.organization_id, execution.id, execution.user_id, execution.project_id,
      private.route_cost(execution.organization_id, route, bytes, max_output_tokens),
      bytes + max_output_tokens
    );
  end if;
  -- Last: each finish_execution() of the organization waits for this row.
  execution := private.count_rate(execution, more_requests, more_tokens);
  return input || jsonb_build_object('route', sent, 'params', params);
end
$$;
comment on function private.prepare_execution(public.agent_executions, jsonb, jsonb, jsonb, bigint) is
  'Writes the execution, admits it, reserves the budgets and returns { route, params, system_prompts, '
  'history, tools }. The parameters of a request win over those of a model of the route.';

create function private.new_execution(
  chat public.chat_sessions, message_id uuid, project_id bigint, agent_id bigint, metadata jsonb
) returns public.agent_executions
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: called by begin_execution() and continue_execution() only.
declare
  execution public.agent_executions;
begin
  execution.organization_id := chat.organization_id;
  execution.id := private.uuid_v7();
  execution.session_id := chat.id;
  execution.user_id := chat.user_id;
  execution.message_id := new_execution.message_id;
  execution.response_message_id := private.uuid_v7();
  execution.end_user := chat.end_user;
  execution.project_id := new_execution.project_id;
  execution.agent_id := new_execution.agent_id;
  execution.status := 'running';
  execution.attempt := 1;
  execution.reserved_tokens := 0;
  execution.stored_bytes := 0;
  execution.metadata := new_execution.metadata;
  execution.lease_expires_at := private.first_lease();
  execution.created_at := now();
  return execution;
end
$$;
comment on function private.new_execution(public.chat_sessions, uuid, bigint, bigint, jsonb) is
  'A new execution of the owner of a session, not stored yet: prepare_execution() stores it. Until then its '
  'updated_at is null.';

create function private.leave_to_person(execution public.agent_executions) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: called by begin_execution() and start_execution() only. Reserves nothing, and counts one request
-- of the minute and no execution: the customer's message is stored whatever a model would cost or wait for,
-- within the requests of a minute and the bytes that a person and an organization may keep.
begin
  if execution.updated_at is null then
    execution.updated_at := execution.created_at;
    execution.route := '[]';
    perform private.check_rate(
      private.limits_for(execution.organization_id, execution.user_id), execution.user_id);
    insert into public.agent_executions values (execution.*);
    execution := private.count_rate(execution, 1, 0);
  end if;
  return private.end_execution(
    execution.organization_id, execution.id,
    '{"status": "success", "finish_reason": "person_answers", "latency_ms": 0}'
  );
end
$$;
comment on function private.leave_to_person(public.agent_executions) is
  'Ends an execution of a session that a person handles, without an answer: finish_reason person_answers. '
  'Returns its stored end.';

create function private.require_response(
  organization_id bigint, execution_id uuid
) returns public.agent_executions
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: reads past the policies, which also show responses of others. Nobody continues these: a foreign
-- response, an absent one, one that did not store its input and one without an answer give one error.
#variable_conflict use_column
declare
  result public.agent_executions;
begin
  select x.* into result
  from public.agent_executions x
  join public.chat_messages m on m.organization_id = x.organization_id and m.id = x.message_id
  where x.organization_id = require_response.organization_id and x.id = require_response.execution_id
    and x.user_id = private.current_user_id() and x.status = 'success' and m.metadata ? 'input';
  if not found then
    raise exception using errcode = 'PT404', message = 'execution_not_found',
      detail = 'No response of the caller has this id, or it has no answer. Check the id.';
  end if;
  return result;
end
$$;
comment on function private.require_response(bigint, uuid) is
  'The caller''s own execution that a request with previous can follow; PT404 execution_not_found.';

-- What would cost the organization, or show something of it, is refused as to a stranger.
create function private.check_guests_request(invocation jsonb) returns void
language plpgsql immutable security invoker set search_path = ''
as $$
begin
  if invocation ? 'model' then
    raise exception using errcode = 'PT404', message = 'model_not_found',
      detail = 'The agent has no enabled model of this name. Check the name.';
  elsif invocation ? 'project_id' then
    raise exception using errcode = 'PT404', message = 'project_not_found',
      detail = 'The organization has no project with this id. Check the id.';
  elsif invocation ? 'prompt' then
    raise exception using errcode = 'PT404', message = 'prompt_not_found',
      detail = 'The library of the organization has no prompt of this name. Check the name.';
  elsif invocation -> 'params' <> '{}' then
    raise exception using errcode = '42501', message = 'permission_denied',
      detail = 'The agent decides the parameters of a guest''s request: leave params out.';
  elsif invocation ? 'end_user' then
    raise exception using errcode = '42501', message = 'permission_denied',
      detail = 'A guest is the customer: leave end_user out.';
  elsif invocation @> '{"transient": true}' then
    raise exception using errcode = '42501', message = 'permission_denied',
      detail = 'A guest talks in stored conversations only.';
  end if;
end
$$;
comment on function private.check_guests_request(jsonb) is
  'Requires that a guest''s request names no model, project, prompt or end user, sets no parameter, and is a '
  'turn of a stored conversation; else PT404 as for an absent one, or 42501 permission_denied.';

create function private.begin_in(
  organization bigint, request jsonb, idempotency_key text, providers text[]
) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: writes messages and executions, which no client may. Acts for the caller in the active
-- organization only, which its callers have checked, and looks up every given id there.
#variable_conflict use_column
declare
  account constant uuid := private.current_user_id();
  guest constant boolean := private.is_guest(organization, account);
  invocation constant jsonb := private.read_invocation(begin_in.request, begin_in.idempotency_key);
  message constant jsonb := invocation -> 'message';
  agent constant text := invocation ->> 'agent';
  model constant text := invocation ->> 'model';
  session uuid := (invocation ->> 'session_id')::uuid;
  parent uuid := (invocation ->> 'parent_id')::uuid;
  previous constant uuid := (invocation ->> 'previous')::uuid;
  regenerate constant uuid := (invocation ->> 'regenerate')::uuid;
  as_root constant boolean := (invocation -> 'as_root')::boolean;
  transient constant boolean := (invocation -> 'transient')::boolean;
  key constant text := coalesce(begin_in.idempotency_key, message ->> 'id');
  -- Without the fields that do not change the answer: requests that differ in them alone are repeated.
  hash constant bytea := sha256(convert_to(
    (invocation - '{on_busy,transient,input_bytes,title}'::text[])::text, 'UTF8'));
  words constant text := private.message_text(message -> 'content');
  parts constant jsonb := case jsonb_typeof(message -> 'content') when 'array' then message -> 'content' end;
  -- The function agents makes it: PostgreSQL does not know where a grapheme ends.
  named constant text := invocation ->> 'title';
  project bigint := (invocation -> 'project_id')::bigint;
  chat public.chat_sessions;
  chosen public.agents;
  route jsonb;
  params constant jsonb := invocation -> 'params';
  prompt constant jsonb := invocation -> 'prompt';
  customer constant text := invocation ->> 'end_user';
  asked uuid := coalesce((message ->> 'id')::uuid, private.uuid_v7());
  waits boolean := false;
  handled boolean := false;
  has_dead boolean;
  input record;
  followed public.agent_executions;
  execution public.agent_executions;
begin
  if guest then
    perform private.check_guests_request(invocation);
  end if;
  if key is not null then
    -- Concurrent repetitions wait here for the first request, then find its row.
    perform pg_advisory_xact_lock(hashtextextended(organization || '/' || account || '/' || key, 0));
    select x.* into execution from public.agent_executions x
    where x.organization_id = organization and x.user_id = account and x.idempotency_key = key;
    if found then
      if execution.request_hash <> hash then
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

  if previous is not null then
    followed := private.require_response(organization, previous);
    if followed.end_user is distinct from customer then
      raise exception using errcode = 'PT404', message = 'execution_not_found',
        detail = 'No response for this end user has this id, or it has no answer. Check the id.';
    end if;
    session := followed.session_id;
    parent := coalesce((
      select m.id from public.chat_messages m
      where m.organization_id = organization and m.id = followed.response_message_id
    ), followed.message_id);
  end if;
  if session is not null then
    chat := private.require_own_session(organization, session);
    -- A server names the customer for whom it acts, so that a wrong id shows no customer another's words.
    if chat.end_user is distinct from customer then
      raise exception using errcode = 'PT404', message = 'session_not_found',
        detail = 'No session of the caller for this end user has this id.';
    end if;
    if chat.status = 'closed' and previous is null then
      raise exception using errcode = 'PT409', message = 'session_closed', detail = 'The session is closed.';
    end if;
    -- The session is locked: take_over_session() comes before this or after it.
    handled := chat.handled_by is not null;
  end if;
  if invocation ? 'refers' and exists (
    select 1 from jsonb_array_elements_text(invocation -> 'refers') r
    join public.agent_executions x on x.organization_id = organization and x.id = r::uuid
    where x.user_id = account and x.end_user is distinct from customer
  ) then
    raise exception using errcode = 'PT404', message = 'execution_not_found',
      detail = 'The request refers to an answer that was not for this end user.';
  end if;
  -- Several requests may follow one response at once.
  if previous is null and chat.id is not null and not handled then
    perform private.end_expired_executions(organization);
    select s.current_message_id, exists (
      select 1 from public.agent_executions x
      where x.organization_id = organization and x.user_id = account and x.session_id = chat.id
        and x.status in ('pending', 'running')
    ) into chat.current_message_id, waits
    from public.chat_sessions s where s.organization_id = organization and s.id = chat.id;
    if waits and invocation ->> 'on_busy' = 'refuse' then
      raise exception using errcode = 'PT409', message = 'session_busy',
        detail = 'An execution of this session is still running.';
    end if;
  end if;

  -- A guest who was a member may have sessions of a project, with a model of their choice.
  project := coalesce(project, case when not guest then chat.project_id end);
  if project is not null then
    perform private.require_project(organization, project);
  end if;
  if not handled then
    chosen := case when guest
      then private.find_guests_agent(
        organization, agent, case when agent is null then chat.agent_id end, providers
      )
      else private.find_agent(
        organization,
        coalesce(
          agent, case
            when chat.agent_id is null then private.preferred_agent(organization, project, providers) end
        ),
        case when agent is null then chat.agent_id end
      ) end;
    route := private.plan_route(
      organization, chosen.id, model, case when not guest then chat.id end, project, providers,
      coalesce(invocation ->> 'capability', 'chat')
    );
    -- Refuses what admit_execution() would refuse, before another person can wait for this transaction.
    has_dead := private.check_admission(organization, account);
  end if;
  perform private.check_end_user(organization, account, customer, 0);

  if chat.id is null then
    insert into public.chat_sessions (
      organization_id, user_id, end_user, agent_id, project_id, title, last_message_at, status, metadata,
      current_message_id
    )
    values (
      organization, account, customer, chosen.id, project, named, clock_timestamp(),
      case when transient then 'closed' else 'active' end,
      case when transient then '{"transient": true}'::jsonb else '{}' end,
      asked
    ) returning * into chat;
    -- After the insert, because the insert locks the person's quota: every transaction locks the quota
    -- before the limits.
    if has_dead then
      perform private.end_expired_executions(organization);
    end if;
  end if;

  if regenerate is not null then
    -- The message itself when a person wrote it, else the message that it answered. An answer that continued
    -- after an approval follows another answer.
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
    -- Without the file a model would answer, and not say that the file is missing.
    if exists (
      select 1 from public.chat_messages m
      where m.organization_id = organization and m.session_id = chat.id and m.id = asked
        and m.parts @> '[{"not_stored": true}]'
    ) then
      raise exception using errcode = '22023', message = 'invalid_request',
        detail = 'regenerate: the message has a file that is not stored. Send it again with the file.';
    end if;
  else
    if parent is not null then
      if not exists (
        select 1 from public.chat_messages m
        where m.organization_id = organization and m.session_id = chat.id and m.id = parent
      ) then
        raise exception using errcode = 'PT404', message = 'parent_not_found',
          detail = 'No message of the session has this id.';
      end if;
    end if;
    -- The id of an answer that is being written belongs to it.
    if exists (
      select 1 from public.agent_executions x
      where x.organization_id = organization and x.status in ('pending', 'running')
        and x.response_message_id = asked
    ) then
      raise exception using errcode = '23505', message = 'idempotency_conflict',
        detail = 'The message id was used for another request.';
    end if;
    if parts @? '$[*].path' then
      perform private.name_files(organization, chat.id, parts);
    end if;
    begin
      insert into public.chat_messages (
        organization_id, id, session_id, user_id, parent_id, role, content, parts, metadata
      )
      values (
        organization, asked, chat.id, account,
        case when as_root or session is null then null else coalesce(parent, chat.current_message_id) end,
        'user', words, parts,
        case when message ? 'input' then jsonb_build_object('input', message -> 'input') else '{}' end
      );
    exception when unique_violation then
      raise exception using errcode = '23505', message = 'idempotency_conflict',
        detail = 'The message id was used for another request.';
    end;
  end if;

  execution := private.new_execution(chat, asked, project, coalesce(chosen.id, chat.agent_id), case
    when waits then jsonb_build_object(
      'model', model, 'params', params, 'input_bytes', invocation -> 'input_bytes',
      'follows', regenerate is null and parent is null and not as_root
    ) else '{}' end
    || case when prompt is not null then jsonb_build_object('prompt', prompt) else '{}' end);
  execution.status := case when waits then 'pending' else 'running' end;
  execution.idempotency_key := key;
  execution.request_hash := hash;
  -- The text of parts is stored beside them.
  execution.stored_bytes := coalesce(octet_length(words), 0) + coalesce(octet_length(parts::text), 0)
    + coalesce(octet_length(message ->> 'input'), 0) + coalesce(octet_length(prompt::text), 0);

  if session is not null then
    update public.chat_sessions s
    set last_message_at = clock_timestamp(), current_message_id = case
      when waits then s.current_message_id
      else asked end,
      agent_id = coalesce(s.agent_id, chosen.id), title = coalesce(s.title, named),
      waiting_since = case when handled then coalesce(s.waiting_since, clock_timestamp())
        else s.waiting_since end
    where s.organization_id = organization and s.id = chat.id;
  end if;
  if handled then
    return private.describe_execution(execution) || jsonb_build_object(
      'status', 'success', 'replayed', false, 'result', private.leave_to_person(execution));
  end if;

  if invocation @> '{"capability": "embeddings"}' then
    -- Vectors are made of texts alone, and only the caller has these.
    select '{"system_prompts": [], "history": [], "tools": []}'::jsonb as input,
      least(coalesce((invocation -> 'input_bytes')::bigint, 0), 8388608) as bytes into input;
  else
    input := private.execution_input(chat, execution, params, (invocation -> 'input_bytes')::bigint);
  end if;
  return private.describe_execution(execution, chosen)
    || jsonb_build_object('replayed', false, 'result', null)
    || private.prepare_execution(execution, route, params, input.input, input.bytes);
end
$$;
comment on function private.begin_in(bigint, jsonb, text, text[]) is
  'Body of public.begin_execution() and of public.begin_execution_as().';

create function private.begin_execution(request jsonb, idempotency_key text, providers text[]) returns jsonb
language sql volatile security definer set search_path = ''
as $$
  -- Definer: calls private.begin_in(). Refuses a guest, because the answer has the system prompts.
  select private.begin_in(
    private.require_organization('agents.invoke'), request, idempotency_key, providers
  )
$$;
comment on function private.begin_execution(jsonb, text, text[]) is 'Body of public.begin_execution().';

-- ── start_execution: the turn of one that waited ──────────────────────────────────────────────

create function private.start_in(organization bigint, execution_id uuid, providers text[]) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: as begin_in(). Starts the caller's own execution only.
#variable_conflict use_column
declare
  chat public.chat_sessions;
  execution public.agent_executions;
  route jsonb;
  params jsonb;
  input record;
begin
  perform private.keep_session(organization, start_in.execution_id);
  select x.* into execution from public.agent_executions x
  where x.organization_id = organization
    and x.id = start_in.execution_id
    and x.user_id = private.current_user_id()
  for no key update;
  if not found then
    raise exception using errcode = 'PT404', message = 'execution_not_found',
      detail = 'No execution of yours has this id.';
  end if;
  chat := private.require_own_session(organization, execution.session_id);
  perform private.end_expired_executions(organization, execution.id);
  -- An execution whose lease ran out has lost its place, and needs a new one.
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
    where x.organization_id = organization and x.id = start_in.execution_id;
    return private.describe_execution(execution);
  end if;

  if (execution.metadata -> 'follows')::boolean then
    update public.chat_messages m set parent_id = s.current_message_id
    from public.chat_sessions s
    where s.organization_id = organization and s.id = chat.id
      and m.organization_id = organization and m.id = execution.message_id;
  end if;
  update public.chat_sessions s set current_message_id = execution.message_id,
    waiting_since = case when s.handled_by is not null then coalesce(s.waiting_since, clock_timestamp())
      else s.waiting_since end
  where s.organization_id = organization and s.id = chat.id;
  if chat.handled_by is not null then
    perform private.leave_to_person(execution);
    return private.describe_execution(execution) || '{"status": "success"}';
  end if;

  route := private.plan_route(
    organization, execution.agent_id, execution.metadata ->> 'model',
    case when not private.is_guest(organization, chat.user_id) then chat.id end, execution.project_id,
    providers
  );
  params := execution.metadata -> 'params';
  input := private.execution_input(
    chat, execution, params, (execution.metadata ->> 'input_bytes')::bigint
  );
  return private.describe_execution(execution)
    || private.prepare_execution(execution, route, params, input.input, input.bytes);
end
$$;
comment on function private.start_in(bigint, uuid, text[]) is
  'Body of public.start_execution() and of public.start_execution_as().';

create function private.start_execution(execution_id uuid, providers text[]) returns jsonb
language sql volatile security definer set search_path = ''
as $$
  -- Definer: calls private.start_in(). Refuses a guest, as private.begin_execution().
  select private.start_in(private.require_organization('agents.invoke'), execution_id, providers)
$$;
comment on function private.start_execution(uuid, text[]) is 'Body of public.start_execution().';
create trigger agent_executions_settle_deleted before delete on public.agent_executions
  for each row when (old.status in ('pending', 'running'))
  execute function private.settle_deleted_execution();

-- ── The RPCs ──────────────────────────────────────────────────────────────────────────────────

create function public.begin_execution(
  request jsonb, idempotency_key text default null, providers text[] default null
) returns jsonb
language sql volatile security invoker set search_path = ''
as $$ select private.begin_execution(request, idempotency_key, providers) $$;
comment on function public.begin_execution(jsonb, text, text[]) is
  'Begins one execution for the caller in one transaction: session, user message, route, prompts, history, '
  'budget. request has message { id?, content } or regenerate (answers again), and may have agent, model, '
  'session_id, project_id, title (of a session without one), params, prompt { name, variables? } (of the '
  'library: the last system prompt), '
  'parent_id (continues from a message), as_root (begins a new branch), on_busy (queue waits for '
  'start_execution), transient (keeps the session out of the lists), with it message.input (the messages to '
  'store beside it), previous (the execution that it follows) and capability (embeddings: of a model that '
  'makes vectors), end_user (the customer for whom a server acts: a session goes on with the same one only), '
  'refers (executions whose answers it quotes) and input_bytes; an unknown field is refused by its name. The '
  'same idempotency key (or message id) and request return the same execution (replayed). While a person '
  'handles the session, the message is stored and the execution has ended with finish_reason person_answers '
  '(result). For the function agents: an execution '
  'without a worker ends failed (interrupted) when its lease runs out. docs/error-codes.md lists the errors; '
  'a refused request writes nothing.';

create function public.start_execution(execution_id uuid, providers text[] default null) returns jsonb
language sql volatile security invoker set search_path = ''
as $$ select private.start_execution(execution_id, providers) $$;
comment on function public.start_execution(uuid, text[]) is
  'Starts a queued execution: answers as begin_execution() when it is its turn (status running, with route '
  'and history), else with its status only. Renews its lease during the wait. PT404 execution_not_found.';

create function public.begin_execution_as(
  user_session_id uuid, organization_id bigint, request jsonb, idempotency_key text default null,
  providers text[] default null
) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: calls private.act_as_session(). Executable by service_role only.
begin
  perform private.act_as_session(begin_execution_as.user_session_id, begin_execution_as.organization_id);
  return private.begin_in(
    private.require_conversations(), begin_execution_as.request, begin_execution_as.idempotency_key,
    begin_execution_as.providers
  );
end
$$;
comment on function public.begin_execution_as(uuid, bigint, jsonb, text, text[]) is
  'As begin_execution(), for the auth session and the organization of a token that the function agents has '
  'verified: a guest gets the stream and never the answer of this function. Service role only.';

create function public.start_execution_as(
  user_session_id uuid, organization_id bigint, execution_id uuid, providers text[] default null
) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: calls private.act_as_session(). Executable by service_role only.
begin
  perform private.act_as_session(start_execution_as.user_session_id, start_execution_as.organization_id);
  return private.start_in(
    private.require_conversations(), start_execution_as.execution_id, start_execution_as.providers
  );
end
$$;
comment on function public.start_execution_as(uuid, bigint, uuid, text[]) is
  'As start_execution(), for the auth session and the organization of a token that the function agents has '
  'verified. Service role only.';

revoke all on function
  private.check_guests_request(jsonb),
  private.begin_in(bigint, jsonb, text, text[]),
  private.start_in(bigint, uuid, text[]),
  public.begin_execution_as(uuid, bigint, jsonb, text, text[]),
  public.start_execution_as(uuid, bigint, uuid, text[]),
  private.is_message_part(jsonb),
  private.are_message_parts(jsonb),
  private.are_input_messages(jsonb),
  private.require_response(bigint, uuid),
  private.invocation_problem(jsonb),
  private.read_invocation(jsonb, text),
  private.message_text(jsonb),
  private.prompts_hash(jsonb),
  private.hand_back_note(bigint, uuid),
  private.execution_input(public.chat_sessions, public.agent_executions, jsonb, bigint),
  private.leave_to_person(public.agent_executions),
  private.prepare_execution(public.agent_executions, jsonb, jsonb, jsonb, bigint),
  private.new_execution(public.chat_sessions, uuid, bigint, bigint, jsonb),
  private.begin_execution(jsonb, text, text[]),
  private.start_execution(uuid, text[]),
  public.begin_execution(jsonb, text, text[]),
  public.start_execution(uuid, text[])
  from public, anon, authenticated, service_role;
grant execute on function
  private.begin_execution(jsonb, text, text[]),
  private.start_execution(uuid, text[]),
  public.begin_execution(jsonb, text, text[]),
  public.start_execution(uuid, text[])
  to authenticated;
grant execute on function
  public.begin_execution_as(uuid, bigint, jsonb, text, text[]),
  public.start_execution_as(uuid, bigint, uuid, text[])
  to service_role;
