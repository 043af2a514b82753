-- Feedback: what readers think of the answers of agents.
-- Special: a member reads the feedback on the messages that they may read. A manager of agents reads counts
-- and no comment, because a comment may repeat a private conversation.

-- ── message_feedback ──────────────────────────────────────────────────────────────────────────

create table conversation.message_feedback (
  organization_id bigint not null,
  message_id uuid not null,
  user_id uuid not null,
  session_id uuid not null,
  execution_id uuid,
  rating text not null constraint message_feedback_rating check (rating in ('up', 'down')),
  comment text constraint message_feedback_comment_length check (char_length(comment) between 1 and 4000),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (organization_id, message_id, user_id),
  constraint message_feedback_message_fkey foreign key (organization_id, session_id, message_id)
    references public.chat_messages (organization_id, session_id, id) on delete cascade,
  constraint message_feedback_execution_fkey foreign key (organization_id, execution_id)
    references public.agent_executions (organization_id, id) on delete set null (execution_id),
  constraint message_feedback_user_fkey foreign key (organization_id, user_id)
    references client_mgmt.client_users (organization_id, user_id) on delete cascade
);
comment on table conversation.message_feedback is
  'The rating of an answer, one per person and message. Written by rate_message() only.';
comment on column conversation.message_feedback.user_id is 'The person who rated.';
comment on column conversation.message_feedback.execution_id is
  'The execution that gave the answer; null when it is deleted.';
create index message_feedback_message_idx
  on conversation.message_feedback (organization_id, session_id, message_id);
create index message_feedback_execution_id_idx
  on conversation.message_feedback (organization_id, execution_id);
create index message_feedback_user_id_idx on conversation.message_feedback (organization_id, user_id);

alter table conversation.message_feedback enable row level security;
alter table conversation.message_feedback force row level security;
create policy select_reader on conversation.message_feedback for select to authenticated
  using (
    organization_id = (select private.current_tenant_id())
    and (
      user_id = (select private.current_user_id())
      or organization_id = (select private.current_organization_id())
    )
    and exists (
      select 1 from public.chat_messages m
      where m.organization_id = message_feedback.organization_id and m.id = message_feedback.message_id
    )
  );
comment on policy select_reader on conversation.message_feedback is
  'The readers of the message; a guest reads their own rating only, because another names a colleague.';
revoke all on conversation.message_feedback from anon, authenticated, service_role;
grant select on conversation.message_feedback to authenticated, service_role;
-- No insert, update or delete: rate_message().
create trigger message_feedback_updated_at before update on conversation.message_feedback
  for each row execute function private.update_updated_at_column();

-- ── Rating and counting ───────────────────────────────────────────────────────────────────────

create function private.rate_message(message_id uuid, rating text, comment text) returns void
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no client may write feedback. Rates as the caller, and only an answer that the caller may read:
-- absent, foreign and unreadable messages, and questions, give one error.
#variable_conflict use_column
declare
  organization constant bigint := private.require_conversations();
  account constant uuid := private.current_user_id();
  answer public.chat_messages;
begin
  select m.* into answer
  from public.chat_messages m
  join public.chat_sessions s on s.organization_id = m.organization_id and s.id = m.session_id
  where m.organization_id = organization and m.id = rate_message.message_id and m.role = 'assistant'
    and (m.user_id = account or private.has_permission('content.read_all')
      or (s.visibility = 'organization' and s.organization_id = private.current_organization_id())
      or (s.of_guest and private.has_permission('sessions.answer')));
  if not found then
    raise exception using errcode = 'PT404', message = 'message_not_found',
      detail = 'The caller reads no answer with this id. Check the id.';
  end if;
  if rate_message.rating is null then
    delete from conversation.message_feedback f
    where f.organization_id = organization and f.message_id = answer.id and f.user_id = account;
    return;
  end if;
  insert into conversation.message_feedback as f (
    organization_id, message_id, user_id, session_id, execution_id, rating, comment
  )
  values (
    organization, answer.id, account, answer.session_id, (
      select x.id from public.agent_executions x
      where x.organization_id = organization and x.session_id = answer.session_id
        and x.response_message_id = answer.id
      order by x.created_at desc limit 1
    ),
    rate_message.rating, nullif(rate_message.comment, '')
  )
  on conflict on constraint message_feedback_pkey do update
    set rating = excluded.rating, comment = excluded.comment;
exception
  when check_violation then
    raise exception using errcode = '22023', message = 'invalid_request',
      detail = 'rating: must be up or down, or null; a comment has at most 4000 characters.';
end
$$;
comment on function private.rate_message(uuid, text, text) is 'Body of public.rate_message().';

create function private.feedback_by_agent(since date, until date)
returns table (agent_id bigint, agent text, up bigint, down bigint)
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: counts feedback on conversations that a manager of agents may not read.
#variable_conflict use_column
declare
  organization constant bigint := private.require_organization('agents.manage');
begin
  return query
  select a.id, a.name, count(*) filter (where f.rating = 'up'), count(*) filter (where f.rating = 'down')
  from conversation.message_feedback f
  join public.agent_executions x on x.organization_id = f.organization_id and x.id = f.execution_id
  join public.agents a on a.id = x.agent_id
  where f.organization_id = organization
    and f.created_at >= since::timestamp at time zone 'utc'
    and (until is null or f.created_at < (until + 1)::timestamp at time zone 'utc')
  group by a.id, a.name
  order by a.name, a.id;
end
$$;
comment on function private.feedback_by_agent(date, date) is 'Body of public.feedback_by_agent().';

create function public.rate_message(message_id uuid, rating text, comment text default null) returns void
language sql volatile security invoker set search_path = ''
as $$ select private.rate_message(message_id, rating, comment) $$;
comment on function public.rate_message(uuid, text, text) is
  'Rates an answer that the caller may read: up or down, with a comment of at most 4000 characters. A person '
  'has one rating per message; a later one replaces it, and null removes it. PT404 message_not_found.';

create function public.feedback_by_agent(since date, until date default null)
returns table (agent_id bigint, agent text, up bigint, down bigint)
language sql stable security invoker set search_path = ''
as $$ select * from private.feedback_by_agent(since, until) $$;
comment on function public.feedback_by_agent(date, date) is
  'The ratings per agent from since to until (UTC), both included. Needs agents.manage.';

revoke all on function
  private.rate_message(uuid, text, text), private.feedback_by_agent(date, date),
  public.rate_message(uuid, text, text), public.feedback_by_agent(date, date)
  from public, anon, authenticated, service_role;
grant execute on function
  private.rate_message(uuid, text, text), private.feedback_by_agent(date, date),
  public.rate_message(uuid, text, text), public.feedback_by_agent(date, date)
  to authenticated;
