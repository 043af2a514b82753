-- Schedules: an agent is invoked at the times of a cron expression, as the member who made the schedule.
-- Special: a schedule is a session, as an API key is: the row of user_sessions with its id says what the
-- member may do now. begin_due_schedule() takes a due time and begins its execution in one transaction, so
-- each due time has one execution, whatever workers race.

create table private.schedules (
  organization_id bigint not null,
  id uuid not null default gen_random_uuid(),
  user_id uuid not null,
  name text not null constraint schedules_name_length check (char_length(name) between 1 and 100),
  agent text not null,
  message text not null constraint schedules_message_length check (octet_length(message) between 1 and 16384),
  prompt jsonb constraint schedules_prompt_object check (jsonb_typeof(prompt) = 'object'),
  cron text not null,
  time_zone text not null,
  next_due_at timestamptz not null,
  wake_at timestamptz not null,
  tries integer not null default 0,
  paused_at timestamptz,
  paused_reason text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (organization_id, id),
  constraint schedules_paused_for_a_reason check ((paused_at is null) = (paused_reason is null)),
  constraint schedules_user_fkey foreign key (organization_id, user_id)
    references client_mgmt.client_users (organization_id, user_id) on delete cascade
);
comment on table private.schedules is
  'What an agent is asked at the times of a cron expression. The row of user_sessions with the same id has '
  'the access of the member. private.schedule_runs has the due times that were handled.';
comment on column private.schedules.prompt is
  'A prompt of the library, { name, variables }: the last system prompt of each run; null without one.';
comment on column private.schedules.next_due_at is
  'The earliest due time that was not handled. Of several that are over, the last one runs.';
comment on column private.schedules.wake_at is
  'When a worker looks at the schedule: the due time, or the next try of a due time that was refused.';
comment on column private.schedules.tries is 'How often the present due time was refused.';
comment on column private.schedules.paused_reason is
  'requested, access_lost, or the code of the error with which the run was refused; null while it works.';
create index schedules_user_id_idx on private.schedules (organization_id, user_id);
create index schedules_wake_at_idx on private.schedules (wake_at) where paused_at is null;

create table private.schedule_runs (
  organization_id bigint not null,
  schedule_id uuid not null,
  due_at timestamptz not null,
  execution_id uuid,
  error_code text,
  created_at timestamptz not null default clock_timestamp(),
  primary key (organization_id, schedule_id, due_at),
  constraint schedule_runs_schedule_fkey foreign key (organization_id, schedule_id)
    references private.schedules (organization_id, id) on delete cascade,
  constraint schedule_runs_execution_fkey foreign key (organization_id, execution_id)
    references public.agent_executions (organization_id, id) on delete set null (execution_id)
);
comment on table private.schedule_runs is
  'The due times of schedules that were handled: each has one row, with its execution or the refusal.';
comment on column private.schedule_runs.execution_id is
  'Null when the run was refused, and after the execution was deleted.';
create index schedule_runs_execution_id_idx on private.schedule_runs (organization_id, execution_id);

alter table private.schedules enable row level security;
alter table private.schedules force row level security;
alter table private.schedule_runs enable row level security;
alter table private.schedule_runs force row level security;
revoke all on private.schedules, private.schedule_runs from public, anon, authenticated, service_role;
create trigger schedules_updated_at before update on private.schedules
  for each row execute function private.update_updated_at_column();

insert into private.table_bounds (table_name, reason) values
  ('private.schedules', '20 rows per member, 1,000 per organization.'),
  ('private.schedule_runs', '100 rows per schedule: a new run deletes the oldest one.');

-- ── Cron expressions ──────────────────────────────────────────────────────────────────────────

create function private.cron_field(field text, low integer, high integer, names text[]) returns integer[]
language plpgsql immutable security invoker set search_path = ''
as $$
declare
  item text;
  parts text[];
  first_value integer;
  last_value integer;
  step integer;
  chosen integer[] := array[]::integer[];
begin
  foreach item in array string_to_array(field, ',') loop
    parts := regexp_match(
      item, '^(?:[*]|([0-9]{1,2}|[a-z]{3})(?:-([0-9]{1,2}|[a-z]{3}))?)(?:/([0-9]{1,2}))?$');
    -- A step needs a range: what 5/15 means differs between programs.
    if parts is null or (parts[1] is not null and parts[2] is null and parts[3] is not null) then
      return null;
    end if;
    first_value := case
      when parts[1] is null then low
      when parts[1] ~ '[0-9]' then parts[1]::integer
      else low - 1 + array_position(names, parts[1]) end;
    last_value := case
      when parts[1] is null then high
      when parts[2] is null then first_value
      when parts[2] ~ '[0-9]' then parts[2]::integer
      else low - 1 + array_position(names, parts[2]) end;
    step := coalesce(parts[3]::integer, 1);
    if coalesce(first_value < low or last_value > high or first_value > last_value or step < 1, true) then
      return null;
    end if;
    chosen := chosen || array(select generate_series(first_value, last_value, step));
  end loop;
  return array(select distinct v from unnest(chosen) v order by v);
end
$$;
comment on function private.cron_field(text, integer, integer, text[]) is
  'The values of one field of a cron expression, ascending; null for a field that is none.';

create function private.read_cron(
  expression text,
  out minutes integer[], out hours integer[], out days integer[], out months integer[], out weekdays integer[]
)
language plpgsql immutable security invoker set search_path = ''
as $$
declare
  fields constant text[] := regexp_split_to_array(lower(btrim(expression)), '\s+');
begin
  if cardinality(fields) = 5 and char_length(expression) <= 256 then
    minutes := private.cron_field(fields[1], 0, 59, '{}');
    hours := private.cron_field(fields[2], 0, 23, '{}');
    days := private.cron_field(fields[3], 1, 31, '{}');
    months := private.cron_field(
      fields[4], 1, 12, '{jan,feb,mar,apr,may,jun,jul,aug,sep,oct,nov,dec}');
    weekdays := array(
      select distinct w % 7
      from unnest(private.cron_field(fields[5], 0, 7, '{sun,mon,tue,wed,thu,fri,sat}')) w order by 1);
  end if;
  if minutes is null or hours is null or days is null or months is null
    or coalesce(weekdays, '{}') = '{}'
  then
    raise exception using errcode = '22023', message = 'invalid_request',
      detail = 'cron: must be five fields: minute, hour, day of the month, month, day of the week.';
  end if;
end
$$;
comment on function private.read_cron(text) is
  'The values of the five fields of a cron expression, ascending; Sunday is 0. 22023 invalid_request for '
  'every other text, also for six fields, which could name seconds.';

create function private.is_cron_day(days integer[], months integer[], weekdays integer[], day date)
returns boolean
language sql immutable security invoker set search_path = ''
return extract(month from day)::integer = any (months) and case
  -- Both are chosen: a day of either kind, as in every cron.
  when cardinality(days) < 31 and cardinality(weekdays) < 7
    then extract(day from day)::integer = any (days) or extract(dow from day)::integer = any (weekdays)
  else extract(day from day)::integer = any (days) and extract(dow from day)::integer = any (weekdays)
end;
comment on function private.is_cron_day(integer[], integer[], integer[], date) is
  'Whether a cron expression names a day: by the day of the month or of the week when it limits both.';

create function private.times_of_day(minutes integer[], hours integer[], time_zone text, day date)
returns setof timestamptz
language plpgsql stable security invoker set search_path = ''
as $$
declare
  -- Local time minus UTC, well before and well after the day: they differ when the clock changes beside it.
  begins constant timestamptz := day::timestamp at time zone time_zone;
  before constant interval := ((begins - interval '3 hours') at time zone time_zone)
    - ((begins - interval '3 hours') at time zone 'UTC');
  later constant interval := ((begins + interval '27 hours') at time zone time_zone)
    - ((begins + interval '27 hours') at time zone 'UTC');
begin
  if before = later then
    return query
    select (day::timestamp + make_interval(hours => h, mins => m) - before) at time zone 'UTC'
    from unnest(hours) h, unnest(minutes) m;
    return;
  end if;
  return query
  with wanted as (
    select day::timestamp + make_interval(hours => h, mins => m) as at
    from unnest(hours) h, unnest(minutes) m
  ),
  read as (
    select w.at, array(
      select (w.at - o) at time zone 'UTC' from unnest(array[before, later]) o
      where ((w.at - o) at time zone 'UTC') at time zone time_zone = w.at
      order by 1
    ) as found
    from wanted w
  )
  select distinct case
    -- The clock skips the time: the first minute after the gap.
    when r.found = '{}' then (
      select (r.at + make_interval(mins => n) - later) at time zone 'UTC' from generate_series(1, 1500) n
      where ((r.at + make_interval(mins => n) - later) at time zone 'UTC') at time zone time_zone
        = r.at + make_interval(mins => n)
      order by n limit 1)
    else r.found[occurrence] end
  from read r
  -- The clock shows the time twice: the first time, and both when every hour is named.
  cross join lateral generate_series(1, case
    when cardinality(hours) = 24 then greatest(cardinality(r.found), 1) else 1 end) occurrence;
end
$$;
comment on function private.times_of_day(integer[], integer[], text, date) is
  'The moments at which a clock in the zone shows one of the times on a day. A skipped time is the first '
  'minute after the gap. A time that comes twice is its first moment, and both when every hour is named.';

create function private.next_cron_time(cron text, time_zone text, after timestamptz) returns timestamptz
language plpgsql stable security invoker set search_path = ''
as $$
declare
  c constant record := private.read_cron(cron);
  day date := (after at time zone time_zone)::date - 1;
  found_time timestamptz;
begin
  -- 29 February may be eight years away.
  for n in 0..2930 loop
    if private.is_cron_day(c.days, c.months, c.weekdays, day) then
      select min(t) into found_time from private.times_of_day(c.minutes, c.hours, time_zone, day) t
      where t > after;
      if found_time is not null then
        return found_time;
      end if;
    end if;
    day := day + 1;
  end loop;
  return null;
end
$$;
comment on function private.next_cron_time(text, text, timestamptz) is
  'The first time of a cron expression after a moment; null when the next eight years have none.';

create function private.last_cron_time(cron text, time_zone text, since timestamptz, until timestamptz)
returns timestamptz
language plpgsql stable security invoker set search_path = ''
as $$
declare
  c constant record := private.read_cron(cron);
  day date := (until at time zone time_zone)::date + 1;
  found_time timestamptz;
begin
  while day >= (since at time zone time_zone)::date - 1 loop
    if private.is_cron_day(c.days, c.months, c.weekdays, day) then
      select max(t) into found_time from private.times_of_day(c.minutes, c.hours, time_zone, day) t
      where t between since and until;
      if found_time is not null then
        return found_time;
      end if;
    end if;
    day := day - 1;
  end loop;
  return null;
end
$$;
comment on function private.last_cron_time(text, text, timestamptz, timestamptz) is
  'The last time of a cron expression from one moment to another; null without one.';

-- ── Making, pausing and ending ────────────────────────────────────────────────────────────────

create function private.require_time_zone(time_zone text) returns void
language plpgsql stable security invoker set search_path = ''
as $$
begin
  -- A name of the IANA list. PostgreSQL also knows abbreviations and rules such as CET-1, which never change.
  if time_zone is null or time_zone !~ '^[A-Z][A-Za-z0-9_+-]*(/[A-Z][A-Za-z0-9_+-]*)*$'
    or not exists (select 1 from pg_catalog.pg_timezone_names z where z.name = require_time_zone.time_zone)
  then
    raise exception using errcode = '22023', message = 'invalid_request',
      detail = 'time_zone: must be a name of the IANA list, such as Europe/Berlin.';
  end if;
end
$$;
comment on function private.require_time_zone(text) is
  'Requires a name of the IANA list of time zones; else 22023 invalid_request.';

create function private.schedule_request(schedule private.schedules) returns jsonb
language sql immutable security invoker set search_path = ''
return jsonb_build_object(
  'agent', schedule.agent, 'message', jsonb_build_object('content', schedule.message), 'title', schedule.name
) || case when schedule.prompt is null then '{}' else jsonb_build_object('prompt', schedule.prompt) end;
comment on function private.schedule_request(private.schedules) is
  'The request of begin_execution() for a run of a schedule: each run is a conversation of its own.';

create function private.check_schedule(schedule private.schedules) returns timestamptz
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: called by create_schedule() and resume_schedule() only, for the schedule of their caller.
declare
  request constant jsonb := private.read_invocation(private.schedule_request(schedule), null);
  due timestamptz;
begin
  perform private.read_cron(schedule.cron);
  perform private.require_time_zone(schedule.time_zone);
  perform private.find_agent(schedule.organization_id, schedule.agent, null);
  if request ? 'prompt' then
    perform private.fill_prompt(schedule.organization_id, request -> 'prompt');
  end if;
  due := private.next_cron_time(schedule.cron, schedule.time_zone, clock_timestamp());
  if due is null then
    raise exception using errcode = '22023', message = 'invalid_request',
      detail = 'cron: names no day of the next eight years.';
  end if;
  return due;
end
$$;
comment on function private.check_schedule(private.schedules) is
  'The next due time of a schedule whose runs could begin now; else 22023 invalid_request, PT404 '
  'agent_not_found or prompt_not_found.';

create function private.open_schedule_session(schedule private.schedules) returns void
language sql volatile security definer set search_path = ''
as $$
  -- Definer: no client may insert a session. The trigger of user_sessions derives the access. A member who
  -- came back gives the session of their own schedule its access again.
  insert into public.user_sessions as s (organization_id, id, user_id, key_permissions)
  values (schedule.organization_id, schedule.id, schedule.user_id, '{agents.invoke}')
  on conflict on constraint user_sessions_pkey do update
    set key_permissions = excluded.key_permissions, revoked_at = null, revoked_by = null
$$;
comment on function private.open_schedule_session(private.schedules) is
  'The session with which a schedule invokes agents, with the access that its member has.';

create function private.create_schedule(
  name text, agent text, message text, cron text, time_zone text, prompt jsonb
) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no client may insert a session or a schedule. For the caller in the active organization only.
#variable_conflict use_column
declare
  organization bigint := private.require_signed_in_member('agents.invoke');
  made private.schedules;
begin
  made.organization_id := organization;
  made.id := gen_random_uuid();
  made.user_id := private.current_user_id();
  made.name := btrim(create_schedule.name);
  made.agent := create_schedule.agent;
  made.message := create_schedule.message;
  made.prompt := nullif(create_schedule.prompt, 'null');
  made.cron := regexp_replace(btrim(create_schedule.cron), '\s+', ' ', 'g');
  made.time_zone := create_schedule.time_zone;
  if made.name is null or char_length(made.name) not between 1 and 100 then
    raise exception using errcode = '22023', message = 'invalid_request',
      detail = 'name: must have 1 to 100 characters.';
  elsif made.agent is null then
    raise exception using errcode = '22023', message = 'invalid_request', detail = 'agent: must be a text.';
  elsif made.message is null or octet_length(made.message) not between 1 and 16384 then
    raise exception using errcode = '22023', message = 'invalid_request',
      detail = 'message: must be a text of 1 to 16384 bytes.';
  end if;
  made.next_due_at := private.check_schedule(made);
  perform private.lock_access(organization, made.user_id);
  perform pg_advisory_xact_lock(hashtextextended('schedules of ' || organization, 0));
  -- Again, because the caller may have lost access during the wait.
  organization := private.require_signed_in_member('agents.invoke');
  if (
    select count(*) from private.schedules s
    where s.organization_id = organization and s.user_id = made.user_id
  ) >= 20 then
    perform private.refuse_quota(
      'A member has at most 20 schedules.', 'private.schedules', 'member', 'rows', 20);
  elsif (select count(*) from private.schedules s where s.organization_id = organization) >= 1000 then
    perform private.refuse_quota(
      'The organization has at most 1000 schedules.', 'private.schedules', 'organization', 'rows', 1000);
  end if;
  perform private.open_schedule_session(made);
  insert into private.schedules (
    organization_id, id, user_id, name, agent, message, prompt, cron, time_zone, next_due_at, wake_at
  ) values (
    made.organization_id, made.id, made.user_id, made.name, made.agent, made.message, made.prompt, made.cron,
    made.time_zone, made.next_due_at, made.next_due_at
  );
  perform private.write_audit_event(
    organization, 'schedule.create', 'schedule', made.id::text,
    jsonb_build_object(
      'name', made.name, 'agent', made.agent, 'cron', made.cron, 'time_zone', made.time_zone)
  );
  return jsonb_build_object('id', made.id, 'next_due_at', made.next_due_at);
end
$$;
comment on function private.create_schedule(text, text, text, text, text, jsonb) is
  'Body of public.create_schedule().';

create function private.lock_schedule(organization_id bigint, id uuid, of_others boolean)
returns private.schedules
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no role holds a grant on schedules. One's own schedule, and with members.manage those of others
-- where the caller says so.
#variable_conflict use_column
declare
  schedule private.schedules;
begin
  select s.* into schedule from private.schedules s
  where s.organization_id = lock_schedule.organization_id and s.id = lock_schedule.id and (
    s.user_id = private.current_user_id() or (of_others and private.has_permission('members.manage')))
  for no key update;
  if not found then
    raise exception using errcode = 'PT404', message = 'schedule_not_found',
      detail = 'No schedule that the caller may change has this id. Check the id.';
  end if;
  return schedule;
end
$$;
comment on function private.lock_schedule(bigint, uuid, boolean) is
  'A schedule of the caller, or of another member with members.manage, locked; PT404 schedule_not_found.';

create function private.stop_schedule(schedule private.schedules, reason text) returns void
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: called by pause_schedule() and begin_due_schedule(), which hold the schedule.
begin
  update private.schedules s
  set paused_at = clock_timestamp(), paused_reason = left(reason, 64), tries = 0
  where s.organization_id = schedule.organization_id and s.id = schedule.id;
  perform private.write_audit_event(
    schedule.organization_id, 'schedule.pause', 'schedule', schedule.id::text,
    jsonb_build_object('reason', left(reason, 64), 'owner', schedule.user_id)
  );
end
$$;
comment on function private.stop_schedule(private.schedules, text) is
  'Pauses a schedule, and records why.';

create function private.pause_schedule(id uuid) returns void
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no role holds a grant on schedules.
declare
  organization constant bigint := private.require_signed_in_member();
  schedule constant private.schedules := private.lock_schedule(organization, id, true);
begin
  if schedule.paused_at is null then
    perform private.stop_schedule(schedule, 'requested');
  end if;
end
$$;
comment on function private.pause_schedule(uuid) is 'Body of public.pause_schedule().';

create function private.resume_schedule(id uuid) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no role holds a grant on schedules. The caller's own schedule only: it acts as its member.
#variable_conflict use_column
declare
  organization bigint := private.require_signed_in_member('agents.invoke');
  schedule private.schedules;
begin
  perform private.lock_access(organization, private.current_user_id());
  organization := private.require_signed_in_member('agents.invoke');
  schedule := private.lock_schedule(organization, resume_schedule.id, false);
  if schedule.paused_at is not null then
    schedule.next_due_at := private.check_schedule(schedule);
    perform private.open_schedule_session(schedule);
    update private.schedules s
    set paused_at = null, paused_reason = null, tries = 0, next_due_at = schedule.next_due_at,
      wake_at = schedule.next_due_at
    where s.organization_id = organization and s.id = schedule.id;
    perform private.write_audit_event(
      organization, 'schedule.resume', 'schedule', schedule.id::text);
  end if;
  return jsonb_build_object('id', schedule.id, 'next_due_at', schedule.next_due_at);
end
$$;
comment on function private.resume_schedule(uuid) is 'Body of public.resume_schedule().';

create function private.delete_schedule(id uuid) returns void
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no role holds a grant on schedules or to delete a session. An execution that runs goes on.
#variable_conflict use_column
declare
  organization constant bigint := private.require_signed_in_member();
  schedule constant private.schedules := private.lock_schedule(organization, delete_schedule.id, true);
begin
  delete from private.schedules s where s.organization_id = organization and s.id = schedule.id;
  perform private.write_audit_event(
    organization, 'schedule.delete', 'schedule', schedule.id::text,
    jsonb_build_object('name', schedule.name, 'owner', schedule.user_id)
  );
  delete from public.user_sessions s where s.organization_id = organization and s.id = schedule.id;
end
$$;
comment on function private.delete_schedule(uuid) is 'Body of public.delete_schedule().';

-- ── Reading ───────────────────────────────────────────────────────────────────────────────────

create function private.list_schedules()
returns table (
  id uuid, user_id uuid, name text, agent text, message text, prompt jsonb, cron text, time_zone text,
  next_due_at timestamptz, paused_at timestamptz, paused_reason text, last_due_at timestamptz,
  last_execution_id uuid, last_error_code text, created_at timestamptz
)
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: no role holds a grant on schedules. One's own, and everyone's with members.manage, without what
-- the others say to their agents.
#variable_conflict use_column
declare
  organization constant bigint := private.current_organization_id();
  account constant uuid := private.current_user_id();
  manages constant boolean := private.has_permission('members.manage');
begin
  return query
  select s.id, s.user_id, s.name, s.agent, case when s.user_id = account then s.message end,
    case when s.user_id = account then s.prompt end, s.cron, s.time_zone,
    case when s.paused_at is null then s.next_due_at end, s.paused_at,
    coalesce(s.paused_reason, case when not exists (
      select 1 from public.user_sessions a
      where a.organization_id = s.organization_id and a.id = s.id and a.is_active and a.revoked_at is null
        and 'agents.invoke' = any (a.permissions)
    ) then 'access_lost' end),
    r.due_at, r.execution_id, r.error_code, s.created_at
  from private.schedules s
  left join lateral (
    select l.due_at, l.execution_id, l.error_code from private.schedule_runs l
    where l.organization_id = s.organization_id and l.schedule_id = s.id
    order by l.due_at desc limit 1
  ) r on true
  where s.organization_id = organization and (s.user_id = account or manages)
  order by s.created_at desc, s.id;
end
$$;
comment on function private.list_schedules() is 'Body of public.list_schedules().';

create function private.list_schedule_runs(schedule_id uuid)
returns table (
  due_at timestamptz, started_at timestamptz, execution_id uuid, status text, error_code text
)
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: no role holds a grant on the runs. Those of one's own schedule, and of every one with
-- members.manage: the time and the outcome, and nothing of what was said.
#variable_conflict use_column
declare
  organization constant bigint := private.current_organization_id();
begin
  return query
  select r.due_at, r.created_at, r.execution_id, x.status, coalesce(r.error_code, x.error_code)
  from private.schedules s
  join private.schedule_runs r on r.organization_id = s.organization_id and r.schedule_id = s.id
  left join public.agent_executions x
    on x.organization_id = r.organization_id and x.id = r.execution_id
  where s.organization_id = organization and s.id = list_schedule_runs.schedule_id
    and (s.user_id = private.current_user_id() or private.has_permission('members.manage'))
  order by r.due_at desc;
end
$$;
comment on function private.list_schedule_runs(uuid) is 'Body of public.list_schedule_runs().';

-- ── Running ───────────────────────────────────────────────────────────────────────────────────

create function private.record_schedule_run(
  schedule private.schedules, due_at timestamptz, execution_id uuid, error_code text
) returns void
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: called by begin_due_schedule() only, which holds the schedule.
#variable_conflict use_column
declare
  next_due constant timestamptz := private.next_cron_time(
    schedule.cron, schedule.time_zone, greatest(record_schedule_run.due_at, clock_timestamp()));
begin
  insert into private.schedule_runs (organization_id, schedule_id, due_at, execution_id, error_code)
  values (
    schedule.organization_id, schedule.id, record_schedule_run.due_at, record_schedule_run.execution_id,
    record_schedule_run.error_code
  );
  delete from private.schedule_runs r
  where r.organization_id = schedule.organization_id and r.schedule_id = schedule.id and r.due_at <= (
    select o.due_at from private.schedule_runs o
    where o.organization_id = schedule.organization_id and o.schedule_id = schedule.id
    order by o.due_at desc offset 100 limit 1
  );
  update private.schedules s
  set next_due_at = coalesce(next_due, 'infinity'), wake_at = coalesce(next_due, 'infinity'), tries = 0
  where s.organization_id = schedule.organization_id and s.id = schedule.id;
end
$$;
comment on function private.record_schedule_run(private.schedules, timestamptz, uuid, text) is
  'Stores what became of a due time, and moves the schedule to its next one.';

create function private.refuse_due_schedule(
  schedule private.schedules, due_at timestamptz, error_code text
) returns void
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: called by begin_due_schedule() only, which holds the schedule.
declare
  -- A later try gets the same refusal, until a person changes something.
  reason constant text := case
    when error_code in ('no_organization', 'permission_denied') then 'access_lost'
    when error_code in (
      'agent_not_found', 'budget_exceeded', 'invalid_request', 'model_not_found', 'prompt_not_found',
      'quota_exceeded'
    ) then error_code end;
begin
  if reason is null and schedule.tries < 9 then
    update private.schedules s
    set tries = s.tries + 1, wake_at = clock_timestamp() + interval '1 minute'
    where s.organization_id = schedule.organization_id and s.id = schedule.id;
    return;
  end if;
  perform private.record_schedule_run(schedule, due_at, null, error_code);
  if reason is not null then
    perform private.stop_schedule(schedule, reason);
  end if;
end
$$;
comment on function private.refuse_due_schedule(private.schedules, timestamptz, text) is
  'A limit, a breaker or a fault: tries again each minute, ten times. Any other refusal pauses the schedule.';

create function public.begin_due_schedule(providers text[] default null) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no role holds a grant on schedules, and only a definer calls private.act_as_session(). Executable
-- by service_role only. The lock of the schedule and the row of its due time make the run exactly once.
declare
  schedule private.schedules;
  due timestamptz;
  begun jsonb;
  state text;
  code text;
begin
  select s.* into schedule from private.schedules s
  where s.paused_at is null and s.wake_at <= clock_timestamp()
  order by s.wake_at, s.organization_id, s.id
  limit 1
  for no key update skip locked;
  if not found then
    return null;
  end if;
  due := coalesce(
    private.last_cron_time(schedule.cron, schedule.time_zone, schedule.next_due_at, clock_timestamp()),
    schedule.next_due_at
  );
  begin
    perform private.act_as_session(schedule.id, schedule.organization_id);
    begun := private.begin_in(
      private.require_organization('agents.invoke'), private.schedule_request(schedule), null,
      begin_due_schedule.providers
    );
  exception when others then
    get stacked diagnostics state = returned_sqlstate, code = message_text;
    if state !~ '^(PT[0-9]{3}|22023|23505|42501)$' or code !~ '^[a-z_]{1,64}$' then
      -- A fault of ours must not hold up the schedules behind this one.
      raise warning 'schedule % did not run: % (%)', schedule.id, code, state;
      code := 'internal_error';
    end if;
    perform private.refuse_due_schedule(schedule, due, code);
    return jsonb_build_object('schedule_id', schedule.id, 'due_at', due, 'error_code', code);
  end;
  perform private.record_schedule_run(schedule, due, (begun ->> 'execution_id')::uuid, null);
  return jsonb_build_object('schedule_id', schedule.id, 'due_at', due, 'execution', begun);
end
$$;
comment on function public.begin_due_schedule(text[]) is
  'Begins the execution of the schedule that has waited longest, as its member: { schedule_id, due_at, '
  'execution } with the answer of begin_execution(), { schedule_id, due_at, error_code } when it was '
  'refused, null when none is due. A missed time runs once: of several, the last one. Service role only.';

create function public.has_due_schedule() returns boolean
language sql stable security definer set search_path = ''
as $$
  -- Definer: no role holds a grant on schedules. Executable by service_role only.
  select exists (
    select 1 from private.schedules s where s.paused_at is null and s.wake_at <= statement_timestamp()
  )
$$;
comment on function public.has_due_schedule() is
  'Whether a schedule is due: a worker loads what runs it only then. Service role only.';

-- ── The RPCs ──────────────────────────────────────────────────────────────────────────────────

create type public.made_schedule as (id uuid, next_due_at timestamptz);
comment on type public.made_schedule is 'Answer of create_schedule() and resume_schedule().';

create function public.create_schedule(
  name text, agent text, message text, cron text, time_zone text, prompt jsonb default null
) returns public.made_schedule
language sql volatile security invoker set search_path = ''
as $$
  select * from jsonb_populate_record(
    null::public.made_schedule,
    private.create_schedule(name, agent, message, cron, time_zone, prompt)
  )
$$;
comment on function public.create_schedule(text, text, text, text, text, jsonb) is
  'Invokes an agent at the times of a cron expression of five fields, in a time zone of the IANA list, as '
  'the caller with the rights and budgets that the caller has then: { id, next_due_at }. message is what the '
  'agent is asked; prompt { name, variables? } names a prompt of the library as at begin_execution(). Needs '
  'agents.invoke and a sign-in. 22023 invalid_request names the wrong field; PT404 agent_not_found, '
  'prompt_not_found; PT409 quota_exceeded from 20 schedules on.';

create function public.pause_schedule(id uuid) returns void
language sql volatile security invoker set search_path = ''
as $$ select private.pause_schedule(id) $$;
comment on function public.pause_schedule(uuid) is
  'The schedule runs no more until resume_schedule(). One''s own, or with members.manage that of a member. '
  'PT404 schedule_not_found.';

create function public.resume_schedule(id uuid) returns public.made_schedule
language sql volatile security invoker set search_path = ''
as $$
  select * from jsonb_populate_record(null::public.made_schedule, private.resume_schedule(id))
$$;
comment on function public.resume_schedule(uuid) is
  'A paused schedule of the caller runs again from its next time on; the times of the pause are left out: { '
  'id, next_due_at }. Checks it as create_schedule(). PT404 schedule_not_found.';

create function public.delete_schedule(id uuid) returns void
language sql volatile security invoker set search_path = ''
as $$ select private.delete_schedule(id) $$;
comment on function public.delete_schedule(uuid) is
  'Deletes a schedule: one''s own, or with members.manage that of a member. What it said stays. PT404 '
  'schedule_not_found.';

create function public.list_schedules()
returns table (
  id uuid, user_id uuid, name text, agent text, message text, prompt jsonb, cron text, time_zone text,
  next_due_at timestamptz, paused_at timestamptz, paused_reason text, last_due_at timestamptz,
  last_execution_id uuid, last_error_code text, created_at timestamptz
)
language sql stable security invoker set search_path = ''
as $$ select * from private.list_schedules() $$;
comment on function public.list_schedules() is
  'The caller''s schedules in the active organization, or with members.manage everyone''s, without the '
  'message and the prompt of others. paused_reason says why a schedule does not run: requested, '
  'access_lost, or the code of the error.';

create function public.list_schedule_runs(schedule_id uuid)
returns table (
  due_at timestamptz, started_at timestamptz, execution_id uuid, status text, error_code text
)
language sql stable security invoker set search_path = ''
as $$ select * from private.list_schedule_runs(schedule_id) $$;
comment on function public.list_schedule_runs(uuid) is
  'The last 100 due times of a schedule that were handled: its execution with its status, or the code with '
  'which it was refused. No row for a schedule that the caller does not list.';

revoke all on function
  private.cron_field(text, integer, integer, text[]), private.read_cron(text),
  private.is_cron_day(integer[], integer[], integer[], date),
  private.times_of_day(integer[], integer[], text, date),
  private.next_cron_time(text, text, timestamptz),
  private.last_cron_time(text, text, timestamptz, timestamptz),
  private.require_time_zone(text), private.schedule_request(private.schedules),
  private.check_schedule(private.schedules), private.open_schedule_session(private.schedules),
  private.lock_schedule(bigint, uuid, boolean), private.stop_schedule(private.schedules, text),
  private.record_schedule_run(private.schedules, timestamptz, uuid, text),
  private.refuse_due_schedule(private.schedules, timestamptz, text),
  private.create_schedule(text, text, text, text, text, jsonb), private.pause_schedule(uuid),
  private.resume_schedule(uuid), private.delete_schedule(uuid), private.list_schedules(),
  private.list_schedule_runs(uuid),
  public.create_schedule(text, text, text, text, text, jsonb), public.pause_schedule(uuid),
  public.resume_schedule(uuid), public.delete_schedule(uuid), public.list_schedules(),
  public.list_schedule_runs(uuid), public.begin_due_schedule(text[]), public.has_due_schedule()
  from public, anon, authenticated, service_role;
grant execute on function
  private.create_schedule(text, text, text, text, text, jsonb), private.pause_schedule(uuid),
  private.resume_schedule(uuid), private.delete_schedule(uuid), private.list_schedules(),
  private.list_schedule_runs(uuid),
  public.create_schedule(text, text, text, text, text, jsonb), public.pause_schedule(uuid),
  public.resume_schedule(uuid), public.delete_schedule(uuid), public.list_schedules(),
  public.list_schedule_runs(uuid)
  to authenticated;
grant execute on function public.begin_due_schedule(text[]), public.has_due_schedule() to service_role;
