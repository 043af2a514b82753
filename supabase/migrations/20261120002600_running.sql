-- Between begin and end: events and leases of the worker, cancelling, reading and following.

-- ── cancel and read ───────────────────────────────────────────────────────────────────────────

create function private.cancel_execution(execution_id uuid) returns text
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no client may update executions. Updates the caller's own only.
#variable_conflict use_column
declare
  organization constant bigint := private.require_conversations();
  execution public.agent_executions;
begin
  perform private.keep_session(organization, cancel_execution.execution_id);
  update public.agent_executions x
  set cancel_requested_at = coalesce(x.cancel_requested_at, clock_timestamp())
  where x.organization_id = organization and x.id = cancel_execution.execution_id
    and x.user_id = private.current_user_id() and x.status in ('pending', 'running')
  returning x.* into execution;
  if found and execution.status = 'pending' then
    perform private.end_execution(organization, execution.id,
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
      detail = 'No execution of the caller has this id. Check the id.';
  end if;
  return execution.status;
end
$$;
comment on function private.cancel_execution(uuid) is 'Body of public.cancel_execution().';

create function private.event_batches(
  organization_id bigint, execution_id uuid, after_seq bigint, max_batches integer, max_bytes integer
) returns json
language plpgsql stable security invoker set search_path = ''
as $$
-- Invoker: for a client the policies decide what it reads. json throughout, so that stored events keep
-- their bytes.
#variable_conflict use_column
begin
  return coalesce((
    select json_agg(json_build_object('seq', b.seq, 'events', b.event) order by b.seq)
    from (
      select e.seq, e.event,
        coalesce(sum(octet_length(e.event::text)) over (
          order by e.seq rows between unbounded preceding and 1 preceding
        ), 0) as bytes_before
      from (
        select e.seq, e.event from conversation.execution_events e
        where e.organization_id = event_batches.organization_id
          and e.execution_id = event_batches.execution_id
          -- The batch with the next event may begin before that event.
          and e.seq >= coalesce((
            select max(f.seq) from conversation.execution_events f
            where f.organization_id = event_batches.organization_id
              and f.execution_id = event_batches.execution_id
              and f.seq <= event_batches.after_seq + 1
          ), 0)
        order by e.seq
        limit least(greatest(event_batches.max_batches, 1), 500)
      ) e
    ) b
    where b.bytes_before < event_batches.max_bytes
  ), '[]'::json);
end
$$;
comment on function private.event_batches(bigint, uuid, bigint, integer, integer) is
  '[{ seq, events }] of an execution after an event id, if the caller may read them; no further batch when '
  'those before have max_bytes.';

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
  where x.organization_id = (select private.current_tenant_id()) and x.id = read_execution.execution_id
    and x.status in ('pending', 'running') and x.lease_expires_at <= clock_timestamp();

  select json_build_object(
    'execution_id', x.id, 'status', x.status,
    'batches', b.batches,
    'more', exists (
      select 1 from conversation.execution_events e
      where e.organization_id = x.organization_id and e.execution_id = x.id
        and e.seq > (b.batches -> -1 ->> 'seq')::bigint
    )
  ) into result
  from public.agent_executions x
  cross join lateral (
    -- 256 KiB: a worker keeps a page for each follower that does not read. The offset keeps one call.
    select private.event_batches(
      x.organization_id, x.id, read_execution.after_seq, read_execution.max_batches, 262144) as batches
    offset 0
  ) b
  where x.organization_id = (select private.current_tenant_id()) and x.id = read_execution.execution_id;
  if result is null then
    raise exception using errcode = 'PT404', message = 'execution_not_found',
      detail = 'The caller may read no execution with this id. Check the id.';
  end if;
  return result;
end
$$;
comment on function public.read_execution(uuid, bigint, integer) is
  '{ execution_id, status, batches: [{ seq, events }], more } after an event id, for readers of the session. '
  'PT404 execution_not_found. more: call again after the last event. With status success, failed or '
  'cancelled, and no more, no later batch follows.';

create function public.follow_execution(
  organization_id bigint, execution_id uuid, after_seq bigint, sessions uuid[]
) returns json
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: a worker polls once for all its followers. Executable by service_role only. For each auth
-- session, private.current_session() and the policy select_reader of agent_executions define who may read.
#variable_conflict use_column
declare
  execution public.agent_executions;
begin
  perform private.end_expired_execution(x.organization_id, x.id)
  from public.agent_executions x
  where x.organization_id = follow_execution.organization_id
    and x.id = follow_execution.execution_id
    and x.status in ('pending', 'running') and x.lease_expires_at <= clock_timestamp();

  -- Reads the status before the events: an ended execution has no event that the next statement does not
  -- see.
  select x.* into execution from public.agent_executions x
  where x.organization_id = follow_execution.organization_id
    and x.id = follow_execution.execution_id;
  if not found then
    return null;
  end if;
  return json_build_object(
    'status', execution.status,
    'batches', private.event_batches(
      execution.organization_id, execution.id, follow_execution.after_seq, 500, 2147483647),
    'readers', coalesce((
      select json_agg(s.id) from public.user_sessions s
      where s.organization_id = execution.organization_id and s.id = any (follow_execution.sessions)
        and s.is_active and s.revoked_at is null
        and (s.expires_at is null or s.expires_at > clock_timestamp())
        and (s.access_expires_at is null or s.access_expires_at > clock_timestamp())
        and (s.user_id = execution.user_id or 'content.read_all' = any (s.permissions) or exists (
          select 1 from public.chat_sessions c
          where c.organization_id = execution.organization_id and c.id = execution.session_id
            and (
              (c.visibility = 'organization' and s.role <> 'guest')
              or (c.of_guest and 'sessions.answer' = any (s.permissions))
            )
        ))
    ), '[]'::json),
    'result', case when execution.completed_at is not null then
      private.execution_result(execution.organization_id, execution.id) end
  );
end
$$;
comment on function public.follow_execution(bigint, uuid, bigint, uuid[]) is
  '{ status, batches, readers, result } after an event id. readers are the auth sessions of the list that '
  'may read the execution now; result is its stored end, if there is one. Null when the execution is '
  'deleted. Service role only.';

create function private.read_execution_result(execution_id uuid) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: joins tables that have their own policies. Reads the caller's own execution only.
begin
  return private.execution_result(x.organization_id, x.id)
  from public.agent_executions x
  where x.organization_id = private.current_tenant_id() and x.id = read_execution_result.execution_id
    and x.completed_at is not null
    and (
      x.user_id = private.current_user_id() or private.has_permission('content.read_all') or exists (
        select 1 from public.chat_sessions s
        where s.organization_id = x.organization_id and s.id = x.session_id and (
          (s.visibility = 'organization' and s.organization_id = private.current_organization_id())
          or (s.of_guest and private.has_permission('sessions.answer'))
        )
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
  'callers who may not read it.';

create function private.read_response(execution_id uuid) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: reads the caller's own response only. It follows the chain of responses upwards: each request
-- stored what it sent, and the chain ends at the first request that named no response.
#variable_conflict use_column
declare
  organization constant bigint := private.require_organization('agents.invoke');
  followed constant public.agent_executions := private.require_response(organization, execution_id);
begin
  return (
    with recursive chain as (
      select m.parent_id, m.role, m.content, m.metadata, l.shown, 1 as step, octet_length(m.content)
        + coalesce(octet_length(l.shown::text), 0) + coalesce(octet_length(m.metadata ->> 'input'), 0)
        as bytes
      from public.chat_messages m
      cross join lateral (select private.without_pictures(m.parts) as shown) l
      where m.organization_id = organization and m.id = coalesce((
        select a.id from public.chat_messages a
        where a.organization_id = organization and a.id = followed.response_message_id
      ), followed.message_id)
      union all
      select m.parent_id, m.role, m.content, m.metadata, l.shown, c.step + 1,
        c.bytes + octet_length(m.content)
        + coalesce(octet_length(l.shown::text), 0) + coalesce(octet_length(m.metadata ->> 'input'), 0)
      from chain c
      join public.chat_messages m on m.organization_id = organization and m.id = c.parent_id
      cross join lateral (select private.without_pictures(m.parts) as shown) l
      where c.bytes <= 8388608
    )
    select jsonb_build_object(
      'is_whole', bool_or(c.parent_id is null) and max(c.bytes) <= 8388608,
      'messages', jsonb_agg(said.message order by c.step desc, said.place)
    )
    from chain c
    cross join lateral (
      select i.place, case when i.sent ?| '{content,parts}' then i.sent
        else i.sent || jsonb_build_object('content', c.content, 'parts', c.shown) end as message
      from jsonb_array_elements(coalesce(
        c.metadata -> 'input', jsonb_build_array(jsonb_build_object('role', c.role))
      )) with ordinality i(sent, place)
    ) said
  );
end
$$;
comment on function private.read_response(uuid) is 'Body of public.read_response().';

create function public.read_response(execution_id uuid) returns jsonb
language sql stable security invoker set search_path = ''
as $$ select private.read_response(execution_id) $$;
comment on function public.read_response(uuid) is
  '{ messages, is_whole }: what the caller''s own response and those before it were asked and answered, '
  'oldest first; is_whole is false when that is longer than 8 MiB. PT404 execution_not_found for a response '
  'that stored nothing or has no answer.';

-- ── While it runs ─────────────────────────────────────────────────────────────────────────────

create function public.append_execution_events(
  organization_id bigint,
  execution_id uuid,
  seq bigint,
  events text,
  attempt integer default 1
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
    append_execution_events.organization_id, append_execution_events.execution_id,
    append_execution_events.attempt
  );
  if state in ('running', 'cancelling', 'revoked', 'handled') then
    perform private.hold_attempt(
      append_execution_events.organization_id, append_execution_events.execution_id,
      append_execution_events.attempt
    );
    perform private.store_events(
      append_execution_events.organization_id, append_execution_events.execution_id,
      append_execution_events.seq, append_execution_events.events
    );
  end if;
  return state;
end
$$;
comment on function public.append_execution_events(bigint, uuid, bigint, text, integer) is
  'Stores one batch of a stream (the JSON text of an array), renews the lease and answers as '
  'renew_execution_lease(). A repeated batch changes nothing; a repetition with more events adds these. '
  'Service role only.';

create function public.renew_execution_lease(
  organization_id bigint, execution_id uuid, attempt integer default 1
) returns text
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
  perform private.require_attempt(execution, renew_execution_lease.attempt);
  revoked := execution.status in ('pending', 'running') and not private.access_stands(execution);
  -- Written only when the lease is getting short: a stream that writes events four times a second renews it
  -- every ten seconds.
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
      and x.attempt = renew_execution_lease.attempt and x.lease_expires_at > clock_timestamp()
    returning x.* into execution;
    if not found then
      select x.* into execution from public.agent_executions x
      where x.organization_id = renew_execution_lease.organization_id
        and x.id = renew_execution_lease.execution_id;
      perform private.require_attempt(execution, renew_execution_lease.attempt);
    end if;
  end if;
  return case
    when execution.status = 'running' and revoked then 'revoked'
    when execution.status = 'running' and execution.cancel_requested_at is not null then 'cancelling'
    when execution.status = 'running' and exists (
      select 1 from public.chat_sessions s
      where s.organization_id = execution.organization_id and s.id = execution.session_id
        and s.handled_by is not null
    ) then 'handled'
    else execution.status
  end;
end
$$;
comment on function public.renew_execution_lease(bigint, uuid, integer) is
  'Renews the lease of a running execution to 30 seconds. Answers its status; cancelling after a request '
  'to cancel; revoked when its person may no longer invoke agents there or its session was revoked; handled '
  'when a person answers in its chat session; null when it is deleted. PT409 attempt_over to a worker whose '
  'attempt or lease is over. Service role only.';

create function public.read_hand_back_note(organization_id bigint, execution_id uuid) returns text
language sql stable security definer set search_path = ''
as $$
  -- Definer: service_role holds no grant on the function that it calls. Executable by service_role only: the
  -- session's user begins the execution, and does not read the note.
  select private.hand_back_note(x.organization_id, x.session_id) from public.agent_executions x
  where x.organization_id = read_hand_back_note.organization_id
    and x.id = read_hand_back_note.execution_id and x.status = 'running'
$$;
comment on function public.read_hand_back_note(bigint, uuid) is
  'The note of the last hand-back of the session of a running execution; null without one. Service role '
  'only.';

create function public.cancel_execution(execution_id uuid) returns text
language sql volatile security invoker set search_path = ''
as $$ select private.cancel_execution(execution_id) $$;
comment on function public.cancel_execution(uuid) is
  'Asks the worker of the caller''s own execution to stop; the text so far is kept. Answers the status, '
  'which is running until the worker has stopped. An ended execution does not change. PT404 '
  'execution_not_found.';

revoke all on function
  private.cancel_execution(uuid),
  private.event_batches(bigint, uuid, bigint, integer, integer),
  private.read_execution_result(uuid),
  private.read_response(uuid),
  public.read_response(uuid),
  public.cancel_execution(uuid),
  public.read_execution(uuid, bigint, integer),
  public.follow_execution(bigint, uuid, bigint, uuid[]),
  public.read_execution_result(uuid),
  public.append_execution_events(bigint, uuid, bigint, text, integer),
  public.read_hand_back_note(bigint, uuid),
  public.renew_execution_lease(bigint, uuid, integer)
  from public, anon, authenticated, service_role;
grant execute on function
  private.cancel_execution(uuid),
  private.event_batches(bigint, uuid, bigint, integer, integer),
  private.read_execution_result(uuid),
  private.read_response(uuid),
  public.read_response(uuid),
  public.cancel_execution(uuid),
  public.read_execution(uuid, bigint, integer),
  public.read_execution_result(uuid)
  to authenticated;
grant execute on function
  public.follow_execution(bigint, uuid, bigint, uuid[]),
  public.append_execution_events(bigint, uuid, bigint, text, integer),
  public.read_hand_back_note(bigint, uuid),
  public.renew_execution_lease(bigint, uuid, integer)
  to service_role;
