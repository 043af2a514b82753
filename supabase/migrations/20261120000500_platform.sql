-- Platform administration: administrators manage organizations and accounts without seeing content. They
-- see content only under a break-glass grant, which the tenant reads in its own audit log.
-- Special: a grant holds no write permission, so every write policy refuses it.

create function private.scope_permissions(scope text) returns text[]
language sql immutable security invoker set search_path = ''
as $$ select case scope when 'content' then array['content.read_all'] else array[]::text[] end $$;
comment on function private.scope_permissions(text) is
  'The permissions of a break-glass scope: configuration sees what every member sees, content also private '
  'conversations.';
revoke all on function private.scope_permissions(text) from public, anon, authenticated, service_role;

create table client_mgmt.access_grants (
  organization_id bigint not null references public.organizations (id) on delete cascade,
  id bigint generated always as identity,
  admin_user_id uuid not null references public.users (id) on delete cascade,
  reason text not null
    constraint access_grants_reason_length check (char_length(btrim(reason)) between 10 and 1000),
  scope text not null constraint access_grants_scope check (scope in ('configuration', 'content')),
  expires_at timestamptz not null,
  ended_at timestamptz,
  created_at timestamptz not null default now(),
  primary key (organization_id, id),
  constraint access_grants_duration check (
    expires_at > created_at
    and expires_at <= created_at + interval '24 hours'
  )
);
comment on table client_mgmt.access_grants is
  'Break-glass grants: a platform administrator may read one organization, for a reason and at '
  'most 24 hours.';
create index access_grants_admin_user_id_idx on client_mgmt.access_grants (admin_user_id);
alter table client_mgmt.access_grants enable row level security;
alter table client_mgmt.access_grants force row level security;
create policy select_auditor on client_mgmt.access_grants for select to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and (select private.has_permission('audit.read'))
  );
comment on policy select_auditor on client_mgmt.access_grants is
  'The tenant sees the administrator and the reason, with audit.read.';
revoke all on client_mgmt.access_grants from anon, authenticated, service_role;
grant select on client_mgmt.access_grants to authenticated, service_role;
-- No insert, update or delete: open_break_glass(), close_break_glass().
create trigger access_grants_audit_insert after insert on client_mgmt.access_grants
  referencing new table as after_rows
  for each statement execute function private.audit_change('break_glass', 'id');
create trigger access_grants_audit_update after update on client_mgmt.access_grants
  referencing old table as before_rows new table as after_rows
  for each statement execute function private.audit_change('break_glass', 'id');
create trigger access_grants_audit_delete after delete on client_mgmt.access_grants
  referencing old table as before_rows
  for each statement execute function private.audit_change('break_glass', 'id');
create trigger access_grants_refresh_sessions after update or delete on client_mgmt.access_grants
  for each row execute function private.refresh_session_access();

create function private.require_platform_admin() returns uuid
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: called by definer functions only.
begin
  if not private.is_platform_admin() then
    raise exception using errcode = '42501', message = 'permission_denied',
      detail = 'For platform administrators.';
  end if;
  return private.current_user_id();
end
$$;
comment on function private.require_platform_admin() is
  'The administrator''s account, or 42501 permission_denied.';
revoke all on function private.require_platform_admin() from public, anon, authenticated, service_role;

-- A deactivated administrator loses the open grants.
create function private.end_admin_grants() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: ends grants of an account that the caller may not change.
begin
  update client_mgmt.access_grants g set ended_at = clock_timestamp()
  where g.admin_user_id = old.user_id and g.ended_at is null;
  return null;
end
$$;
comment on function private.end_admin_grants() is 'Trigger: ends the grants of a former administrator.';
revoke all on function private.end_admin_grants() from public, anon, authenticated, service_role;
create trigger platform_admins_end_grants
  after delete or update of user_id, is_active on public.platform_admins
  for each row execute function private.end_admin_grants();

create function private.require_reason(is_active boolean, reason text) returns void
language plpgsql immutable security invoker set search_path = ''
as $$
begin
  if is_active is null or reason is null or char_length(btrim(reason)) not between 1 and 1000 then
    raise exception using errcode = '22023', message = 'invalid_request',
      detail = 'is_active is true or false; a reason has 1 to 1000 characters.';
  end if;
end
$$;
comment on function private.require_reason(boolean, text) is
  'Requires a reason for a decision; else 22023 invalid_request.';
revoke all on function private.require_reason(boolean, text) from public, anon, authenticated, service_role;

create function private.platform_organizations()
returns table (
  id bigint, name text, slug text, is_active boolean, members bigint, created_at timestamptz, owners bigint
)
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: administrators are members of none of these. Shows no settings and no content.
begin
  perform private.require_platform_admin();
  perform private.write_admin_event('organizations.list', 'organization', null, '{}');
  return query
  select o.id, o.name, o.slug, o.is_active, (
    select count(*) from client_mgmt.client_users m where m.organization_id = o.id and m.ended_at is null
  ), o.created_at, (
    select count(*) from client_mgmt.client_users m
    where m.organization_id = o.id and m.ended_at is null and m.role = 'owner'
  )
  from public.organizations o order by o.id;
end
$$;
comment on function private.platform_organizations() is 'Body of public.platform_organizations().';

create function private.set_organization_active(
  organization_id bigint,
  is_active boolean,
  reason text
) returns void
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no client holds a grant on organizations.is_active.
begin
  perform private.require_platform_admin();
  perform private.require_reason(set_organization_active.is_active, reason);
  perform private.lock_memberships(set_organization_active.organization_id);
  if set_organization_active.is_active and exists (
    select 1 from public.organizations o where o.id = set_organization_active.organization_id
  ) and not private.has_owner_beside(set_organization_active.organization_id, null) then
    raise exception using errcode = 'PT409', message = 'organization_without_owner',
      detail = 'The organization has no owner. Appoint one.';
  end if;
  update public.organizations o set is_active = set_organization_active.is_active
  where o.id = set_organization_active.organization_id;
  if not found then
    raise exception using errcode = 'PT404', message = 'organization_not_found',
      detail = 'No organization has this id. Check the id.';
  end if;
  perform private.write_admin_event(
    case when set_organization_active.is_active then 'organization.resume' else 'organization.suspend' end,
    'organization', set_organization_active.organization_id::text, jsonb_build_object('reason', reason)
  );
end
$$;
comment on function private.set_organization_active(bigint, boolean, text) is
  'Body of public.set_organization_active().';

create function private.appoint_owner(organization_id bigint, user_id uuid, reason text) returns void
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no role holds a grant to insert memberships. An administrator cannot enter an organization by it:
-- one that has an owner is refused, and so is the administrator's own account.
#variable_conflict use_column
declare
  administrator constant uuid := private.require_platform_admin();
begin
  perform private.require_reason(true, reason);
  perform private.lock_memberships(appoint_owner.organization_id);
  if not exists (select 1 from public.organizations o where o.id = appoint_owner.organization_id) then
    raise exception using errcode = 'PT404', message = 'organization_not_found',
      detail = 'No organization has this id. Check the id.';
  elsif private.has_owner_beside(appoint_owner.organization_id, null) then
    raise exception using errcode = 'PT409', message = 'organization_has_owner',
      detail = 'The organization has an owner, who appoints others.';
  elsif appoint_owner.user_id = administrator then
    raise exception using errcode = '42501', message = 'permission_denied',
      detail = 'An administrator cannot appoint themselves.';
  elsif not exists (select 1 from public.users u where u.id = appoint_owner.user_id and u.is_active)
    or private.is_anonymous(appoint_owner.user_id)
  then
    raise exception using errcode = 'PT404', message = 'account_not_found',
      detail = 'No active account has this id. Check the id.';
  end if;
  insert into client_mgmt.client_users as m (organization_id, user_id, role)
  values (appoint_owner.organization_id, appoint_owner.user_id, 'owner')
  on conflict on constraint client_users_pkey do update
    set role = 'owner', ended_at = null,
      permissions = case when m.ended_at is null then m.permissions else '{}' end;
  update public.users u set organization_id = appoint_owner.organization_id
  where u.id = appoint_owner.user_id and u.organization_id is null;
  update public.organizations o set is_active = true where o.id = appoint_owner.organization_id;
  perform private.write_audit_event(
    appoint_owner.organization_id, 'organization.appoint_owner', 'membership', appoint_owner.user_id::text,
    jsonb_build_object('reason', reason)
  );
  perform private.write_admin_event(
    'organization.appoint_owner', 'organization', appoint_owner.organization_id::text,
    jsonb_build_object('reason', reason, 'user_id', appoint_owner.user_id)
  );
end
$$;
comment on function private.appoint_owner(bigint, uuid, text) is 'Body of public.appoint_owner().';

create function private.set_account_active(user_id uuid, is_active boolean, reason text) returns void
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no client holds a grant on users.is_active.
begin
  perform private.require_platform_admin();
  perform private.require_reason(set_account_active.is_active, reason);
  -- The common order of locks: organizations and memberships before the account.
  perform 1 from public.organizations o
  where o.id in (
    select s.organization_id from public.user_sessions s where s.user_id = set_account_active.user_id
  )
  order by o.id for share;
  perform 1 from client_mgmt.client_users m
  where m.user_id = set_account_active.user_id order by m.organization_id for share;
  perform 1 from client_mgmt.access_grants g
  where g.admin_user_id = set_account_active.user_id order by g.organization_id, g.id for share;
  update public.users u set is_active = set_account_active.is_active where u.id = set_account_active.user_id;
  if not found then
    raise exception using errcode = 'PT404', message = 'account_not_found',
      detail = 'No account has this id. Check the id.';
  end if;
  perform private.write_admin_event(
    case when set_account_active.is_active then 'account.resume' else 'account.suspend' end,
    'account', set_account_active.user_id::text, jsonb_build_object('reason', reason)
  );
end
$$;
comment on function private.set_account_active(uuid, boolean, text) is 'Body of public.set_account_active().';

create function private.open_break_glass(
  organization_id bigint,
  reason text,
  scope text,
  hours numeric
) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no role holds a grant to insert these rows. switch_organization() moves the session to the
-- tenant and back.
#variable_conflict use_column
declare
  account constant uuid := private.require_platform_admin();
  granted client_mgmt.access_grants;
begin
  perform private.lock_access(open_break_glass.organization_id, account);
  insert into client_mgmt.access_grants (organization_id, admin_user_id, reason, scope, expires_at)
  values (
    open_break_glass.organization_id, account, btrim(open_break_glass.reason), open_break_glass.scope,
    now() + make_interval(secs => (hours * 3600)::double precision)
  )
  returning * into granted;
  update public.user_sessions s
  set organization_id = granted.organization_id, access_grant_id = granted.id
  where s.id = private.claim_uuid('session_id') and s.user_id = account;
  if not found and private.claim_uuid('session_id') is not null then
    insert into public.user_sessions (organization_id, id, user_id, access_grant_id)
    values (granted.organization_id, private.claim_uuid('session_id'), account, granted.id);
  end if;
  return jsonb_build_object(
    'id', granted.id, 'organization_id', granted.organization_id, 'scope',
    granted.scope, 'expires_at', granted.expires_at
  );
exception
  when foreign_key_violation then
    raise exception using errcode = 'PT404', message = 'organization_not_found',
      detail = 'No organization has this id. Check the id.';
  when check_violation or not_null_violation or numeric_value_out_of_range or datetime_field_overflow then
    raise exception using errcode = '22023', message = 'invalid_request',
      detail = 'A grant has a reason of 10 to 1000 characters, scope configuration or content, '
        'and at most 24 hours.';
end
$$;
comment on function private.open_break_glass(bigint, text, text, numeric) is
  'Body of public.open_break_glass().';

create function private.close_break_glass(id bigint) returns void
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no role holds a grant to update these rows. Closes the caller's own grant only.
declare
  account constant uuid := private.require_account();
begin
  update client_mgmt.access_grants g set ended_at = clock_timestamp()
  where g.id = close_break_glass.id and g.admin_user_id = account and g.ended_at is null;
  if not found then
    raise exception using errcode = 'PT404', message = 'grant_not_found',
      detail = 'No open grant of the caller has this id. Check the id.';
  end if;
end
$$;
comment on function private.close_break_glass(bigint) is 'Body of public.close_break_glass().';

revoke all on function
  private.platform_organizations(), private.set_organization_active(bigint, boolean, text),
  private.appoint_owner(bigint, uuid, text),
  private.set_account_active(uuid, boolean, text), private.open_break_glass(bigint, text, text, numeric),
  private.close_break_glass(bigint)
  from public, anon, authenticated, service_role;
grant execute on function
  private.platform_organizations(), private.set_organization_active(bigint, boolean, text),
  private.appoint_owner(bigint, uuid, text),
  private.set_account_active(uuid, boolean, text), private.open_break_glass(bigint, text, text, numeric),
  private.close_break_glass(bigint)
  to authenticated;

create function public.platform_organizations()
returns table (
  id bigint, name text, slug text, is_active boolean, members bigint, created_at timestamptz, owners bigint
)
language sql volatile security invoker set search_path = ''
as $$ select * from private.platform_organizations() $$;
comment on function public.platform_organizations() is
  'All organizations, without content; owners is 0 for one that closed because its last owner''s account '
  'was deleted. For platform administrators; the log records the call.';

create function public.appoint_owner(organization_id bigint, user_id uuid, reason text) returns void
language sql volatile security invoker set search_path = ''
as $$ select private.appoint_owner(organization_id, user_id, reason) $$;
comment on function public.appoint_owner(bigint, uuid, text) is
  'Gives an organization without an owner a new one, and opens it again. For platform administrators; '
  'recorded in both logs. PT409 organization_has_owner; PT404 account_not_found, organization_not_found.';

create function public.set_organization_active(
  organization_id bigint,
  is_active boolean,
  reason text
) returns void
language sql volatile security invoker set search_path = ''
as $$ select private.set_organization_active(organization_id, is_active, reason) $$;
comment on function public.set_organization_active(bigint, boolean, text) is
  'Suspends or resumes an organization from the next statement on. For platform administrators; recorded '
  'in the log. PT409 organization_without_owner: appoint_owner() resumes such a one.';

create function public.set_account_active(user_id uuid, is_active boolean, reason text) returns void
language sql volatile security invoker set search_path = ''
as $$ select private.set_account_active(user_id, is_active, reason) $$;
comment on function public.set_account_active(uuid, boolean, text) is
  'Suspends or resumes an account in every organization, from the next statement on. For platform '
  'administrators; recorded in the log.';

create type public.opened_grant as (id bigint, organization_id bigint, scope text, expires_at timestamptz);
comment on type public.opened_grant is 'Answer of open_break_glass().';

create function public.open_break_glass(
  organization_id bigint,
  reason text,
  scope text default 'configuration',
  hours numeric default 1
)
returns public.opened_grant
language sql volatile security invoker set search_path = ''
as $$
  select * from jsonb_populate_record(
    null::public.opened_grant, private.open_break_glass(organization_id, reason, scope, hours)
  )
$$;
comment on function public.open_break_glass(bigint, text, text, numeric) is
  'Lets a platform administrator read one organization for at most 24 hours: { id, '
  'organization_id, scope, expires_at }. The tenant sees it in its audit log. Refresh the session '
  'to receive a token for it.';

create function public.close_break_glass(id bigint) returns void
language sql volatile security invoker set search_path = ''
as $$ select private.close_break_glass(id) $$;
comment on function public.close_break_glass(bigint) is
  'Ends the caller''s own grant early. PT404 grant_not_found.';

revoke all on function
  public.platform_organizations(), public.set_organization_active(bigint, boolean, text),
  public.appoint_owner(bigint, uuid, text),
  public.set_account_active(uuid, boolean, text), public.open_break_glass(bigint, text, text, numeric),
  public.close_break_glass(bigint)
  from public, anon, authenticated, service_role;
grant execute on function
  public.platform_organizations(), public.set_organization_active(bigint, boolean, text),
  public.appoint_owner(bigint, uuid, text),
  public.set_account_active(uuid, boolean, text), public.open_break_glass(bigint, text, text, numeric),
  public.close_break_glass(bigint)
  to authenticated;
