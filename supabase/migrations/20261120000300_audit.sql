-- Audit log: what happened, who did it, and proof that no entry was changed later.
-- Special: append-only for every role (no grant; triggers, also on truncate). The rows of an organization
-- form a hash chain with one locked head row, so concurrent writers cannot fork it. No foreign keys, so the
-- id of an actor stays.

-- ── platform_admins ───────────────────────────────────────────────────────────────────────────

create table public.platform_admins (
  id bigint generated always as identity primary key,
  user_id uuid references public.users (id) on delete set null,
  email text not null,
  name text not null,
  is_active boolean not null default true,
  added_by text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint platform_admins_email_key unique (email),
  constraint platform_admins_user_id_key unique (user_id)
);
comment on table public.platform_admins is
  'The platform administrators. The database owner fills it. The entry alone shows no content of a tenant.';
comment on column public.platform_admins.user_id is
  'The administrator''s account; null until the account exists.';
comment on column public.platform_admins.added_by is 'The person who added the entry, as text.';
alter table public.platform_admins enable row level security;
alter table public.platform_admins force row level security;
revoke all on public.platform_admins from anon, authenticated, service_role;
-- No grant and no policy: read through private functions only.
create trigger platform_admins_updated_at before update on public.platform_admins
  for each row execute function private.update_updated_at_column();

create function private.is_platform_admin() returns boolean
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: platform_admins denies everyone.
begin
  return exists (
    select 1 from public.platform_admins a
    where a.user_id = private.current_account_id() and a.is_active
  );
end
$$;
comment on function private.is_platform_admin() is
  'Whether the caller is a platform administrator. Gives no view of any tenant.';
revoke all on function private.is_platform_admin() from public, anon, authenticated, service_role;

create table public.admin_audit_log (
  id bigint generated always as identity primary key,
  "timestamp" timestamptz not null default clock_timestamp(),
  admin_id bigint,
  admin_email text,
  action text not null,
  resource_type text not null,
  resource_id text,
  details jsonb not null default '{}',
  success boolean not null default true
);
comment on table public.admin_audit_log is
  'The acts of platform administrators. Append-only; administrators cannot delete their own entries.';
create index admin_audit_log_admin_id_idx on public.admin_audit_log (admin_id, "timestamp");
create index admin_audit_log_timestamp_idx on public.admin_audit_log ("timestamp");
alter table public.admin_audit_log enable row level security;
alter table public.admin_audit_log force row level security;
revoke all on public.admin_audit_log from anon, authenticated, service_role;
-- No grant and no policy: written by triggers, read by the database owner.

-- ── audit_logs ────────────────────────────────────────────────────────────────────────────────

create table public.audit_logs (
  organization_id bigint not null,
  id bigint generated always as identity,
  sequence bigint not null,
  "timestamp" timestamptz not null default clock_timestamp(),
  user_id uuid,
  actor text not null,
  action text not null,
  resource_type text not null,
  resource_id text,
  details jsonb not null default '{}',
  ip_address text,
  user_agent text,
  success boolean not null default true,
  error_message text,
  payload text not null,
  previous_hash bytea not null,
  hash bytea not null,
  primary key (organization_id, id),
  constraint audit_logs_sequence_key unique (organization_id, sequence)
);
comment on table public.audit_logs is
  'One row per statement and audited table, in the transaction of the change. hash = sha256(previous_hash '
  '|| payload).';
comment on column public.audit_logs.sequence is
  'Position in the organization''s chain, from 1, without gaps.';
comment on column public.audit_logs.user_id is
  'Account that acted; null for the platform. No foreign key: the id stays after a deletion of the '
  'account.';
comment on column public.audit_logs.actor is
  'user, platform_admin, service_role or database: from the verified token and the tables, never from input.';
comment on column public.audit_logs.payload is 'The exact hashed text: every other column, as JSON.';
comment on column public.audit_logs.previous_hash is 'hash of the row before; 32 zero bytes for the first.';
create index audit_logs_timestamp_idx on public.audit_logs (organization_id, "timestamp");
create index audit_logs_user_id_idx on public.audit_logs (organization_id, user_id, "timestamp");
create index audit_logs_action_idx on public.audit_logs (organization_id, action, "timestamp");
create index audit_logs_resource_idx on public.audit_logs (organization_id, resource_type, resource_id);

alter table public.audit_logs enable row level security;
alter table public.audit_logs force row level security;
create policy select_auditor on public.audit_logs for select to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and (select private.has_permission('audit.read'))
  );
comment on policy select_auditor on public.audit_logs is 'Read with audit.read.';
revoke all on public.audit_logs from anon, authenticated, service_role;
grant select on public.audit_logs to authenticated, service_role;
-- No insert, update or delete for any role: log_audit_event() and the triggers write.

create function private.refuse_change() returns trigger
language plpgsql volatile security invoker set search_path = ''
as $$
begin
  raise exception using errcode = '42501', message = 'append_only',
    detail = format('%I.%I is append-only.', tg_table_schema, tg_table_name);
end
$$;
comment on function private.refuse_change() is
  'Trigger: refuses update, delete and truncate, for every role.';
revoke all on function private.refuse_change() from public, anon, authenticated, service_role;

create trigger audit_logs_append_only before update or delete on public.audit_logs
  for each row execute function private.refuse_change();
create trigger audit_logs_no_truncate before truncate on public.audit_logs
  for each statement execute function private.refuse_change();
create trigger admin_audit_log_append_only before update or delete on public.admin_audit_log
  for each row execute function private.refuse_change();
create trigger admin_audit_log_no_truncate before truncate on public.admin_audit_log
  for each statement execute function private.refuse_change();

create table private.audit_heads (
  organization_id bigint primary key,
  sequence bigint not null,
  hash bytea not null
);
comment on table private.audit_heads is
  'The last link of each organization''s chain. A lock on the row orders writers. The head reveals a cut '
  'end.';
alter table private.audit_heads enable row level security;
alter table private.audit_heads force row level security;
revoke all on private.audit_heads from public, anon, authenticated, service_role;

-- ── Writing ───────────────────────────────────────────────────────────────────────────────────

create function private.write_audit_event(
  organization_id bigint,
  action text,
  resource_type text,
  resource_id text,
  details jsonb default '{}',
  success boolean default true,
  error_message text default null,
  ip_address text default null,
  user_agent text default null
) returns bigint
language plpgsql volatile security definer set search_path = '' set timezone = 'UTC'
as $$
-- Definer: no role holds a grant to insert. Granted to no API role; the actor comes from the token. The
-- time zone is fixed, because the hashed payload contains timestamps as text.
#variable_conflict use_variable
declare
  head private.audit_heads;
  happened_at constant timestamptz := clock_timestamp();
  account constant uuid := private.current_user_id();
  actor constant text := case
    when account is not null and private.is_platform_admin() and not exists (
      select 1 from client_mgmt.client_users m
      where m.organization_id = write_audit_event.organization_id
        and m.user_id = account
        and m.ended_at is null
    ) then 'platform_admin'
    when account is not null then 'user'
    when private.jwt_claims() ->> 'role' = 'service_role' then 'service_role'
    else 'database'
  end;
  acting constant text := nullif(current_setting('colloquy.acting_user', true), '');
  payload text;
  link bytea;
begin
  -- Only a function of the service role names another person; a person's own token identifies them.
  if actor = 'service_role' and acting is not null then
    details := details || jsonb_build_object('user_id', acting);
  end if;
  insert into private.audit_heads as h (organization_id, sequence, hash)
  values (organization_id, 0, decode(repeat('00', 32), 'hex'))
  on conflict on constraint audit_heads_pkey do nothing;
  select h.* into strict head from private.audit_heads h
  where h.organization_id = write_audit_event.organization_id for update;
  -- The record of a refusal does not count as a change, and a refused change leaves no record.
  if success and (actor = 'user' or (actor = 'service_role' and acting is not null)) then
    perform private.count_change(organization_id, coalesce(account, acting::uuid));
  end if;

  payload := jsonb_build_object(
    'organization_id', organization_id, 'sequence', head.sequence + 1, 'timestamp', happened_at,
    'user_id', account, 'actor', actor, 'action', action, 'resource_type', resource_type,
    'resource_id', resource_id, 'details', details, 'ip_address', ip_address,
    'user_agent', user_agent, 'success', success, 'error_message', error_message
  )::text;
  link := sha256(head.hash || convert_to(payload, 'UTF8'));

  insert into public.audit_logs (
    organization_id, sequence, "timestamp", user_id, actor, action, resource_type, resource_id,
    details, ip_address, user_agent, success, error_message, payload, previous_hash, hash
  ) values (
    organization_id, head.sequence + 1, happened_at, account, actor, action, resource_type, resource_id,
    details, ip_address, user_agent, success, error_message, payload, head.hash, link
  );
  update private.audit_heads h set sequence = head.sequence + 1, hash = link
  where h.organization_id = write_audit_event.organization_id;
  return head.sequence + 1;
end
$$;
comment on function private.write_audit_event(bigint, text, text, text, jsonb, boolean, text, text, text) is
  'Appends one link to an organization''s chain and returns its sequence. An act of the service role for a '
  'person (private.require_acting_member()) has the person''s id as details.user_id. Events of people '
  'count in their minute: PT429 rate_limited.';
revoke all on function private.write_audit_event(bigint, text, text, text, jsonb, boolean, text, text, text)
  from public, anon, authenticated, service_role;

create function public.log_audit_event(
  organization_id bigint,
  action text,
  resource_type text,
  resource_id text default null,
  details jsonb default '{}',
  success boolean default true,
  error_message text default null,
  ip_address text default null,
  user_agent text default null
) returns bigint
language sql volatile security definer set search_path = ''
as $$
  -- Definer: no role may write the chain. Executable by service_role only: an event with a client's words
  -- would prove nothing.
  select private.write_audit_event(
    organization_id, action, resource_type, resource_id, details, success, error_message,
    ip_address, user_agent
  )
$$;
comment on function public.log_audit_event(bigint, text, text, text, jsonb, boolean, text, text, text) is
  'Appends an event without a trigger (an export, a refused call). Service role only. Returns its '
  'sequence.';
revoke all on function public.log_audit_event(bigint, text, text, text, jsonb, boolean, text, text, text)
  from public, anon, authenticated, service_role;
grant execute on function public.log_audit_event(bigint, text, text, text, jsonb, boolean, text, text, text)
  to service_role;

create function private.write_admin_event(
  action text,
  resource_type text,
  resource_id text,
  details jsonb
) returns void
language sql volatile security definer set search_path = ''
as $$
  -- Definer: no role holds a grant to insert. Granted to no API role; the administrator comes from the
  -- token.
  insert into public.admin_audit_log (admin_id, admin_email, action, resource_type, resource_id, details)
  select a.id, a.email, write_admin_event.action, write_admin_event.resource_type,
    write_admin_event.resource_id, write_admin_event.details
  from (select private.current_user_id() as user_id) c
  left join public.platform_admins a on a.user_id = c.user_id
$$;
comment on function private.write_admin_event(text, text, text, jsonb) is
  'Records an act of an administrator or, without one, a change of platform-wide rows by the database '
  'owner.';
revoke all on function private.write_admin_event(text, text, text, jsonb)
  from public, anon, authenticated, service_role;

create function private.personal_columns(table_name text) returns text[]
language sql immutable security invoker set search_path = ''
as $$
  select case table_name
    when 'mcp_configurations' then array['endpoint', 'command']
    when 'mcp_oauth_tokens' then array['endpoint', 'resource', 'server_metadata']
    when 'system_prompts' then array['variables']
    else array[]::text[]
  end
$$;
comment on function private.personal_columns(text) is
  'Columns that only the person may read while the row has a user_id. Other members read the log.';
revoke all on function private.personal_columns(text) from public, anon, authenticated, service_role;

create function private.audited_columns(table_name text) returns text[]
language sql immutable security invoker set search_path = ''
as $$
  select case table_name
    -- The log records a new authorization, its end and changed scopes, but not a refresh.
    when 'mcp_oauth_tokens' then array['status', 'connected_at', 'scope', 'issuer']
    -- The log records what is stored of a client, but no lease and no rejection.
    when 'oauth_clients' then
      array['client_id', 'token_endpoint_auth_method', 'registered_at', 'secret_expires_at']
  end
$$;
comment on function private.audited_columns(text) is
  'The columns that make an update an event when one of them changes; null for any column.';

create function private.shorten_values(columns jsonb) returns jsonb
language sql immutable security invoker set search_path = ''
as $$
  select jsonb_object_agg(c.key, case when octet_length(c.value::text) <= 1024 then c.value
    else jsonb_build_object(
      'sha256', encode(sha256(convert_to(c.value::text, 'UTF8')), 'hex'),
      'bytes', octet_length(c.value::text)
    ) end)
  from jsonb_each(columns) c
$$;
comment on function private.shorten_values(jsonb) is
  'The column values of an event. A value over 1,024 bytes of JSON text becomes { sha256, bytes } of that '
  'text.';

create function private.describe_change(before jsonb, after jsonb, secrets text[]) returns jsonb
language plpgsql immutable security invoker set search_path = ''
as $$
declare
  secret text;
  details jsonb;
begin
  foreach secret in array secrets loop
    if before ->> secret is not null then
      -- The marks of an old and a new secret differ, so that the change is recorded.
      before := jsonb_set(before, array[secret],
        case when after ->> secret is distinct from before ->> secret then '"[old]"'::jsonb
          else '"[sealed]"' end);
    end if;
    if after ->> secret is not null then
      after := jsonb_set(after, array[secret], '"[sealed]"');
    end if;
  end loop;
  if before is null or after is null then
    return jsonb_strip_nulls(jsonb_build_object(
      'before', private.shorten_values(before), 'after', private.shorten_values(after)
    ));
  end if;
  select jsonb_build_object(
    'before', private.shorten_values(jsonb_object_agg(k.key, before -> k.key)),
    'after', private.shorten_values(jsonb_object_agg(k.key, after -> k.key))
  ) into details
  from jsonb_object_keys(after) k(key)
  where before -> k.key is distinct from after -> k.key;
  return case when details ->> 'after' is not null then details end;
end
$$;
comment on function private.describe_change(jsonb, jsonb, text[]) is
  'The event of one row: its values before and after; of an update the differing values only. Long values '
  'become their hash, and secrets only show whether they changed. Null when nothing differs.';

create function private.fold_changes(ids text[], changes jsonb[]) returns jsonb
language sql immutable security invoker set search_path = ''
as $$
  select jsonb_build_object('count', cardinality(ids), 'ids', to_jsonb(ids[1:100])) || coalesce((
    select jsonb_object_agg(f.side, f.columns)
    from (
      select v.side, jsonb_object_agg(v.key, v.value) as columns
      from (
        select s.side, e.key, case
            when count(distinct e.value) = 1 and count(*) = cardinality(ids)
              then (array_agg(e.value))[1]
            else '"[various]"'
          end as value
        from unnest(changes) c(change)
        cross join (values ('before'), ('after')) s(side)
        cross join lateral jsonb_each(c.change -> s.side) e
        group by s.side, e.key
      ) v
      group by v.side
    ) f
  ), '{}')
$$;
comment on function private.fold_changes(text[], jsonb[]) is
  'The event of several rows: { count, ids (the first 100), before, after }. A column has its value when '
  'all rows have the same, else "[various]".';

-- Arguments of the trigger: resource type, key column, then columns whose values never enter the log.
create function private.audit_change() returns trigger
language plpgsql volatile security definer set search_path = '' set timezone = 'UTC'
as $$
-- Definer: writes the chain for every role that makes a change. Pairs the rows before and after by their key.
declare
  resource_type constant text := tg_argv[0];
  key constant text := tg_argv[1];
  tenant constant text := case
    when tg_table_schema = 'public' and tg_table_name = 'organizations' then 'id'
    else 'organization_id' end;
  audited constant text[] := private.audited_columns(tg_table_name);
  befores jsonb[];
  afters jsonb[];
  event record;
begin
  if tg_op = 'INSERT' then
    select array_agg(to_jsonb(a) - 'updated_at') into afters from after_rows a;
  elsif tg_op = 'DELETE' then
    select array_agg(to_jsonb(b) - 'updated_at') into befores from before_rows b;
  else
    select array_agg(b.body), array_agg(a.body) into befores, afters
    from (select to_jsonb(r) - 'updated_at' as body from before_rows r) b
    full join (select to_jsonb(r) - 'updated_at' as body from after_rows r) a
      on b.body ->> key = a.body ->> key
      and coalesce(b.body ->> tenant, '') = coalesce(a.body ->> tenant, '')
    where audited is null
      or exists (select 1 from unnest(audited) c where b.body -> c is distinct from a.body -> c);
  end if;

  for event in
    select (c.subject ->> tenant)::bigint as organization_id,
      array_agg(c.subject ->> key order by c.n) as ids, array_agg(c.change order by c.n) as changes
    from (
      select u.n, coalesce(u.after, u.before) as subject, private.describe_change(
          u.before, u.after,
          tg_argv[2:] || case when coalesce(u.after, u.before) ->> 'user_id' is not null
            then private.personal_columns(tg_table_name) else '{}' end
        ) as change
      from unnest(befores, afters) with ordinality u(before, after, n)
    ) c
    where c.change is not null
    group by 1
    order by 1
  loop
    declare
      many constant boolean := cardinality(event.ids) > 1;
      id constant text := case when not many then event.ids[1] end;
      details constant jsonb := case
        when many then private.fold_changes(event.ids, event.changes) else event.changes[1] end;
    begin
      -- The administrators' log records changes of platform-wide rows (without organization).
      if event.organization_id is null then
        perform private.write_admin_event(
          resource_type || '.' || lower(tg_op), resource_type, id, details
        );
      else
        perform private.write_audit_event(
          event.organization_id, resource_type || '.' || lower(tg_op), resource_type, id, details
        );
      end if;
    end;
  end loop;
  return null;
end
$$;
comment on function private.audit_change() is
  'Trigger: records the change of one statement to a table as one event per organization, with the values '
  'before and after. Secret columns only show whether they changed.';
revoke all on function
  private.audited_columns(text), private.shorten_values(jsonb),
  private.describe_change(jsonb, jsonb, text[]),
  private.fold_changes(text[], jsonb[]),
  private.audit_change()
  from public, anon, authenticated, service_role;

create trigger organizations_audit_insert after insert on public.organizations
  referencing new table as after_rows
  for each statement execute function private.audit_change('organization', 'id');
create trigger organizations_audit_update after update on public.organizations
  referencing old table as before_rows new table as after_rows
  for each statement execute function private.audit_change('organization', 'id');
create trigger client_users_audit_insert after insert on client_mgmt.client_users
  referencing new table as after_rows
  for each statement execute function private.audit_change('membership', 'user_id');
create trigger client_users_audit_update after update on client_mgmt.client_users
  referencing old table as before_rows new table as after_rows
  for each statement execute function private.audit_change('membership', 'user_id');
create trigger client_users_audit_delete after delete on client_mgmt.client_users
  referencing old table as before_rows
  for each statement execute function private.audit_change('membership', 'user_id');
create trigger billing_accounts_audit_update after update on client_mgmt.billing_accounts
  referencing old table as before_rows new table as after_rows
  for each statement
  execute function private.audit_change('billing_account', 'organization_id', 'billing_info');
-- An account belongs to no organization, so the administrators' log records its suspension.
create function private.audit_account() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: writes the log for every role that makes the change, also for the secret key.
begin
  perform private.write_admin_event(
    'account.update', 'account', new.id::text,
    jsonb_build_object('before', jsonb_build_object('is_active', old.is_active),
      'after', jsonb_build_object('is_active', new.is_active))
  );
  return null;
end
$$;
comment on function private.audit_account() is 'Trigger on users: records a suspension or its end.';
revoke all on function private.audit_account() from public, anon, authenticated, service_role;
create trigger users_audit after update of is_active on public.users
  for each row when (old.is_active is distinct from new.is_active)
  execute function private.audit_account();
create trigger platform_admins_audit_insert after insert on public.platform_admins
  referencing new table as after_rows
  for each statement execute function private.audit_change('platform_admin', 'id');
create trigger platform_admins_audit_update after update on public.platform_admins
  referencing old table as before_rows new table as after_rows
  for each statement execute function private.audit_change('platform_admin', 'id');
create trigger platform_admins_audit_delete after delete on public.platform_admins
  referencing old table as before_rows
  for each statement execute function private.audit_change('platform_admin', 'id');

-- The erasure of an account writes one event to each of its organizations, with its id and without its
-- data.
create function private.audit_erasure() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: writes the chain for every role that deletes the account.
begin
  perform private.write_audit_event(m.organization_id, 'account.erase', 'account', old.id::text)
  from client_mgmt.client_users m where m.user_id = old.id order by m.organization_id;
  return old;
end
$$;
comment on function private.audit_erasure() is 'Trigger on users: records an erasure in each organization.';
revoke all on function private.audit_erasure() from public, anon, authenticated, service_role;
create trigger users_audit_erasure before delete on public.users
  for each row execute function private.audit_erasure();

-- ── Verifying ─────────────────────────────────────────────────────────────────────────────────

create function private.verify_audit_chain(organization_id bigint)
returns table (valid boolean, rows_checked bigint, first_invalid_sequence bigint, head_hash text)
language plpgsql stable security definer set search_path = '' set timezone = 'UTC'
as $$
-- Definer: reads the head. It checks its caller: with every token except the secret key's it verifies the
-- active organization only, so that claims without a readable user give no access.
#variable_conflict use_column
declare
  entry public.audit_logs;
  head private.audit_heads;
  expected bytea := decode(repeat('00', 32), 'hex');
  checked bigint := 0;
  fields jsonb;
begin
  if private.jwt_claims() is not null and private.jwt_claims() ->> 'role' is distinct from 'service_role'
    and verify_audit_chain.organization_id is distinct from private.require_organization('audit.read')
  then
    raise exception using errcode = '42501', message = 'permission_denied',
      detail = 'Only the active organization''s chain can be verified.';
  end if;

  for entry in
    select * from public.audit_logs a
    where a.organization_id = verify_audit_chain.organization_id order by a.sequence
  loop
    fields := to_jsonb(entry) - array['id', 'payload', 'previous_hash', 'hash'];
    if entry.sequence <> checked + 1
      or entry.previous_hash <> expected
      or entry.hash <> sha256(entry.previous_hash || convert_to(entry.payload, 'UTF8'))
      or entry.payload::jsonb <> fields
    then
      return query select false, checked, checked + 1, encode(expected, 'hex');
      return;
    end if;
    expected := entry.hash;
    checked := checked + 1;
  end loop;

  select * into head from private.audit_heads h
  where h.organization_id = verify_audit_chain.organization_id;
  if coalesce(head.sequence, 0) <> checked or coalesce(head.hash, expected) <> expected then
    return query select false, checked, checked + 1, encode(expected, 'hex');
  else
    return query select true, checked, null::bigint, encode(expected, 'hex');
  end if;
end
$$;
comment on function private.verify_audit_chain(bigint) is 'Body of public.verify_audit_chain().';
revoke all on function private.verify_audit_chain(bigint) from public, anon, authenticated, service_role;
grant execute on function private.verify_audit_chain(bigint) to authenticated, service_role;

create function public.verify_audit_chain(organization_id bigint)
returns table (valid boolean, rows_checked bigint, first_invalid_sequence bigint, head_hash text)
language sql stable security invoker set search_path = ''
as $$ select * from private.verify_audit_chain(organization_id) $$;
comment on function public.verify_audit_chain(bigint) is
  'Recomputes an organization''s chain: valid, rows checked, the first wrong sequence, and the head to '
  'keep elsewhere. With audit.read for the active organization; service role for any.';
revoke all on function public.verify_audit_chain(bigint) from public, anon, authenticated, service_role;
grant execute on function public.verify_audit_chain(bigint) to authenticated, service_role;

-- ── Exporting ─────────────────────────────────────────────────────────────────────────────────

create function private.export_audit_log(after_sequence bigint, max_rows integer)
returns setof text
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: writes the event that records the export. With audit.read, for the active organization. Every
-- page is an event: with an event for the first page only, an export from the second page would leave no
-- trace.
declare
  organization constant bigint := private.require_organization('audit.read');
begin
  if after_sequence is null or after_sequence < 0 or max_rows is null or max_rows not between 1 and 1000 then
    raise exception using errcode = '22023', message = 'invalid_request',
      detail = 'after_sequence is 0 or the last sequence received; max_rows is 1 to 1000.';
  end if;
  perform private.write_audit_event(
    organization, 'audit_log.export', 'audit_log', null, jsonb_build_object('after_sequence', after_sequence)
  );
  return query
  select jsonb_build_object(
    'payload', a.payload, 'previous_hash', encode(a.previous_hash, 'hex'), 'hash', encode(a.hash, 'hex')
  )::text
  from public.audit_logs a
  where a.organization_id = organization and a.sequence > after_sequence
  order by a.sequence
  limit max_rows;
end
$$;
comment on function private.export_audit_log(bigint, integer) is 'Body of public.export_audit_log().';
revoke all on function private.export_audit_log(bigint, integer)
  from public, anon, authenticated, service_role;
grant execute on function private.export_audit_log(bigint, integer) to authenticated;

create function public.export_audit_log(after_sequence bigint default 0, max_rows integer default 1000)
returns setof text
language sql volatile security invoker set search_path = ''
as $$ select private.export_audit_log(after_sequence, max_rows) $$;
comment on function public.export_audit_log(bigint, integer) is
  'The active organization''s audit log as JSONL, one line per event after a sequence: { payload, '
  'previous_hash, hash }, hash = sha256(previous_hash bytes || payload as UTF-8). Needs audit.read. Each '
  'page is itself an event, so a page with fewer than max_rows lines is the last one (max_rows is 1 to '
  '1000, the most that the API returns).';
revoke all on function public.export_audit_log(bigint, integer)
  from public, anon, authenticated, service_role;
grant execute on function public.export_audit_log(bigint, integer) to authenticated;
