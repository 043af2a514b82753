-- Elicitations: a tool asks the person for input in the middle of a call.
-- Special: nothing is held open while the person answers. The call waits as one that needs an approval does,
-- and the execution that continues sends it again with the answers. A later round of questions replaces the
-- earlier one in its row.

-- ── conversation.tool_elicitations ────────────────────────────────────────────────────────────

create table conversation.tool_elicitations (
  organization_id bigint not null,
  execution_id uuid not null,
  tool_call_id text not null,
  round integer not null constraint tool_elicitations_round check (round between 1 and 8),
  questions jsonb not null constraint tool_elicitations_questions check (
    jsonb_typeof(questions) = 'array' and octet_length(questions::text) <= 65536
  ),
  arguments_hash text not null,
  actions jsonb,
  answered_by uuid,
  answered_at timestamptz,
  expires_at timestamptz not null,
  created_at timestamptz not null default clock_timestamp(),
  primary key (organization_id, execution_id, tool_call_id),
  constraint tool_elicitations_call_fkey foreign key (organization_id, execution_id, tool_call_id)
    references conversation.tool_calls (organization_id, execution_id, tool_call_id) on delete cascade
);
comment on table conversation.tool_elicitations is
  'The questions of tools to the person of an execution: the last round of each call.';
comment on column conversation.tool_elicitations.round is
  'Counts how often the call asked. An answer names the round that the person saw.';
comment on column conversation.tool_elicitations.questions is
  '[{ key, mode: form, message, schema } or { key, mode: url, message, url, host }], as the worker checked '
  'them.';
comment on column conversation.tool_elicitations.arguments_hash is
  'SHA-256 of the arguments of the call, in hexadecimal; the call is not repeated with others.';
comment on column conversation.tool_elicitations.actions is
  'accept, decline or cancel for each key; null until the person answers. What the person filled in stands '
  'in private.elicitation_secrets.';
comment on column conversation.tool_elicitations.answered_by is 'No foreign key: stays after the membership.';
alter table conversation.tool_elicitations enable row level security;
alter table conversation.tool_elicitations force row level security;
create policy select_reader on conversation.tool_elicitations for select to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and exists (
      select 1 from public.agent_executions x
      where x.organization_id = tool_elicitations.organization_id and x.id = tool_elicitations.execution_id
    )
  );
comment on policy select_reader on conversation.tool_elicitations is 'The readers of the execution.';
revoke all on conversation.tool_elicitations from anon, authenticated, service_role;
grant select on conversation.tool_elicitations to authenticated, service_role;
-- No insert, update or delete: suspend_tool_call(), answer_tool_call().

-- ── private.elicitation_secrets ───────────────────────────────────────────────────────────────

create table private.elicitation_secrets (
  organization_id bigint not null,
  execution_id uuid not null,
  tool_call_id text not null,
  request_state text constraint elicitation_secrets_request_state_sealed check (
    request_state ~ '^v1\.[A-Za-z0-9_-]{1,64}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$'
    and octet_length(request_state) <= 65536
  ),
  answers text constraint elicitation_secrets_answers_sealed check (
    answers ~ '^v1\.[A-Za-z0-9_-]{1,64}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$'
    and octet_length(answers) <= 65536
  ),
  answers_hash text constraint elicitation_secrets_answers_hash check (answers_hash ~ '^[0-9a-f]{64}$'),
  primary key (organization_id, execution_id, tool_call_id),
  constraint elicitation_secrets_elicitation_fkey foreign key (organization_id, execution_id, tool_call_id)
    references conversation.tool_elicitations (organization_id, execution_id, tool_call_id) on delete cascade
);
comment on table private.elicitation_secrets is
  'What an elicitation keeps for the repeated call. claim_tool_calls() gives it to one worker and deletes '
  'it; so does the end of the call.';
comment on column private.elicitation_secrets.request_state is
  'Secret: sealed. What the server wants back, and whether it takes answers; null when the call waits no '
  'more.';
comment on column private.elicitation_secrets.answers is
  'Secret: sealed. What the person answered; null until then.';
comment on column private.elicitation_secrets.answers_hash is
  'SHA-256 of the answers, in hexadecimal: the same answers sent again are no second answer.';
alter table private.elicitation_secrets enable row level security;
alter table private.elicitation_secrets force row level security;
revoke all on private.elicitation_secrets from anon, authenticated, service_role;
-- No grant: suspend_tool_call(), answer_tool_call(), claim_tool_calls().

create function private.forget_elicitation() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no role holds a grant on the secrets. A call that was denied, has expired or is being made needs
-- none.
begin
  update private.elicitation_secrets s set request_state = null, answers = null
  where s.organization_id = new.organization_id
    and s.execution_id = new.execution_id
    and s.tool_call_id = new.tool_call_id;
  return null;
end
$$;
comment on function private.forget_elicitation() is
  'Trigger: a call that waits no more loses the sealed state and answers of its elicitation.';
create trigger tool_calls_forget_elicitation
  after update of status on conversation.tool_calls
  for each row when (
    old.status in ('pending', 'approved') and new.status not in ('pending', 'approved')
  )
  execute function private.forget_elicitation();

create function public.suspend_tool_call(
  organization_id bigint,
  execution_id uuid,
  tool_call_id text,
  round integer,
  questions jsonb,
  request_state text,
  params jsonb,
  attempt integer default 1
) returns text
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: service_role holds no grant on tool calls. Executable by service_role only.
#variable_conflict use_column
declare
  held conversation.tool_calls;
  runner public.agent_executions;
  until constant timestamptz := clock_timestamp() + interval '15 minutes';
begin
  select t.* into held from conversation.tool_calls t
  where t.organization_id = suspend_tool_call.organization_id
    and t.execution_id = suspend_tool_call.execution_id
    and t.tool_call_id = suspend_tool_call.tool_call_id;
  if held.status is distinct from 'running' then
    return held.status;
  end if;
  select x.* into runner from public.agent_executions x
  where x.organization_id = held.organization_id and x.id = held.runner_id
  for no key update;
  perform private.require_attempt(runner, suspend_tool_call.attempt);
  if runner.status is distinct from 'running' then
    return coalesce(runner.status, 'unknown');
  elsif not private.access_stands(runner) then
    return 'revoked';
  elsif runner.cancel_requested_at is not null then
    return 'cancelling';
  end if;
  insert into conversation.tool_elicitations as e (
    organization_id, execution_id, tool_call_id, round, questions, arguments_hash, expires_at
  )
  values (
    held.organization_id, held.execution_id, held.tool_call_id, suspend_tool_call.round,
    suspend_tool_call.questions, encode(sha256(convert_to(held.arguments, 'UTF8')), 'hex'), until
  )
  on conflict on constraint tool_elicitations_pkey do update set
    round = excluded.round, questions = excluded.questions, expires_at = excluded.expires_at,
    actions = null, answered_by = null, answered_at = null, created_at = clock_timestamp()
  where e.round < excluded.round;
  if not found then
    raise exception using errcode = '22023', message = 'invalid_request',
      detail = 'round is greater than that of the questions before.';
  end if;
  insert into private.elicitation_secrets (organization_id, execution_id, tool_call_id, request_state)
  values (held.organization_id, held.execution_id, held.tool_call_id, suspend_tool_call.request_state)
  on conflict on constraint elicitation_secrets_pkey do update set
    request_state = excluded.request_state, answers = null, answers_hash = null;
  update conversation.tool_approvals a set expires_at = until
  where a.organization_id = held.organization_id
    and a.execution_id = held.execution_id
    and a.tool_call_id = held.tool_call_id;
  update conversation.tool_calls t set status = 'pending', runner_id = null, started_at = null
  where t.organization_id = held.organization_id
    and t.execution_id = held.execution_id
    and t.tool_call_id = held.tool_call_id;
  -- For the execution that continues from this one. When this one continues another, that one has them.
  update public.agent_executions x
  set metadata = x.metadata || jsonb_build_object('params', suspend_tool_call.params)
  where x.organization_id = runner.organization_id and x.id = runner.id and x.id = held.execution_id;
  return 'pending';
end
$$;
comment on function public.suspend_tool_call(bigint, uuid, text, integer, jsonb, text, jsonb, integer) is
  'Lets a running call wait for 15 minutes for the answers to its questions. request_state: sealed; params: '
  'kept for a continuation. Returns pending; another status means that the call does not wait, because it '
  'or its execution has ended or must end. PT409 attempt_over. Service role only.';

create function public.read_elicitation(execution_id uuid, tool_call_id text) returns jsonb
language sql stable security invoker set search_path = ''
as $$
  select jsonb_build_object(
    'organization_id', e.organization_id, 'round', e.round, 'questions', e.questions
  )
  from conversation.tool_elicitations e
  where e.organization_id = (select private.current_organization_id())
    and e.execution_id = read_elicitation.execution_id
    and e.tool_call_id = read_elicitation.tool_call_id
$$;
comment on function public.read_elicitation(uuid, text) is
  'The questions of a call: { organization_id, round, questions }; null when the caller sees none. The '
  'function agents checks an answer against them.';

revoke all on function
  private.forget_elicitation(),
  public.read_elicitation(uuid, text),
  public.suspend_tool_call(bigint, uuid, text, integer, jsonb, text, jsonb, integer)
  from public, anon, authenticated, service_role;
grant execute on function
  public.suspend_tool_call(bigint, uuid, text, integer, jsonb, text, jsonb, integer)
  to service_role;
grant execute on function public.read_elicitation(uuid, text) to authenticated;
