-- Budgets and limits: bounds of spending, of executions at once, and of executions that begin in a minute.
-- Special: one update of one counter row admits or refuses, so concurrent callers cannot overspend. Every
-- reservation belongs to an execution, and the execution's one end settles it. So a crash cannot block a
-- budget.

-- ── budgets ───────────────────────────────────────────────────────────────────────────────────

create table client_mgmt.budgets (
  organization_id bigint not null default private.current_organization_id()
    references public.organizations (id) on delete cascade,
  id bigint generated always as identity,
  project_id bigint,
  user_id uuid,
  period text not null constraint budgets_period check (period in ('day', 'month')),
  limit_usd numeric(18, 9) constraint budgets_limit_usd check (limit_usd >= 0),
  limit_tokens bigint constraint budgets_limit_tokens check (limit_tokens >= 0),
  warn_at numeric(3, 2) not null default 0.8 constraint budgets_warn_at check (warn_at > 0 and warn_at <= 1),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (organization_id, id),
  constraint budgets_scope check (project_id is null or user_id is null),
  constraint budgets_limit check (limit_usd is not null or limit_tokens is not null),
  constraint budgets_key unique nulls not distinct (organization_id, project_id, user_id, period),
  constraint budgets_project_fkey foreign key (organization_id, project_id)
    references client_mgmt.projects (organization_id, id) on delete cascade,
  constraint budgets_user_fkey foreign key (organization_id, user_id)
    references client_mgmt.client_users (organization_id, user_id) on delete cascade
);
comment on table client_mgmt.budgets is
  'Limits of an organization, a project (project_id) or a person (user_id) per day or month (UTC).';
comment on column client_mgmt.budgets.warn_at is 'Share of the limit at which an alert is written.';
create index budgets_user_id_idx on client_mgmt.budgets (organization_id, user_id);
alter table client_mgmt.budgets enable row level security;
alter table client_mgmt.budgets force row level security;
create policy select_billing on client_mgmt.budgets for select to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and (user_id = (select private.current_user_id()) or (select private.has_permission('billing.manage')))
  );
comment on policy select_billing on client_mgmt.budgets is
  'A member''s own limit; all budgets with billing.manage.';
create policy insert_billing on client_mgmt.budgets for insert to authenticated
  with check (
    organization_id = (select private.current_organization_id())
    and (select private.has_permission('billing.manage'))
  );
comment on policy insert_billing on client_mgmt.budgets is 'With billing.manage.';
create policy update_billing on client_mgmt.budgets for update to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and (select private.has_permission('billing.manage'))
  )
  with check (
    organization_id = (select private.current_organization_id())
    and (select private.has_permission('billing.manage'))
  );
comment on policy update_billing on client_mgmt.budgets is 'With billing.manage.';
create policy delete_billing on client_mgmt.budgets for delete to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and (select private.has_permission('billing.manage'))
  );
comment on policy delete_billing on client_mgmt.budgets is 'With billing.manage.';
revoke all on client_mgmt.budgets from anon, authenticated, service_role;
grant select, delete on client_mgmt.budgets to authenticated;
grant insert (project_id, user_id, period, limit_usd, limit_tokens, warn_at),
  update (project_id, user_id, period, limit_usd, limit_tokens, warn_at)
  on client_mgmt.budgets to authenticated;
grant select, insert, update, delete on client_mgmt.budgets to service_role;
create trigger budgets_keep_columns before update of project_id, user_id, period on client_mgmt.budgets
  for each row when (
    current_user = 'authenticated'
    and (new.project_id, new.user_id, new.period) is distinct from (old.project_id, old.user_id, old.period)
  )
  execute function private.refuse_kept_columns('project_id', 'user_id', 'period');
create trigger budgets_updated_at before update on client_mgmt.budgets
  for each row execute function private.update_updated_at_column();
create trigger budgets_audit_insert after insert on client_mgmt.budgets
  referencing new table as after_rows
  for each statement execute function private.audit_change('budget', 'id');
create trigger budgets_audit_update after update on client_mgmt.budgets
  referencing old table as before_rows new table as after_rows
  for each statement execute function private.audit_change('budget', 'id');
create trigger budgets_audit_delete after delete on client_mgmt.budgets
  referencing old table as before_rows
  for each statement execute function private.audit_change('budget', 'id');

-- ── budget_counters, budget_reservations, budget_alerts ──────────────────────────────────────

create table client_mgmt.budget_counters (
  organization_id bigint not null,
  budget_id bigint not null,
  period_start date not null,
  settled_usd numeric(18, 9) not null default 0,
  reserved_usd numeric(18, 9) not null default 0
    constraint budget_counters_reserved_usd check (reserved_usd >= 0),
  settled_tokens bigint not null default 0,
  reserved_tokens bigint not null default 0
    constraint budget_counters_reserved_tokens check (reserved_tokens >= 0),
  updated_at timestamptz not null default now(),
  primary key (organization_id, budget_id, period_start),
  constraint budget_counters_budget_fkey foreign key (organization_id, budget_id)
    references client_mgmt.budgets (organization_id, id) on delete cascade
);
comment on table client_mgmt.budget_counters is
  'The spent and the reserved amount of a budget, per period: sums of the reservations.';
comment on column client_mgmt.budget_counters.period_start is 'First day of the period, UTC.';
alter table client_mgmt.budget_counters enable row level security;
alter table client_mgmt.budget_counters force row level security;
create policy select_billing on client_mgmt.budget_counters for select to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and exists (
      select 1 from client_mgmt.budgets b
      where b.organization_id = budget_counters.organization_id and b.id = budget_counters.budget_id
    )
  );
comment on policy select_billing on client_mgmt.budget_counters is 'The readers of the budget.';
revoke all on client_mgmt.budget_counters from anon, authenticated, service_role;
grant select on client_mgmt.budget_counters to authenticated, service_role;
-- No insert, update or delete: begin_execution(), finish_execution().
create trigger budget_counters_updated_at before update on client_mgmt.budget_counters
  for each row execute function private.update_updated_at_column();

create table client_mgmt.budget_reservations (
  organization_id bigint not null,
  execution_id uuid not null,
  budget_id bigint not null,
  period_start date not null,
  reserved_usd numeric(18, 9) not null,
  reserved_tokens bigint not null,
  settled_usd numeric(18, 9),
  settled_tokens bigint,
  settled_at timestamptz,
  created_at timestamptz not null default now(),
  primary key (organization_id, execution_id, budget_id),
  constraint budget_reservations_counter_fkey foreign key (organization_id, budget_id, period_start)
    references client_mgmt.budget_counters (organization_id, budget_id, period_start) on delete cascade
);
comment on table client_mgmt.budget_reservations is
  'The ledger of every budget: an amount is reserved when an execution begins and settled to the true use '
  'when it ends. No foreign key to the execution: the entry stays after the conversation.';
create index budget_reservations_counter_idx
  on client_mgmt.budget_reservations (organization_id, budget_id, period_start);
alter table client_mgmt.budget_reservations enable row level security;
alter table client_mgmt.budget_reservations force row level security;
create policy select_billing on client_mgmt.budget_reservations for select to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and (select private.has_permission('billing.manage'))
  );
comment on policy select_billing on client_mgmt.budget_reservations is 'With billing.manage.';
revoke all on client_mgmt.budget_reservations from anon, authenticated, service_role;
grant select on client_mgmt.budget_reservations to authenticated, service_role;
-- No insert, update or delete: begin_execution(), finish_execution().

create table client_mgmt.budget_alerts (
  organization_id bigint not null,
  budget_id bigint not null,
  period_start date not null,
  created_at timestamptz not null default now(),
  primary key (organization_id, budget_id, period_start),
  constraint budget_alerts_counter_fkey foreign key (organization_id, budget_id, period_start)
    references client_mgmt.budget_counters (organization_id, budget_id, period_start) on delete cascade
);
comment on table client_mgmt.budget_alerts is
  'Written once per period, when the spent amount passes warn_at of a limit.';
alter table client_mgmt.budget_alerts enable row level security;
alter table client_mgmt.budget_alerts force row level security;
create policy select_billing on client_mgmt.budget_alerts for select to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and (select private.has_permission('billing.manage'))
  );
comment on policy select_billing on client_mgmt.budget_alerts is 'With billing.manage.';
revoke all on client_mgmt.budget_alerts from anon, authenticated, service_role;
grant select on client_mgmt.budget_alerts to authenticated, service_role;
-- No insert, update or delete: finish_execution().

-- ── organization_limits ───────────────────────────────────────────────────────────────────────

create table client_mgmt.organization_limits (
  organization_id bigint primary key references public.organizations (id) on delete cascade,
  max_concurrent_executions integer not null default 50
    constraint organization_limits_executions check (max_concurrent_executions >= 0),
  max_concurrent_per_user integer not null default 10
    constraint organization_limits_per_user check (max_concurrent_per_user >= 0),
  requests_per_minute integer not null default 3000
    constraint organization_limits_requests check (requests_per_minute >= 0),
  requests_per_minute_per_user integer not null default 300
    constraint organization_limits_requests_per_user check (requests_per_minute_per_user >= 0),
  tokens_per_minute bigint not null default 30000000
    constraint organization_limits_tokens check (tokens_per_minute >= 0),
  tokens_per_minute_per_user bigint not null default 3000000
    constraint organization_limits_tokens_per_user check (tokens_per_minute_per_user >= 0),
  max_concurrent_per_end_user integer not null default 3
    constraint organization_limits_per_end_user check (max_concurrent_per_end_user >= 0),
  requests_per_minute_per_end_user integer not null default 60
    constraint organization_limits_requests_per_end_user check (requests_per_minute_per_end_user >= 0),
  tokens_per_minute_per_end_user bigint not null default 1000000
    constraint organization_limits_tokens_per_end_user check (tokens_per_minute_per_end_user >= 0),
  changes_per_minute integer not null default 1200
    constraint organization_limits_changes check (changes_per_minute >= 0),
  changes_per_minute_per_user integer not null default 120
    constraint organization_limits_changes_per_user check (changes_per_minute_per_user >= 0),
  stored_bytes bigint not null default 68719476736
    constraint organization_limits_stored_bytes check (stored_bytes >= 0),
  stored_bytes_per_user bigint not null default 4294967296
    constraint organization_limits_stored_bytes_per_user check (stored_bytes_per_user >= 0),
  max_guests integer not null default 10000 constraint organization_limits_guests check (max_guests >= 0),
  joins_per_minute integer not null default 60
    constraint organization_limits_joins check (joins_per_minute >= 0),
  max_concurrent_per_guest integer not null default 2
    constraint organization_limits_per_guest check (max_concurrent_per_guest >= 0),
  requests_per_minute_per_guest integer not null default 20
    constraint organization_limits_requests_per_guest check (requests_per_minute_per_guest >= 0),
  tokens_per_minute_per_guest bigint not null default 200000
    constraint organization_limits_tokens_per_guest check (tokens_per_minute_per_guest >= 0),
  changes_per_minute_per_guest integer not null default 30
    constraint organization_limits_changes_per_guest check (changes_per_minute_per_guest >= 0),
  stored_bytes_per_guest bigint not null default 33554432
    constraint organization_limits_stored_bytes_per_guest check (stored_bytes_per_guest >= 0),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
comment on table client_mgmt.organization_limits is
  'The limits of executions at once, of executions and tokens that begin in a minute, of changes in a '
  'minute, and of the bytes of conversations. The platform sets them. Admissions lock the row and so '
  'happen in order.';
comment on column client_mgmt.organization_limits.tokens_per_minute is
  'Counts the estimated input and the bound of the answer when an execution begins, and the true usage '
  'after its end.';
comment on column client_mgmt.organization_limits.max_concurrent_per_end_user is
  'An end user is a customer for whom a server of a member invokes (begin_execution()).';
comment on column client_mgmt.organization_limits.changes_per_minute is
  'Audit events of people: a statement makes one for each table that it changes.';
comment on column client_mgmt.organization_limits.max_guests is
  'Active guests. join_organization() refuses more; an invitation is not counted.';
comment on column client_mgmt.organization_limits.joins_per_minute is
  'New guests in a minute, of all persons together.';
comment on column client_mgmt.organization_limits.max_concurrent_per_guest is
  'Stands for max_concurrent_per_user where the person is a guest; so do the other columns of a guest.';
comment on column client_mgmt.organization_limits.stored_bytes is
  'Bytes of questions, answers and events of ended executions. At the limit no execution begins.';
alter table client_mgmt.organization_limits enable row level security;
alter table client_mgmt.organization_limits force row level security;
create policy select_member on client_mgmt.organization_limits for select to authenticated
  using (organization_id = (select private.current_organization_id()));
comment on policy select_member on client_mgmt.organization_limits is 'Every member sees the limits.';
revoke all on client_mgmt.organization_limits from anon, authenticated, service_role;
grant select on client_mgmt.organization_limits to authenticated;
grant select, update (
    max_concurrent_executions, max_concurrent_per_user, requests_per_minute, requests_per_minute_per_user,
    tokens_per_minute, tokens_per_minute_per_user, max_concurrent_per_end_user,
    requests_per_minute_per_end_user, tokens_per_minute_per_end_user,
    changes_per_minute, changes_per_minute_per_user,
    stored_bytes, stored_bytes_per_user, max_guests, joins_per_minute, max_concurrent_per_guest,
    requests_per_minute_per_guest, tokens_per_minute_per_guest, changes_per_minute_per_guest,
    stored_bytes_per_guest
  ) on client_mgmt.organization_limits to service_role;
-- No insert or delete: the organization's row creates and deletes it.
create trigger organization_limits_updated_at before update on client_mgmt.organization_limits
  for each row execute function private.update_updated_at_column();

create function private.create_organization_limits() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: the founder of the organization holds no grant to insert here.
begin
  insert into client_mgmt.organization_limits (organization_id) values (new.id);
  return null;
end
$$;
comment on function private.create_organization_limits() is
  'Trigger: gives each organization the default limits.';
revoke all on function private.create_organization_limits() from public, anon, authenticated, service_role;
create trigger organizations_limits after insert on public.organizations
  for each row execute function private.create_organization_limits();

create function private.limits_for(organization_id bigint, user_id uuid)
returns client_mgmt.organization_limits
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: called by definer functions only. No lock: some of them hold the head of the log.
#variable_conflict use_column
declare
  limits client_mgmt.organization_limits;
begin
  select l.* into strict limits from client_mgmt.organization_limits l
  where l.organization_id = limits_for.organization_id;
  if private.is_guest(limits_for.organization_id, limits_for.user_id) then
    limits.max_concurrent_per_user := limits.max_concurrent_per_guest;
    limits.requests_per_minute_per_user := limits.requests_per_minute_per_guest;
    limits.tokens_per_minute_per_user := limits.tokens_per_minute_per_guest;
    limits.changes_per_minute_per_user := limits.changes_per_minute_per_guest;
    limits.stored_bytes_per_user := limits.stored_bytes_per_guest;
  end if;
  return limits;
end
$$;
comment on function private.limits_for(bigint, uuid) is
  'The limits of an organization, where those of a person are those of this person: a guest has smaller '
  'ones.';
revoke all on function private.limits_for(bigint, uuid) from public, anon, authenticated, service_role;

create table private.platform_limits (
  only_row boolean primary key default true constraint platform_limits_one_row check (only_row),
  max_concurrent_executions integer not null default 500
    constraint platform_limits_executions check (max_concurrent_executions > 0)
);
comment on table private.platform_limits is
  'The limit of executions at once on the whole platform, beside the one that every organization may '
  'begin. One row.';
alter table private.platform_limits enable row level security;
alter table private.platform_limits force row level security;
revoke all on private.platform_limits from public, anon, authenticated, service_role;
insert into private.platform_limits default values;

-- ── rate_windows ──────────────────────────────────────────────────────────────────────────────

create table private.rate_windows (
  organization_id bigint not null references public.organizations (id) on delete cascade,
  id bigint generated always as identity,
  user_id uuid,
  started_at timestamptz not null,
  requests integer not null,
  tokens bigint not null,
  stored_bytes bigint not null default 0,
  primary key (organization_id, id),
  constraint rate_windows_key unique nulls not distinct (organization_id, user_id),
  constraint rate_windows_user_fkey foreign key (organization_id, user_id)
    references client_mgmt.client_users (organization_id, user_id) on delete cascade
) with (fillfactor = 50);
comment on table private.rate_windows is
  'The requests and tokens that an organization (user_id null) and each of its people began within one '
  'minute. A window starts with the first request after the end of the window before.';
comment on column private.rate_windows.stored_bytes is
  'The bytes that their ended executions keep, before private.stored_returns is subtracted. They outlive the '
  'window. They stand here because the begin and the end of an execution lock this row already.';
alter table private.rate_windows enable row level security;
alter table private.rate_windows force row level security;
revoke all on private.rate_windows from public, anon, authenticated, service_role;

create table private.stored_returns (
  organization_id bigint not null,
  id bigint generated always as identity,
  rate_window_id bigint not null,
  bytes bigint not null,
  primary key (organization_id, id),
  constraint stored_returns_window_fkey foreign key (organization_id, rate_window_id)
    references private.rate_windows (organization_id, id) on delete cascade
);
comment on table private.stored_returns is
  'What deleted executions give back to stored_bytes of rate_windows, until it needs it: a deletion '
  'locks no counter, so that deletions in different orders never wait in a circle. A deletion adds what '
  'earlier ones returned to its own row: a refused beginning, which adds the rows up, reads few.';
create index stored_returns_window_idx on private.stored_returns (organization_id, rate_window_id);
alter table private.stored_returns enable row level security;
alter table private.stored_returns force row level security;
revoke all on private.stored_returns from public, anon, authenticated, service_role;

create function private.return_stored_bytes() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: nobody holds a grant on the counters. What had not ended was not counted.
begin
  with due as (
    select w.organization_id, w.id, sum(b.stored_bytes) as bytes
    from before_rows b
    join private.rate_windows w on w.organization_id = b.organization_id
      and (w.user_id = b.user_id or w.user_id is null)
    where b.completed_at is not null
    group by 1, 2
  ),
  -- Earlier returns become one row with these, unless another transaction holds them.
  earlier as (
    delete from private.stored_returns r
    using (
      select e.organization_id, e.id from private.stored_returns e
      join due d on d.organization_id = e.organization_id and d.id = e.rate_window_id
      for update of e skip locked
    ) free
    where r.organization_id = free.organization_id and r.id = free.id
    returning r.organization_id, r.rate_window_id, r.bytes
  )
  insert into private.stored_returns (organization_id, rate_window_id, bytes)
  select a.organization_id, a.id, sum(a.bytes)
  from (select * from due union all select * from earlier) a
  group by 1, 2;
  return null;
end
$$;
comment on function private.return_stored_bytes() is
  'Trigger: gives back what deleted executions kept, to the organization and to the person.';
revoke all on function private.return_stored_bytes() from public, anon, authenticated, service_role;
create trigger agent_executions_stored_delete after delete on public.agent_executions
  referencing old table as before_rows
  for each statement execute function private.return_stored_bytes();

create function private.refuse_over_stored(
  limits client_mgmt.organization_limits,
  used private.rate_windows
) returns void
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: nobody holds a grant on the counters.
declare
  of_user constant boolean := used.user_id is not null;
  allowed constant bigint := case
    when of_user then limits.stored_bytes_per_user else limits.stored_bytes end;
begin
  if used.stored_bytes < allowed or used.stored_bytes - coalesce((
    select sum(r.bytes) from private.stored_returns r
    where r.organization_id = used.organization_id and r.rate_window_id = used.id
  ), 0) < allowed then
    return;
  end if;
  perform private.refuse_quota(
    format('%s may keep %s bytes of conversations: delete some first.',
      case when of_user then 'A member' else 'The organization' end, allowed),
    'public.agent_executions', case when of_user then 'member' else 'organization' end, 'bytes', allowed
  );
end
$$;
comment on function private.refuse_over_stored(client_mgmt.organization_limits, private.rate_windows) is
  'Raises PT409 quota_exceeded where the conversations of a person or of an organization are as long as '
  'the limits allow.';

create function private.refuse_rate(
  name text,
  scope text,
  allowed bigint,
  started_at timestamptz
) returns void
language plpgsql stable security invoker set search_path = ''
as $$
begin
  raise exception using errcode = 'PT429', message = 'rate_limited',
    detail = format('%s has at most %s %s within a minute.',
      case scope when 'user' then 'A person' when 'end_user' then 'An end user' else 'The organization' end,
      allowed, split_part(name, '_', 1)),
    hint = jsonb_build_object(
      'limit', name, 'scope', scope, 'allowed', allowed,
      'retry_after', greatest(
        1, ceil(extract(epoch from started_at + interval '1 minute' - clock_timestamp()))
      )::integer
    )::text;
end
$$;
comment on function private.refuse_rate(text, text, bigint, timestamptz) is
  'Raises PT429 rate_limited; the hint is JSON: { limit, scope, allowed, retry_after (seconds) }.';

create function private.refuse_over_rate(
  limits client_mgmt.organization_limits,
  used private.rate_windows
) returns void
language plpgsql stable security invoker set search_path = ''
as $$
declare
  of_user constant boolean := used.user_id is not null;
  scope constant text := case when of_user then 'user' else 'organization' end;
  max_requests constant bigint := case
    when of_user then limits.requests_per_minute_per_user else limits.requests_per_minute end;
  max_tokens constant bigint := case
    when of_user then limits.tokens_per_minute_per_user else limits.tokens_per_minute end;
begin
  if used.requests > max_requests then
    perform private.refuse_rate('requests_per_minute', scope, max_requests, used.started_at);
  elsif used.tokens > max_tokens then
    perform private.refuse_rate('tokens_per_minute', scope, max_tokens, used.started_at);
  end if;
end
$$;
comment on function private.refuse_over_rate(client_mgmt.organization_limits, private.rate_windows) is
  'Raises PT429 rate_limited for a window that holds more than the limits allow.';

create function private.check_rate(limits client_mgmt.organization_limits, user_id uuid) returns void
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: no role holds a grant on the windows. Locks nothing. It refuses early a request that
-- count_rate() would refuse at the end. The stored bytes grow at the end of an execution, and no end is
-- refused: a person passes the limit by at most the bytes of their executions at once.
#variable_conflict use_column
declare
  used private.rate_windows;
begin
  for used in
    select w.organization_id, w.id, w.user_id, w.started_at, w.requests + w.is_open::integer,
      case when w.is_open then w.tokens else 0 end, w.stored_bytes
    from (
      select r.*, r.started_at > now() - interval '1 minute' as is_open from private.rate_windows r
      where r.organization_id = limits.organization_id
        and (r.user_id = check_rate.user_id or r.user_id is null)
    ) w
    order by w.user_id nulls first
  loop
    perform private.refuse_over_stored(limits, used);
    if used.started_at > now() - interval '1 minute' then
      perform private.refuse_over_rate(limits, used);
    end if;
  end loop;
end
$$;
comment on function private.check_rate(client_mgmt.organization_limits, uuid) is
  'Requires that the person and the organization may begin one more in this minute and may store more; '
  'else PT429 rate_limited or PT409 quota_exceeded. Counts nothing.';

create function private.count_rate(
  execution public.agent_executions,
  requests integer,
  tokens bigint
) returns public.agent_executions
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no role holds a grant on the windows. A window's row stays locked until the transaction ends,
-- and a refusal undoes the count. So the counts are exact for concurrent callers. Every transaction locks
-- the organization's row before a person's, and both after the budgets.
#variable_conflict use_column
declare
  counted record;
  limits client_mgmt.organization_limits;
  used private.rate_windows;
begin
  for counted in
    with added as (
      insert into private.rate_windows as w (organization_id, user_id, started_at, requests, tokens)
      select execution.organization_id, c.id, now(), count_rate.requests, count_rate.tokens
      from (values (null, 1), (execution.user_id, 2)) c(id, n) order by c.n
      on conflict on constraint rate_windows_key do update set
        started_at = case when w.started_at <= now() - interval '1 minute' then now() else w.started_at end,
        requests = case
          when w.started_at <= now() - interval '1 minute' then 0
          else w.requests end + excluded.requests,
        tokens = case
          when w.started_at <= now() - interval '1 minute' then 0
          else w.tokens end + excluded.tokens
      returning w
    )
    select a.w as used, l as limits from added a
    cross join private.limits_for(execution.organization_id, execution.user_id) l
    -- Those that may be at a limit.
    where (a.w).requests > least(l.requests_per_minute, l.requests_per_minute_per_user)
      or (a.w).tokens > least(l.tokens_per_minute, l.tokens_per_minute_per_user)
      or (a.w).stored_bytes >= least(l.stored_bytes, l.stored_bytes_per_user)
    order by (a.w).user_id nulls first
  loop
    used := counted.used;
    limits := counted.limits;
    perform private.refuse_over_rate(limits, used);
    if used.stored_bytes >= (case
      when used.user_id is null then limits.stored_bytes else limits.stored_bytes_per_user end)
    then
      -- Admitted because of what was deleted: the row is locked now, so it takes that off.
      with given_back as (
        delete from private.stored_returns r
        using (
          -- A deletion that holds a row may wait for this counter: its row stays for the next beginning.
          select e.organization_id, e.id from private.stored_returns e
          where e.organization_id = used.organization_id and e.rate_window_id = used.id
          for update skip locked
        ) free
        where r.organization_id = free.organization_id and r.id = free.id
        returning r.bytes
      )
      update private.rate_windows w
      set stored_bytes = greatest(w.stored_bytes - g.bytes, 0)
      from (select coalesce(sum(b.bytes), 0) as bytes from given_back b) g
      where w.organization_id = used.organization_id and w.id = used.id;
    end if;
  end loop;
  return execution;
end
$$;
comment on function private.count_rate(public.agent_executions, integer, bigint) is
  'Counts requests and tokens in the minute of the organization and of a person, or raises PT429 '
  'rate_limited.';

create function private.correct_rate(
  execution public.agent_executions,
  tokens bigint
) returns public.agent_executions
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no role holds a grant on the windows. Refuses nothing: an answer is kept with any number of
-- tokens. Locks the rows in the order of count_rate().
declare
  more constant bigint := correct_rate.tokens - execution.reserved_tokens;
begin
  if more = 0 and execution.stored_bytes = 0 then
    return execution;
  end if;
  update private.rate_windows w
  set stored_bytes = w.stored_bytes + execution.stored_bytes,
    tokens = case when more > 0 or w.started_at <= execution.created_at
      then greatest(w.tokens + more, 0) else w.tokens end
  from (
    select r.organization_id, r.id from private.rate_windows r
    where r.organization_id = execution.organization_id
      and (r.user_id = execution.user_id or r.user_id is null)
      -- The deletion of a membership ends its executions before it deletes the window.
      and (r.user_id is null or exists (
        select 1 from client_mgmt.client_users m
        where m.organization_id = r.organization_id and m.user_id = r.user_id
      ))
    order by r.user_id nulls first
    for no key update
  ) locked
  where w.organization_id = locked.organization_id and w.id = locked.id;
  return execution;
end
$$;
comment on function private.correct_rate(public.agent_executions, bigint) is
  'Adds the tokens beyond an execution''s reservation to the current minute. Returns unused tokens while '
  'the minute of the reservation lasts. Adds the bytes that the execution keeps.';

-- ── change_windows ────────────────────────────────────────────────────────────────────────────

create table private.change_windows (
  organization_id bigint not null,
  id bigint generated always as identity,
  user_id uuid,
  started_at timestamptz not null,
  changes integer not null default 0,
  updates integer not null default 0,
  primary key (organization_id, id),
  constraint change_windows_key unique nulls not distinct (organization_id, user_id)
) with (fillfactor = 50);
comment on table private.change_windows is
  'The number of audit events that an organization (user_id null) and each of its people wrote within one '
  'minute, and of the statements of a person of which live updates tell. No foreign keys: a row is written '
  'while the head of the log is locked, and a key would then wait for a '
  'membership.';
alter table private.change_windows enable row level security;
alter table private.change_windows force row level security;
revoke all on private.change_windows from public, anon, authenticated, service_role;

create function private.count_change(organization_id bigint, user_id uuid) returns void
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no role holds a grant on the windows. Called by write_audit_event() only, which locks the head
-- of the log. So transactions cannot deadlock on these rows.
#variable_conflict use_column
declare
  limits constant client_mgmt.organization_limits := private.limits_for(
    count_change.organization_id, count_change.user_id);
  used private.change_windows;
  allowed integer;
begin
  for used in
    insert into private.change_windows as w (organization_id, user_id, started_at, changes)
    select count_change.organization_id, c.id, now(), 1
    from (values (null, 1), (count_change.user_id, 2)) c(id, n) order by c.n
    on conflict on constraint change_windows_key do update set
      started_at = case when w.started_at <= now() - interval '1 minute' then now() else w.started_at end,
      changes = case when w.started_at <= now() - interval '1 minute' then 0 else w.changes end + 1,
      updates = case when w.started_at <= now() - interval '1 minute' then 0 else w.updates end
    returning w.*
  loop
    allowed := case
      when used.user_id is null then limits.changes_per_minute
      else limits.changes_per_minute_per_user end;
    if used.changes > allowed then
      perform private.refuse_rate(
        'changes_per_minute', case when used.user_id is null then 'organization' else 'user' end, allowed,
        used.started_at);
    end if;
  end loop;
end
$$;
comment on function private.count_change(bigint, uuid) is
  'Counts one audit event in the minute of the organization and of a person, or raises PT429 rate_limited.';
revoke all on function
  private.refuse_rate(text, text, bigint, timestamptz), private.count_change(bigint, uuid),
  private.refuse_over_rate(client_mgmt.organization_limits, private.rate_windows),
  private.refuse_over_stored(client_mgmt.organization_limits, private.rate_windows),
  private.check_rate(client_mgmt.organization_limits, uuid),
  private.count_rate(public.agent_executions, integer, bigint),
  private.correct_rate(public.agent_executions, bigint)
  from public, anon, authenticated, service_role;

create function private.refuse_execution(detail text, limit_name text, allowed integer) returns void
language plpgsql volatile security invoker set search_path = ''
as $$
begin
  raise exception using errcode = 'PT429', message = 'too_many_executions', detail = detail,
    hint = jsonb_build_object('limit', limit_name, 'max_concurrent', allowed, 'retry_after', 2)::text;
end
$$;
comment on function private.refuse_execution(text, text, integer) is
  'Raises PT429 too_many_executions; the hint is JSON: { limit, max_concurrent, retry_after (seconds) }.';

create function private.first_lease() returns timestamptz
language plpgsql volatile security invoker set search_path = ''
as $$
begin
  return clock_timestamp() + interval '8 seconds';
end
$$;
comment on function private.first_lease() is
  'The time for which an execution without a worker counts. The worker''s first renewal prolongs it.';

create function private.check_admission(
  organization_id bigint,
  user_id uuid,
  but_not uuid default null
) returns boolean
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: no role holds a grant on the counters. Locks nothing. Counts live executions, so a dead worker
-- blocks no execution. A person's executions count over all organizations.
#variable_conflict use_column
declare
  moment constant timestamptz := clock_timestamp();
  seen record;
begin
  select l as limits, p.max_concurrent_executions as platform_max, x.*, exists (
      select 1 from private.rate_windows w
      where w.organization_id = l.organization_id
        and (w.user_id = check_admission.user_id or w.user_id is null)
        and (
          w.stored_bytes >= case when w.user_id is null then l.stored_bytes else l.stored_bytes_per_user end
          or (w.started_at > now() - interval '1 minute' and (
            w.requests >= case
              when w.user_id is null then l.requests_per_minute else l.requests_per_minute_per_user end
            or w.tokens > case
              when w.user_id is null then l.tokens_per_minute else l.tokens_per_minute_per_user end
          ))
        )
    ) as is_full
  into strict seen
  from private.limits_for(check_admission.organization_id, check_admission.user_id) l
  cross join private.platform_limits p
  cross join (
    select count(*) filter (where x.is_live and x.organization_id = check_admission.organization_id) as live,
      count(*) filter (where x.is_live and x.user_id = check_admission.user_id) as own,
      count(*) filter (where x.is_live) as platform_live,
      count(distinct x.organization_id) filter (where x.is_live) as organizations_live,
      count(*) filter (
        where not x.is_live and x.organization_id = check_admission.organization_id
      ) > 0 as has_dead
    from (
      select e.organization_id, e.user_id, e.lease_expires_at > moment as is_live
      from public.agent_executions e
      where e.status in ('pending', 'running') and e.id is distinct from but_not
    ) x
  ) x;

  if seen.live >= (seen.limits).max_concurrent_executions then
    perform private.refuse_execution(
      'The organization runs as many executions as it may.', 'organization',
      (seen.limits).max_concurrent_executions);
  elsif seen.own >= (seen.limits).max_concurrent_per_user then
    perform private.refuse_execution(
      'You run as many executions as one person may, over all organizations.',
      'user', (seen.limits).max_concurrent_per_user);
  -- On a full platform an organization with its equal share waits, and one with less may begin. The share
  -- is at least one, so no organization starves beside busy ones.
  elsif seen.platform_live >= seen.platform_max and seen.live >= greatest(
    seen.platform_max / (seen.organizations_live + (seen.live = 0)::integer), 1)
  then
    perform private.refuse_execution('The platform is busy.', 'platform', seen.platform_max);
  elsif seen.is_full then
    perform private.check_rate(seen.limits, check_admission.user_id);
  end if;
  return seen.has_dead;
end
$$;
comment on function private.check_admission(bigint, uuid, uuid) is
  'Requires that organization, person and platform may run one more, begin one more in this minute and '
  'store more; else PT429 too_many_executions or rate_limited, or PT409 quota_exceeded. Answers whether the '
  'organization has executions of dead workers, which end_expired_executions() ends. but_not: the '
  'execution that the caller has written, which does not count.';

create function private.admit_execution(
  organization_id bigint,
  user_id uuid,
  but_not uuid default null
) returns boolean
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: locks the organization's limits. After these, each transaction takes an advisory lock of the
-- person. That is no row, so a change of an account does not wait for it. A caller writes before what it can,
-- because other beginnings of the organization wait from here until its commit.
#variable_conflict use_column
begin
  perform 1 from client_mgmt.organization_limits l
  where l.organization_id = admit_execution.organization_id for update;
  perform pg_advisory_xact_lock(hashtextextended('executions of ' || admit_execution.user_id, 0));
  return private.check_admission(admit_execution.organization_id, admit_execution.user_id, but_not);
end
$$;
comment on function private.admit_execution(bigint, uuid, uuid) is
  'Locks what private.check_admission() counts, and answers as that: exact for callers at once.';

create function private.check_end_user(
  organization_id bigint, user_id uuid, end_user text, tokens bigint, but_not uuid default null
) returns void
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: called by definer functions only. It counts the executions themselves and keeps no window of its
-- own: an end user is any text, so a table of them could grow without bound. It is exact after
-- admit_execution(), whose lock orders the beginnings of one member.
#variable_conflict use_column
declare
  limits client_mgmt.organization_limits;
  live bigint;
  used record;
begin
  if check_end_user.end_user is null then
    return;
  end if;
  select l.* into strict limits from client_mgmt.organization_limits l
  where l.organization_id = check_end_user.organization_id;
  select count(*) into live from public.agent_executions x
  where x.organization_id = check_end_user.organization_id and x.user_id = check_end_user.user_id
    and x.end_user = check_end_user.end_user and x.status in ('pending', 'running')
    and x.lease_expires_at > clock_timestamp() and x.id is distinct from check_end_user.but_not;
  if live >= limits.max_concurrent_per_end_user then
    perform private.refuse_execution(
      'The end user runs as many executions as one end user may.', 'end_user',
      limits.max_concurrent_per_end_user);
  end if;
  select count(*) as requests, min(x.created_at) as oldest,
    coalesce(sum(coalesce(
      x.total_tokens, case when x.status = 'failed' then 0 else x.reserved_tokens end
    )), 0) as tokens
  into used
  from public.agent_executions x
  where x.organization_id = check_end_user.organization_id and x.user_id = check_end_user.user_id
    and x.end_user = check_end_user.end_user and x.created_at > now() - interval '1 minute'
    and x.id is distinct from check_end_user.but_not;
  if used.requests >= limits.requests_per_minute_per_end_user then
    perform private.refuse_rate(
      'requests_per_minute', 'end_user', limits.requests_per_minute_per_end_user,
      coalesce(used.oldest, now()));
  elsif used.tokens + check_end_user.tokens > limits.tokens_per_minute_per_end_user then
    perform private.refuse_rate(
      'tokens_per_minute', 'end_user', limits.tokens_per_minute_per_end_user, coalesce(used.oldest, now()));
  end if;
end
$$;
comment on function private.check_end_user(bigint, uuid, text, bigint, uuid) is
  'Requires that a member''s end user may run one more execution, and begin one more of so many tokens in '
  'this minute; else PT429 too_many_executions or rate_limited. Null, no end user, has no limit here.';
revoke all on function
  private.refuse_execution(text, text, integer), private.first_lease(),
  private.check_admission(bigint, uuid, uuid), private.admit_execution(bigint, uuid, uuid),
  private.check_end_user(bigint, uuid, text, bigint, uuid)
  from public, anon, authenticated, service_role;

-- ── Reserving and settling ────────────────────────────────────────────────────────────────────

create function private.refuse_over_budget(budget client_mgmt.budgets, starts date) returns void
language plpgsql volatile security invoker set search_path = ''
as $$
declare
  resets_at constant timestamptz :=
    (
      starts + case budget.period when 'day' then interval '1 day' else interval '1 month' end
    ) at time zone 'utc';
  scope constant text := case
    when budget.user_id is not null then 'user'
      when budget.project_id is not null then 'project'
      else 'organization' end;
begin
  raise exception using errcode = 'PT402', message = 'budget_exceeded',
    detail = format(
      'The %s budget of the %s, %s, does not cover this request. It resets at %s.', budget.period, scope,
      concat_ws(' and ', trim_scale(budget.limit_usd) || ' US dollars', budget.limit_tokens || ' tokens'),
      to_char(resets_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')),
    hint = jsonb_build_object(
      'budget_id', budget.id, 'scope', scope, 'period', budget.period,
      'limit_usd', budget.limit_usd, 'limit_tokens', budget.limit_tokens, 'resets_at', resets_at
    )::text;
end
$$;
comment on function private.refuse_over_budget(client_mgmt.budgets, date) is
  'Raises PT402 budget_exceeded for a period of a budget; the hint is JSON: { budget_id, scope, '
  'period, limit_usd, limit_tokens, resets_at }.';
revoke all on function private.refuse_over_budget(client_mgmt.budgets, date)
  from public, anon, authenticated, service_role;

create function private.add_to_reservation(
  budget client_mgmt.budgets, execution_id uuid, starts date, usd numeric, tokens bigint
) returns void
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no role holds a grant on counters. One update admits or refuses. An unknown cost passes no limit
-- of money.
#variable_conflict use_column
begin
  update client_mgmt.budget_counters c
  set reserved_usd = c.reserved_usd + coalesce(usd, 0), reserved_tokens = c.reserved_tokens + tokens
  where c.organization_id = budget.organization_id and c.budget_id = budget.id and c.period_start = starts
    and (budget.limit_usd is null or c.settled_usd + c.reserved_usd + usd <= budget.limit_usd)
    and (budget.limit_tokens is null or c.settled_tokens + c.reserved_tokens + tokens <= budget.limit_tokens);
  if not found then
    perform private.refuse_over_budget(budget, starts);
  end if;
  insert into client_mgmt.budget_reservations as r (
    organization_id, execution_id, budget_id, period_start, reserved_usd, reserved_tokens
  ) values (
    budget.organization_id, add_to_reservation.execution_id, budget.id, starts, coalesce(usd, 0), tokens
  )
  on conflict on constraint budget_reservations_pkey do update set
    reserved_usd = r.reserved_usd + excluded.reserved_usd,
    reserved_tokens = r.reserved_tokens + excluded.reserved_tokens;
end
$$;
comment on function private.add_to_reservation(client_mgmt.budgets, uuid, date, numeric, bigint) is
  'Adds to the reservation of an execution in a period of a budget, or raises PT402 budget_exceeded.';

create function private.reserve_budgets(
  organization_id bigint, execution_id uuid, user_id uuid, project_id bigint, usd numeric, tokens bigint
) returns void
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no role holds a grant on counters. Locks budgets in the order of their ids, so two executions
-- never deadlock. Waits for a budget that is being deleted and skips it: its counter would refuse without a
-- limit. An execution that waited for its session already holds a reservation; the answers before it and
-- new prices may need more.
#variable_conflict use_column
declare
  budget client_mgmt.budgets;
  held client_mgmt.budget_reservations;
  starts date;
  more_usd numeric;
  more_tokens bigint;
begin
  for budget in
    select * from client_mgmt.budgets b
    where b.organization_id = reserve_budgets.organization_id
      and (b.project_id is null or b.project_id = reserve_budgets.project_id)
      and (b.user_id is null or b.user_id = reserve_budgets.user_id)
    order by b.id
    for key share
  loop
    if budget.limit_usd is not null and usd is null then
      raise exception using errcode = 'PT409', message = 'price_unknown',
        detail = 'A money budget applies, and a model has no price. Name another model or add its price.';
    end if;
    select r.* into held from client_mgmt.budget_reservations r
    where r.organization_id = budget.organization_id
      and r.execution_id = reserve_budgets.execution_id
      and r.budget_id = budget.id;
    starts := coalesce(
      held.period_start, date_trunc(budget.period, statement_timestamp() at time zone 'utc')::date
    );
    more_usd := greatest(coalesce(usd, 0) - coalesce(held.reserved_usd, 0), 0);
    more_tokens := greatest(tokens - coalesce(held.reserved_tokens, 0), 0);
    insert into client_mgmt.budget_counters (organization_id, budget_id, period_start)
    values (budget.organization_id, budget.id, starts)
    on conflict on constraint budget_counters_pkey do nothing;

    perform private.add_to_reservation(budget, reserve_budgets.execution_id, starts, more_usd, more_tokens);
  end loop;
end
$$;
comment on function private.reserve_budgets(bigint, uuid, uuid, bigint, numeric, bigint) is
  'Reserves the amount in every budget that applies, including an earlier reservation there, or raises '
  'PT402 budget_exceeded; PT409 price_unknown under a money budget.';

create function private.lock_budgets(organization_id bigint) returns void
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no role holds a grant on counters. Called before one transaction ends several executions. The
-- end of an execution locks its budgets and then metrics, so this locks all budgets first, in one order.
#variable_conflict use_column
begin
  perform 1
  from client_mgmt.budgets b
  where b.organization_id = lock_budgets.organization_id
  order by b.id for key share;
  perform 1 from client_mgmt.budget_counters c
  where c.organization_id = lock_budgets.organization_id
    and (
      c.reserved_tokens > 0
      or c.period_start >= date_trunc('month', statement_timestamp() at time zone 'utc')::date
    )
  order by c.budget_id, c.period_start
  for no key update;
end
$$;
comment on function private.lock_budgets(bigint) is
  'Locks the budgets of an organization and their counters that can still change.';

create function private.settle_budgets(
  execution public.agent_executions,
  usd numeric,
  tokens bigint
) returns public.agent_executions
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no role holds a grant on counters. Called once per execution, by its one end. Locks the counter
-- before its reservations, as the deletion of a budget does.
#variable_conflict use_column
declare
  reservation client_mgmt.budget_reservations;
  spent numeric(18, 9);
begin
  for reservation in
    select * from client_mgmt.budget_reservations r
    where r.organization_id = execution.organization_id and r.execution_id = execution.id
      and r.settled_at is null
    order by r.budget_id
  loop
    spent := coalesce(usd, reservation.reserved_usd);
    update client_mgmt.budget_counters c
    set reserved_usd = c.reserved_usd - reservation.reserved_usd,
      reserved_tokens = c.reserved_tokens - reservation.reserved_tokens,
      settled_usd = c.settled_usd + spent,
      settled_tokens = c.settled_tokens + tokens
    where c.organization_id = reservation.organization_id and c.budget_id = reservation.budget_id
      and c.period_start = reservation.period_start;
    -- The budget and its reservations were deleted meanwhile.
    continue when not found;
    update client_mgmt.budget_reservations r
    set settled_usd = spent, settled_tokens = tokens, settled_at = clock_timestamp()
    where r.organization_id = reservation.organization_id and r.execution_id = reservation.execution_id
      and r.budget_id = reservation.budget_id;
    insert into client_mgmt.budget_alerts (organization_id, budget_id, period_start)
    select c.organization_id, c.budget_id, c.period_start
    from client_mgmt.budget_counters c
    join client_mgmt.budgets b on b.organization_id = c.organization_id and b.id = c.budget_id
    where c.organization_id = reservation.organization_id and c.budget_id = reservation.budget_id
      and c.period_start = reservation.period_start
      and (c.settled_usd >= b.warn_at * b.limit_usd or c.settled_tokens >= b.warn_at * b.limit_tokens)
    on conflict on constraint budget_alerts_pkey do nothing;
  end loop;
  return execution;
end
$$;
comment on function private.settle_budgets(public.agent_executions, numeric, bigint) is
  'Settles an execution''s reservations to its use. usd null: unknown, and the reservation itself is '
  'charged.';

create function private.has_budget(organization_id bigint, user_id uuid, project_id bigint) returns boolean
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: called by begin_execution() only.
#variable_conflict use_column
begin
  return exists (
    select 1 from client_mgmt.budgets b
    where b.organization_id = has_budget.organization_id
      and (b.project_id is null or b.project_id = has_budget.project_id)
      and (b.user_id is null or b.user_id = has_budget.user_id)
  );
end
$$;
comment on function private.has_budget(bigint, uuid, bigint) is
  'Whether any budget applies, so that an estimate is necessary.';

create function private.priced_route(
  organization bigint, account uuid, project bigint, route jsonb, has_output boolean
) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: called by begin_execution() only. A model that makes embeddings puts nothing out.
declare
  priced jsonb;
begin
  if not exists (
    select 1 from client_mgmt.budgets b
    where b.organization_id = organization and b.limit_usd is not null
      and (b.project_id is null or b.project_id = project)
      and (b.user_id is null or b.user_id = account)
  ) then
    return route;
  end if;
  select jsonb_agg(r order by n) into priced
  from jsonb_array_elements(route) with ordinality e(r, n)
  where private.execution_cost(
    organization, r ->> 'provider', r ->> 'model', 1, 0, has_output::integer) is not null;
  if priced is null then
    raise exception using errcode = 'PT409', message = 'price_unknown',
      detail = 'A money budget applies, and no model of the route has a price. Name another model or add '
        || 'its price.';
  end if;
  return priced;
end
$$;
comment on function private.priced_route(bigint, uuid, bigint, jsonb, boolean) is
  'The route without models of unknown price where a money budget applies; PT409 price_unknown when none '
  'is left.';

create function private.route_cost(
  organization bigint, route jsonb, input_tokens bigint, output_tokens bigint
) returns numeric
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: called by begin_execution() only. Uses the most expensive model of the route; null when a model
-- has no price.
#variable_conflict use_column
begin
  return (
    select case when bool_and(p.cost is not null) then max(p.cost) end
    from jsonb_array_elements(route) r
    cross join lateral (
      select private.execution_cost(
        organization, r ->> 'provider', r ->> 'model', input_tokens, 0, output_tokens) as cost
    ) p
  );
end
$$;
comment on function private.route_cost(bigint, jsonb, bigint, bigint) is
  'The upper estimate of a call along a route, in US dollars.';

revoke all on function
  private.add_to_reservation(client_mgmt.budgets, uuid, date, numeric, bigint),
  private.reserve_budgets(bigint, uuid, uuid, bigint, numeric, bigint), private.lock_budgets(bigint),
  private.settle_budgets(public.agent_executions, numeric, bigint),
  private.has_budget(bigint, uuid, bigint), private.priced_route(bigint, uuid, bigint, jsonb, boolean),
  private.route_cost(bigint, jsonb, bigint, bigint)
  from public, anon, authenticated, service_role;
create trigger budgets_require_permission before insert or update or delete on client_mgmt.budgets
  for each statement execute function private.require_permission('billing.manage');
