-- Memberships: founding an organization, inviting, joining, roles, leaving, sessions.
-- Special: every definer body is in private and checks its caller; the RPC in public is a one-line invoker.
-- Changes to one organization's memberships wait for each other on its row, so two owners cannot demote
-- each other at once.

-- ── invitations ───────────────────────────────────────────────────────────────────────────────

create table client_mgmt.invitations (
  organization_id bigint not null default private.current_organization_id()
    references public.organizations (id) on delete cascade,
  id bigint generated always as identity,
  email text not null constraint invitations_email_format
    check (email ~ '^[^@\s]+@[^@\s]+$' and char_length(email) <= 320 and email = lower(email)),
  role text not null constraint invitations_role check (role in ('owner', 'admin', 'member', 'guest')),
  invited_by uuid not null,
  expires_at timestamptz not null default now() + interval '7 days',
  accepted_at timestamptz,
  accepted_by uuid,
  revoked_at timestamptz,
  created_at timestamptz not null default now(),
  primary key (organization_id, id),
  constraint invitations_invited_by_fkey foreign key (organization_id, invited_by)
    references client_mgmt.client_users (organization_id, user_id) on delete cascade
);
comment on table client_mgmt.invitations is
  'Invitations by address. The token is shown once; private.invitation_tokens keeps its SHA-256.';
create index invitations_invited_by_idx on client_mgmt.invitations (organization_id, invited_by);
create index invitations_email_idx on client_mgmt.invitations (email);
create index invitations_expires_at_idx on client_mgmt.invitations (expires_at);
create unique index invitations_pending_idx on client_mgmt.invitations (organization_id, email)
  where accepted_at is null and revoked_at is null;

alter table client_mgmt.invitations enable row level security;
alter table client_mgmt.invitations force row level security;
create policy select_manager on client_mgmt.invitations for select to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and (select private.has_permission('members.manage'))
  );
comment on policy select_manager on client_mgmt.invitations is 'Read with members.manage.';
revoke all on client_mgmt.invitations from anon, authenticated, service_role;
grant select on client_mgmt.invitations to authenticated, service_role;
-- No insert, update or delete: invite_member(), accept_invitation(), revoke_invitation().
create trigger invitations_audit_insert after insert on client_mgmt.invitations
  referencing new table as after_rows
  for each statement
  execute function private.audit_change('invitation', 'id', 'email');
create trigger invitations_audit_update after update on client_mgmt.invitations
  referencing old table as before_rows new table as after_rows
  for each statement
  execute function private.audit_change('invitation', 'id', 'email');
create trigger invitations_audit_delete after delete on client_mgmt.invitations
  referencing old table as before_rows
  for each statement
  execute function private.audit_change('invitation', 'id', 'email');
-- The log is never deleted and an address is personal data: the log names the invitation by id, and the row
-- has the address.

create table private.invitation_tokens (
  organization_id bigint not null,
  invitation_id bigint not null,
  token_hash bytea not null,
  primary key (organization_id, invitation_id),
  constraint invitation_tokens_token_hash_key unique (token_hash),
  constraint invitation_tokens_invitation_fkey foreign key (organization_id, invitation_id)
    references client_mgmt.invitations (organization_id, id) on delete cascade
);
comment on table private.invitation_tokens is
  'The secrets of invitations. No column of theirs, so that a member may read every column there.';
comment on column private.invitation_tokens.token_hash is
  'Secret: SHA-256 of the token; no API role can read it.';
alter table private.invitation_tokens enable row level security;
alter table private.invitation_tokens force row level security;
revoke all on private.invitation_tokens from public, anon, authenticated, service_role;

create function private.erase_invitations() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: deletes rows of organizations that the account may never have joined.
begin
  delete from client_mgmt.invitations i where i.email = lower(old.email);
  return old;
end
$$;
comment on function private.erase_invitations() is
  'Trigger on users: an erased account leaves no invitation with its address.';
revoke all on function private.erase_invitations() from public, anon, authenticated, service_role;
create trigger users_erase_invitations before delete on public.users
  for each row execute function private.erase_invitations();

-- ── Founding and switching ────────────────────────────────────────────────────────────────────

create function private.open_session(organization_id bigint, account uuid) returns void
language sql volatile security definer set search_path = ''
as $$
  -- Definer: moves the caller's own session row. Called by definer functions only.
  select private.lock_access(open_session.organization_id, account);
  insert into public.user_sessions as s (organization_id, id, user_id)
  select open_session.organization_id, private.claim_uuid('session_id'), account
  where private.claim_uuid('session_id') is not null
  on conflict (id) do update set organization_id = excluded.organization_id, access_grant_id = null
  where s.user_id = excluded.user_id and s.key_permissions is null
$$;
comment on function private.open_session(bigint, uuid) is
  'Makes an organization the active organization of this session.';
revoke all on function private.open_session(bigint, uuid) from public, anon, authenticated, service_role;

create table private.founder_salt (
  only_row boolean primary key default true constraint founder_salt_one_row check (only_row),
  salt bytea not null default uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())
);
comment on table private.founder_salt is
  'The salt of the hashes of founders: without it a hash does not reveal the address. One row.';
alter table private.founder_salt enable row level security;
alter table private.founder_salt force row level security;
revoke all on private.founder_salt from public, anon, authenticated, service_role;
insert into private.founder_salt default values;

create table private.founders (
  founder bytea primary key,
  founded integer not null constraint founders_founded check (founded between 1 and 20)
);
comment on table private.founders is
  'The number of organizations that an account, and an address, has founded. Refers to no row: a transfer, '
  'removal or deletion does not lower it.';
comment on column private.founders.founder is
  'SHA-256 of the salt and the account''s id, or its address in lower case without a +tag.';
alter table private.founders enable row level security;
alter table private.founders force row level security;
revoke all on private.founders from public, anon, authenticated, service_role;

create function private.count_founding(identity text) returns void
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no role holds a grant on founders. One statement decides for concurrent foundings.
begin
  insert into private.founders as f (founder, founded)
  select sha256(s.salt || convert_to(identity, 'UTF8')), 1 from private.founder_salt s
  on conflict on constraint founders_pkey do update set founded = f.founded + 1 where f.founded < 20;
  if not found then
    raise exception using errcode = 'PT409', message = 'too_many_organizations',
      detail = 'One account, and one address, founds at most 20 organizations.';
  end if;
end
$$;
comment on function private.count_founding(text) is
  'Counts one more organization permanently, or raises PT409 too_many_organizations beyond 20.';
revoke all on function private.count_founding(text) from public, anon, authenticated, service_role;

create function private.is_anonymous(account uuid) returns boolean
language sql stable security definer set search_path = ''
as $$
  -- Definer: no API role reads auth.users.
  select exists (select 1 from auth.users a where a.id = account and a.is_anonymous)
$$;
comment on function private.is_anonymous(uuid) is
  'Whether an account signed in anonymously and has added no address since.';
revoke all on function private.is_anonymous(uuid) from public, anon, authenticated, service_role;

create function private.enter_organization(organization_id bigint, account uuid, opens_session boolean)
returns void
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: called by functions that have made the account a member.
begin
  update public.users u set organization_id = enter_organization.organization_id
  where u.id = account and u.organization_id is null;
  if opens_session then
    perform private.open_session(enter_organization.organization_id, account);
  end if;
end
$$;
comment on function private.enter_organization(bigint, uuid, boolean) is
  'Makes an organization the home of an account that has none. opens_session: opens the caller''s session in '
  'it, for a caller who was in no organization.';
revoke all on function private.enter_organization(bigint, uuid, boolean)
  from public, anon, authenticated, service_role;

create function private.create_organization(name text, slug text) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: a founder has no membership yet, and no role holds a grant to insert these rows.
#variable_conflict use_column
declare
  account constant uuid := private.require_account();
  had_none constant boolean := private.current_tenant_id() is null;
  organization public.organizations;
begin
  -- Each organization has its share of the platform; without a bound one person could take all shares.
  perform 1 from public.users u where u.id = account for no key update;
  if private.is_anonymous(account) then
    raise exception using errcode = '42501', message = 'permission_denied',
      detail = 'An anonymous account founds no organization. Add an e-mail address first.';
  end if;
  perform private.count_founding(account::text);
  perform private.count_founding(regexp_replace(lower(a.email), '[+][^@]*@', '@'))
  from auth.users a where a.id = account and a.email <> '';
  insert into public.organizations (name, slug)
  values (btrim(create_organization.name), create_organization.slug)
  returning * into organization;

  insert into client_mgmt.client_users (organization_id, user_id, role)
  values (organization.id, account, 'owner');
  insert into client_mgmt.billing_accounts (organization_id) values (organization.id);
  perform private.enter_organization(organization.id, account, had_none);
  return jsonb_build_object('id', organization.id, 'name', organization.name, 'slug', organization.slug);
exception
  when unique_violation then
    raise exception using errcode = '23505', message = 'conflict', detail = 'The slug is taken.';
  when check_violation or not_null_violation then
    raise exception using errcode = '22023', message = 'invalid_request',
      detail = 'A name has 1 to 100 characters; a slug has 2 to 63 of a-z, 0-9 and single hyphens '
            'between them.';
end
$$;
comment on function private.create_organization(text, text) is 'Body of public.create_organization().';

create function private.switch_organization(organization_id bigint) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: updates the caller's session row, which no client may. Only to an organization of the caller.
#variable_conflict use_column
declare
  account constant uuid := private.require_account();
  joined_role text;
begin
  select m.role into joined_role
  from client_mgmt.client_users m
  join public.organizations o on o.id = m.organization_id and o.is_active
  where m.organization_id = switch_organization.organization_id
    and m.user_id = account and m.ended_at is null;
  if not found then
    raise exception using errcode = 'PT404', message = 'organization_not_found',
      detail = 'No such organization, or no active membership in it.';
  end if;
  perform private.open_session(switch_organization.organization_id, account);
  return jsonb_build_object('organization_id', switch_organization.organization_id, 'role', joined_role);
end
$$;
comment on function private.switch_organization(bigint) is 'Body of public.switch_organization().';

-- ── Roles and permissions ─────────────────────────────────────────────────────────────────────

create function private.lock_memberships(organization_id bigint) returns void
language sql volatile security definer set search_path = ''
as $$
  -- Definer: no client may lock this row.
  select 1 from public.organizations o where o.id = lock_memberships.organization_id for no key update
$$;
comment on function private.lock_memberships(bigint) is
  'Locks the organization, so that changes to its memberships happen one after the other.';
revoke all on function private.lock_memberships(bigint) from public, anon, authenticated, service_role;

create function private.require_grantable(role text, permissions text[]) returns void
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: called by definer functions only. An owner may grant any permission, because no role includes
-- content.read_all. Every other member may grant only permissions that they hold.
declare
  session constant public.user_sessions := private.current_session();
  wanted constant text[] := coalesce(private.role_permissions(require_grantable.role), '{}') || permissions;
begin
  if role is null or permissions is null
    or private.role_rank(role) = 0 or not permissions <@ private.known_permissions()
  then
    raise exception using errcode = '22023', message = 'invalid_request',
      detail = 'The role or a permission is unknown.';
  elsif role = 'guest' and permissions <> '{}' then
    raise exception using errcode = '22023', message = 'invalid_request',
      detail = 'A guest holds no permission.';
  end if;
  if private.role_rank(role) > private.role_rank(session.role)
    or (session.role <> 'owner' and not wanted <@ session.permissions)
  then
    raise exception using errcode = '42501', message = 'permission_denied',
      detail = 'The caller does not hold all that this grants.';
  end if;
end
$$;
comment on function private.require_grantable(text, text[]) is
  'Requires that the caller may give this role and these permissions; else 42501 permission_denied.';
revoke all on function private.require_grantable(text, text[]) from public, anon, authenticated, service_role;

-- Returns the locked membership when the caller may act on it.
create function private.require_member(organization_id bigint, user_id uuid) returns client_mgmt.client_users
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: called by definer functions only.
#variable_conflict use_column
declare
  membership client_mgmt.client_users;
begin
  perform private.lock_memberships(require_member.organization_id);
  -- Checks again, because the caller may have been demoted or removed during the wait.
  perform private.require_organization('members.manage');
  select * into membership from client_mgmt.client_users m
  where m.organization_id = require_member.organization_id
    and m.user_id = require_member.user_id and m.ended_at is null
  -- Compatible with the foreign keys of what the member writes meanwhile.
  for no key update;
  if not found then
    raise exception using errcode = 'PT404', message = 'member_not_found',
      detail = 'No active member of the organization has this id.';
  end if;
  if private.role_rank(membership.role) > private.role_rank((private.current_session()).role) then
    raise exception using errcode = '42501', message = 'permission_denied',
      detail = 'The member has a higher role than the caller.';
  end if;
  return membership;
end
$$;
comment on function private.require_member(bigint, uuid) is
  'A locked active membership of at most the caller''s rank; PT404 member_not_found or 42501.';
revoke all on function private.require_member(bigint, uuid) from public, anon, authenticated, service_role;

create function private.require_acting_member(
  organization_id bigint,
  user_id uuid,
  permission text
) returns void
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: called by definer functions of the service role only, which have no token of the member. The
-- edge function checked the permission as the caller before. This function checks it again at the moment of
-- the write, and makes the audit log name the member. A calling function ends by setting
-- colloquy.acting_user to '', so that later changes in its transaction do not name the member.
#variable_conflict use_variable
begin
  perform 1
  from client_mgmt.client_users m
  join public.users u on u.id = m.user_id and u.is_active
  join public.organizations o on o.id = m.organization_id and o.is_active
  where m.organization_id = require_acting_member.organization_id
    and m.user_id = require_acting_member.user_id and m.ended_at is null
    and (require_acting_member.permission is null
      or require_acting_member.permission = any (private.role_permissions(m.role) || m.permissions))
  for share of m;
  if not found then
    raise exception using errcode = '42501', message = 'permission_denied',
      detail = coalesce(format('This needs the permission %s.', permission), 'This needs a membership.');
  end if;
  perform set_config('colloquy.acting_user', require_acting_member.user_id::text, true);
end
$$;
comment on function private.require_acting_member(bigint, uuid, text) is
  'Requires an active member with the permission (null: any member), for whom the service role acts in this '
  'call; else 42501 permission_denied. The act counts as the member''s.';
revoke all on function private.require_acting_member(bigint, uuid, text)
  from public, anon, authenticated, service_role;

create function private.keep_an_owner() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: counts owners past the policies. A trigger, so that the rule holds for every role and function.
begin
  if old.role <> 'owner' or old.ended_at is not null then
    return null;
  end if;
  if not exists (
    select 1 from client_mgmt.client_users m
    where m.organization_id = old.organization_id and m.role = 'owner' and m.ended_at is null
  ) and exists (select 1 from public.organizations o where o.id = old.organization_id) then
    raise exception using errcode = 'PT409', message = 'last_owner',
      detail = 'An organization keeps at least one owner. Make someone else owner first.';
  end if;
  return null;
end
$$;
comment on function private.keep_an_owner() is 'Trigger: the last owner cannot leave, be removed or demoted.';
revoke all on function private.keep_an_owner() from public, anon, authenticated, service_role;
create trigger client_users_keep_an_owner after update of role, ended_at on client_mgmt.client_users
  for each row execute function private.keep_an_owner();

-- A deletion of an account comes from Auth, which nobody can refuse there: the organization closes instead.
create function private.close_ownerless_organizations() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: runs as the role that deletes the account. The lock lets two owners who go at once see each
-- other.
declare
  organization bigint;
begin
  for organization in
    select m.organization_id from client_mgmt.client_users m
    where m.user_id = old.id and m.role = 'owner' and m.ended_at is null
    order by m.organization_id
  loop
    perform private.lock_memberships(organization);
    if not private.has_owner_beside(organization, old.id) then
      update public.organizations o set is_active = false where o.id = organization and o.is_active;
      perform private.write_audit_event(
        organization, 'organization.close', 'organization', organization::text,
        jsonb_build_object('reason', 'The account of the only owner was deleted.')
      );
    end if;
  end loop;
  return old;
end
$$;
comment on function private.close_ownerless_organizations() is
  'Trigger on users: closes each organization whose only owner goes. appoint_owner() opens it again.';

create function private.has_owner_beside(organization_id bigint, user_id uuid) returns boolean
language sql stable security definer set search_path = ''
as $$
  -- Definer: counts owners past the policies, for definer functions only.
  select exists (
    select 1 from client_mgmt.client_users m
    where m.organization_id = has_owner_beside.organization_id and m.role = 'owner' and m.ended_at is null
      and m.user_id is distinct from has_owner_beside.user_id
  )
$$;
comment on function private.has_owner_beside(bigint, uuid) is
  'Whether an organization has an owner beside this person; null: any owner.';
revoke all on function
  private.close_ownerless_organizations(), private.has_owner_beside(bigint, uuid)
  from public, anon, authenticated, service_role;
-- The deletion locks the account before any trigger of the account runs. Everything else locks it after its
-- memberships, so two of them would wait for each other.
create function private.hold_memberships() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: runs as the role that deletes the account, which may lock none of these rows.
declare
  organization bigint;
begin
  for organization in
    select m.organization_id from client_mgmt.client_users m where m.user_id = old.id order by 1
  loop
    perform private.lock_memberships(organization);
    perform 1 from client_mgmt.client_users m
    where m.organization_id = organization and m.user_id = old.id
    for update;
  end loop;
  return old;
end
$$;
comment on function private.hold_memberships() is
  'Trigger on auth.users: the deletion of an account locks its organizations and memberships before the '
  'account.';
revoke all on function private.hold_memberships() from public, anon, authenticated, service_role;
create trigger colloquy_account_goes before delete on auth.users
  for each row execute function private.hold_memberships();

-- Named so that it runs before users_audit_erasure: the organization is locked before its audit head.
create trigger users_abandon_organizations before delete on public.users
  for each row execute function private.close_ownerless_organizations();

create function private.set_member_role(user_id uuid, role text, permissions text[]) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no role holds a grant on role or permissions. Null permissions keep the added ones.
#variable_conflict use_column
declare
  organization constant bigint := private.require_organization('members.manage');
  membership client_mgmt.client_users;
  added text[];
begin
  membership := private.require_member(organization, set_member_role.user_id);
  added := coalesce(
    set_member_role.permissions,
    case when set_member_role.role = 'guest' then '{}' else membership.permissions end
  );
  -- The caller must hold new permissions only: a demotion never fails because of the member's earlier
  -- permissions.
  perform private.require_grantable(
    set_member_role.role,
    array(
      select unnest(coalesce(set_member_role.permissions, '{}')) except select unnest(membership.permissions)
    )
  );
  -- A person who loses such an account has no way back into it.
  if set_member_role.role <> 'guest' and private.is_anonymous(set_member_role.user_id) then
    raise exception using errcode = '22023', message = 'invalid_request',
      detail = 'An anonymous account stays a guest until it has an e-mail address.';
  end if;
  update client_mgmt.client_users m
  set role = set_member_role.role, permissions = array(select distinct p from unnest(added) p order by p)
  where m.organization_id = organization and m.user_id = set_member_role.user_id
  returning * into membership;
  return jsonb_build_object(
    'user_id', membership.user_id, 'role', membership.role, 'permissions', to_jsonb(membership.permissions)
  );
end
$$;
comment on function private.set_member_role(uuid, text, text[]) is 'Body of public.set_member_role().';

create function private.end_membership(organization_id bigint, user_id uuid) returns void
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: called by definer functions only.
#variable_conflict use_column
begin
  update client_mgmt.client_users m
  set ended_at = clock_timestamp(), ended_by = private.current_user_id(), permissions = '{}'
  where m.organization_id = end_membership.organization_id
    and m.user_id = end_membership.user_id and m.ended_at is null;
  -- Revokes the member's sent invitations for good, also if the member joins again.
  update client_mgmt.invitations i set revoked_at = clock_timestamp()
  where i.organization_id = end_membership.organization_id and i.invited_by = end_membership.user_id
    and i.accepted_at is null and i.revoked_at is null;
  -- The home organization becomes that of the oldest remaining membership.
  update public.users u set organization_id = (
    select m.organization_id from client_mgmt.client_users m
    where m.user_id = u.id and m.ended_at is null order by m.created_at limit 1
  )
  where u.id = end_membership.user_id and u.organization_id = end_membership.organization_id;
end
$$;
comment on function private.end_membership(bigint, uuid) is
  'Ends a membership, revokes the member''s sent invitations and changes the home organization.';
revoke all on function private.end_membership(bigint, uuid) from public, anon, authenticated, service_role;

create function private.remove_member(user_id uuid) returns void
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no role holds a grant to change memberships.
declare
  organization constant bigint := private.require_organization('members.manage');
begin
  perform private.require_member(organization, remove_member.user_id);
  perform private.end_membership(organization, remove_member.user_id);
end
$$;
comment on function private.remove_member(uuid) is 'Body of public.remove_member().';

create function private.leave_organization() returns void
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no role holds a grant to change memberships. Ends the caller's own.
declare
  organization constant bigint := coalesce(private.current_tenant_id(), private.require_organization());
begin
  perform private.lock_memberships(organization);
  perform private.end_membership(organization, private.current_user_id());
end
$$;
comment on function private.leave_organization() is 'Body of public.leave_organization().';

create function private.organization_members()
returns table (
  user_id uuid, email text, display_name text, role text, permissions text[], joined_at timestamptz
)
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: returns names and addresses of the other members, and nothing else of their accounts. A name with
-- an @ in it may be an address.
declare
  manages constant boolean := private.has_permission('members.manage');
begin
  return query
  select m.user_id, case when manages or m.role <> 'guest' then u.email end,
    case when manages or m.role <> 'guest' or u.display_name !~ '@' then u.display_name end,
    m.role, m.permissions, m.created_at
  from client_mgmt.client_users m
  join public.users u on u.id = m.user_id
  where m.organization_id = private.current_organization_id() and m.ended_at is null
  order by m.role = 'guest', m.created_at, m.user_id;
end
$$;
comment on function private.organization_members() is 'Body of public.organization_members().';

-- ── Invitations ───────────────────────────────────────────────────────────────────────────────

create function private.invite_member(email text, role text) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no role holds a grant to insert invitations.
#variable_conflict use_column
declare
  organization constant bigint := private.require_organization('members.manage');
  address constant text := lower(btrim(invite_member.email));
  token constant text := encode(extensions.gen_random_bytes(32), 'hex');
  invitation client_mgmt.invitations;
begin
  perform private.lock_memberships(organization);
  perform private.require_organization('members.manage');
  perform private.require_grantable(invite_member.role, '{}');
  if exists (
    select 1 from client_mgmt.client_users m join public.users u on u.id = m.user_id
    where m.organization_id = organization and m.ended_at is null and lower(u.email) = address
      and private.role_rank(m.role) >= least(private.role_rank(invite_member.role), 2)
  ) then
    raise exception using errcode = '23505', message = 'conflict',
      detail = 'The person is already a member of the organization.';
  end if;
  -- A new invitation replaces the pending one, because its token cannot be shown again and an expired one
  -- must not block.
  update client_mgmt.invitations i set revoked_at = clock_timestamp()
  where i.organization_id = organization and i.email = address
    and i.accepted_at is null and i.revoked_at is null;
  insert into client_mgmt.invitations (organization_id, email, role, invited_by)
  values (organization, address, invite_member.role, private.current_user_id())
  returning * into invitation;
  insert into private.invitation_tokens (organization_id, invitation_id, token_hash)
  values (organization, invitation.id, sha256(convert_to(token, 'UTF8')));
  return jsonb_build_object(
    'id', invitation.id, 'email', invitation.email, 'role', invitation.role,
    'expires_at', invitation.expires_at, 'token', token
  );
exception
  when check_violation or not_null_violation then
    raise exception using errcode = '22023', message = 'invalid_request',
      detail = 'The text is not an e-mail address.';
end
$$;
comment on function private.invite_member(text, text) is 'Body of public.invite_member().';

create function private.revoke_invitation(id bigint) returns void
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no role holds a grant to update invitations.
declare
  organization constant bigint := private.require_organization('members.manage');
begin
  perform private.lock_memberships(organization);
  update client_mgmt.invitations i set revoked_at = clock_timestamp()
  where i.organization_id = organization and i.id = revoke_invitation.id
    and i.accepted_at is null and i.revoked_at is null;
  if not found then
    raise exception using errcode = 'PT404', message = 'invitation_not_found',
      detail = 'No pending invitation of the organization has this id.';
  end if;
end
$$;
comment on function private.revoke_invitation(bigint) is 'Body of public.revoke_invitation().';

create function private.invitation_stands(invitation client_mgmt.invitations) returns boolean
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: called by definer functions only, for a person who is no member yet.
begin
  return invitation.accepted_at is null and invitation.revoked_at is null
    and invitation.expires_at > clock_timestamp()
    and exists (
      select 1 from public.organizations o where o.id = invitation.organization_id and o.is_active
    )
    -- The sender must still be a member who may send the invitation.
    and exists (
      select 1 from client_mgmt.client_users m
      join public.users inviter on inviter.id = m.user_id and inviter.is_active
      where m.organization_id = invitation.organization_id and m.user_id = invitation.invited_by
        and m.ended_at is null
        and private.role_rank(m.role) >= private.role_rank(invitation.role)
        and 'members.manage' = any (private.role_permissions(m.role) || m.permissions)
        and (m.role = 'owner'
          or private.role_permissions(invitation.role)
            <@ (private.role_permissions(m.role) || m.permissions))
    );
end
$$;
comment on function private.invitation_stands(client_mgmt.invitations) is
  'Whether an invitation can still be accepted: open, of an active organization, and its sender may still '
  'send it.';

create function private.take_invitation(organization_id bigint, invitation_id bigint) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: the invited person is not a member yet. One update decides, so one of many concurrent callers
-- gets the row. Unknown, used, revoked and expired invitations and those of another person give one error.
#variable_conflict use_column
declare
  account constant uuid := private.require_account();
  had_none constant boolean := private.current_tenant_id() is null;
  invitation client_mgmt.invitations;
  joined_role text;
begin
  -- First, in the common order of locks. Waits for a running suspension or invitation.
  perform 1 from public.organizations o where o.id = take_invitation.organization_id for share;
  update client_mgmt.invitations i
  set accepted_at = clock_timestamp(), accepted_by = account
  from public.users u
  where i.organization_id = take_invitation.organization_id and i.id = take_invitation.invitation_id
    and u.id = account and lower(u.email) = i.email
    and i.accepted_at is null and i.revoked_at is null
    and private.invitation_stands(i)
  returning i.* into invitation;
  if not found then
    raise exception using errcode = 'PT404', message = 'invalid_invitation',
      detail = 'The invitation is unknown, used, revoked, expired or meant for someone else.';
  end if;

  insert into client_mgmt.client_users as m (organization_id, user_id, role, invited_by)
  values (invitation.organization_id, account, invitation.role, invitation.invited_by)
  on conflict on constraint client_users_pkey do update
    set role = excluded.role, permissions = '{}', invited_by = excluded.invited_by, ended_at = null
    where m.ended_at is not null or m.role = 'guest';
  -- A member who had already joined by another invitation keeps that role and its permissions.
  select m.role into strict joined_role from client_mgmt.client_users m
  where m.organization_id = invitation.organization_id and m.user_id = account;
  perform private.enter_organization(invitation.organization_id, account, had_none);
  return jsonb_build_object('organization_id', invitation.organization_id, 'role', joined_role);
end
$$;
comment on function private.take_invitation(bigint, bigint) is
  'Makes the caller a member by an invitation to their address: { organization_id, role }; else PT404 '
  'invalid_invitation.';

create function private.accept_invitation(token text) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: finds an invitation of an organization that the caller has not joined, by its token.
#variable_conflict use_column
declare
  named private.invitation_tokens;
begin
  perform private.require_account();
  select t.* into named from private.invitation_tokens t
  where t.token_hash = sha256(convert_to(accept_invitation.token, 'UTF8'));
  return private.take_invitation(named.organization_id, named.invitation_id);
end
$$;
comment on function private.accept_invitation(text) is 'Body of public.accept_invitation().';

create function private.my_invitations()
returns table (
  id bigint, organization_id bigint, organization_name text, role text, invited_by text,
  created_at timestamptz, expires_at timestamptz
)
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: the caller is no member of these organizations yet. Without a token the address alone tells whom
-- an invitation is for, so Auth must have confirmed it.
#variable_conflict use_column
begin
  return query
  select i.id, i.organization_id, o.name, i.role,
    -- A guest knows no address of a member; a name with an @ in it may be one.
    case when i.role <> 'guest' then coalesce(sender.display_name, sender.email)
      when sender.display_name !~ '@' then sender.display_name end,
    i.created_at, i.expires_at
  from auth.users a
  join client_mgmt.invitations i on i.email = lower(a.email)
  join public.organizations o on o.id = i.organization_id
  join public.users sender on sender.id = i.invited_by
  where a.id = private.current_account_id() and a.email_confirmed_at is not null
    and private.invitation_stands(i)
  order by i.created_at desc, i.id desc;
end
$$;
comment on function private.my_invitations() is 'Body of public.my_invitations().';

create function private.accept_my_invitation(id bigint) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: as private.my_invitations(), which lists what this accepts.
#variable_conflict use_column
declare
  organization bigint;
begin
  perform private.require_account();
  select m.organization_id into organization from private.my_invitations() m
  where m.id = accept_my_invitation.id;
  return private.take_invitation(organization, accept_my_invitation.id);
end
$$;
comment on function private.accept_my_invitation(bigint) is 'Body of public.accept_my_invitation().';

-- ── Own organizations ─────────────────────────────────────────────────────────────────────────

create function private.my_organizations()
returns table (
  organization_id bigint, name text, slug text, role text, permissions text[], is_active boolean,
  is_current boolean, joined_at timestamptz
)
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: a person sees the organizations of their own memberships, whichever is active, or none.
#variable_conflict use_column
begin
  return query
  select o.id, o.name, o.slug, m.role,
    array(select distinct p from unnest(private.role_permissions(m.role) || m.permissions) p order by p),
    o.is_active, o.id is not distinct from private.current_tenant_id(), m.created_at
  from client_mgmt.client_users m
  join public.organizations o on o.id = m.organization_id
  where m.user_id = private.current_account_id() and m.ended_at is null
  order by m.created_at, o.id;
end
$$;
comment on function private.my_organizations() is 'Body of public.my_organizations().';

-- ── Sessions ──────────────────────────────────────────────────────────────────────────────────

create function private.list_sessions()
returns table (
  id uuid, created_at timestamptz, last_active_at timestamptz, is_current boolean, session_metadata jsonb
)
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: a person sees all their devices, also those in another organization, but not in which one. Only
-- auth.sessions knows devices without an organization.
begin
  return query
  select a.id, a.created_at, coalesce(s.last_active_at, a.created_at),
    a.id = private.claim_uuid('session_id'), coalesce(s.session_metadata, '{}')
  from auth.sessions a
  left join public.user_sessions s on s.id = a.id and s.user_id = a.user_id
  where a.user_id = private.current_account_id()
    and s.revoked_at is null and (s.expires_at is null or s.expires_at > statement_timestamp())
  order by 3 desc, a.id;
end
$$;
comment on function private.list_sessions() is 'Body of public.list_sessions().';

create function private.revoke_session(session_id uuid) returns void
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: ends one of the caller's own sessions, in any organization.
#variable_conflict use_column
declare
  account constant uuid := private.require_account();
begin
  -- Without the auth session no token can be refreshed, and the trigger of auth.sessions ends the access
  -- here.
  delete from auth.sessions a where a.id = revoke_session.session_id and a.user_id = account;
  if not found then
    raise exception using errcode = 'PT404', message = 'session_not_found',
      detail = 'No session of yours has this id.';
  end if;
  update public.user_sessions s set revoked_by = account
  where s.id = revoke_session.session_id and s.user_id = account;
end
$$;
comment on function private.revoke_session(uuid) is 'Body of public.revoke_session().';

revoke all on function
  private.create_organization(text, text), private.switch_organization(bigint),
  private.set_member_role(uuid, text, text[]), private.remove_member(uuid), private.leave_organization(),
  private.organization_members(), private.invite_member(text, text), private.revoke_invitation(bigint),
  private.invitation_stands(client_mgmt.invitations), private.take_invitation(bigint, bigint),
  private.accept_invitation(text), private.my_invitations(), private.accept_my_invitation(bigint),
  private.my_organizations(), private.list_sessions(), private.revoke_session(uuid)
  from public, anon, authenticated, service_role;
grant execute on function
  private.create_organization(text, text), private.switch_organization(bigint),
  private.set_member_role(uuid, text, text[]), private.remove_member(uuid), private.leave_organization(),
  private.organization_members(), private.invite_member(text, text), private.revoke_invitation(bigint),
  private.accept_invitation(text), private.my_invitations(), private.accept_my_invitation(bigint),
  private.my_organizations(), private.list_sessions(), private.revoke_session(uuid)
  to authenticated;

-- ── The RPCs ──────────────────────────────────────────────────────────────────────────────────
-- Composite types, so that generated types name the fields. PostgREST returns one object for a composite
-- type.

create type public.founded_organization as (id bigint, name text, slug text);
comment on type public.founded_organization is 'Answer of create_organization().';
create type public.joined_organization as (organization_id bigint, role text);
comment on type public.joined_organization is
  'Answer of switch_organization(), accept_invitation() and join_organization().';
create type public.issued_invitation as (
  id bigint, email text, role text, expires_at timestamptz, token text
);
comment on type public.issued_invitation is 'Answer of invite_member(): only this answer contains the token.';
create type public.member_role as (user_id uuid, role text, permissions text[]);
comment on type public.member_role is
  'Answer of set_member_role(): the role and the permissions added to it.';

create function public.create_organization(name text, slug text) returns public.founded_organization
language sql volatile security invoker set search_path = ''
as $$
  select * from jsonb_populate_record(
    null::public.founded_organization, private.create_organization(name, slug)
  )
$$;
comment on function public.create_organization(text, text) is
  'Founds an organization with the caller as owner: { id, name, slug }. 23505 conflict when the slug is '
  'taken; PT409 too_many_organizations beyond 20. Refresh the session to receive a token for it.';

create function public.switch_organization(organization_id bigint) returns public.joined_organization
language sql volatile security invoker set search_path = ''
as $$
  select * from jsonb_populate_record(
    null::public.joined_organization, private.switch_organization(organization_id)
  )
$$;
comment on function public.switch_organization(bigint) is
  'Makes another of the caller''s organizations the active one of this session only: { organization_id, '
  'role }. The old token then reads nothing: refresh the session. PT404 organization_not_found.';

create function public.organization_members()
returns table (
  user_id uuid, email text, display_name text, role text, permissions text[], joined_at timestamptz
)
language sql stable security invoker set search_path = ''
as $$ select * from private.organization_members() $$;
comment on function public.organization_members() is
  'Active members of the active organization, with name and address. The address of a guest needs '
  'members.manage, and so does a name with an @ in it; both are null without.';

create function public.invite_member(email text, role text default 'member') returns public.issued_invitation
language sql volatile security invoker set search_path = ''
as $$
  select * from jsonb_populate_record(null::public.issued_invitation, private.invite_member(email, role))
$$;
comment on function public.invite_member(text, text) is
  'Invites an address: { id, email, role, expires_at, token }. Only this answer contains the token. Needs '
  'members.manage, and a role of at most the caller''s rank. 23505 conflict for a member.';

create function public.accept_invitation(token text) returns public.joined_organization
language sql volatile security invoker set search_path = ''
as $$
  select * from jsonb_populate_record(null::public.joined_organization, private.accept_invitation(token))
$$;
comment on function public.accept_invitation(text) is
  'Joins with a token that was sent to the caller''s address: { organization_id, role }. PT404 '
  'invalid_invitation for every other token.';

create function public.my_invitations()
returns table (
  id bigint, organization_id bigint, organization_name text, role text, invited_by text,
  created_at timestamptz, expires_at timestamptz
)
language sql stable security invoker set search_path = ''
as $$ select * from private.my_invitations() $$;
comment on function public.my_invitations() is
  'The invitations that the caller can accept, with any active organization or none: those to the address '
  'of the account, once Auth has confirmed it.';

create function public.accept_my_invitation(id bigint) returns public.joined_organization
language sql volatile security invoker set search_path = ''
as $$
  select * from jsonb_populate_record(null::public.joined_organization, private.accept_my_invitation(id))
$$;
comment on function public.accept_my_invitation(bigint) is
  'Joins by an invitation of my_invitations(), without its token: { organization_id, role }. PT404 '
  'invalid_invitation for every other id.';

create function public.my_organizations()
returns table (
  organization_id bigint, name text, slug text, role text, permissions text[], is_active boolean,
  is_current boolean, joined_at timestamptz
)
language sql stable security invoker set search_path = ''
as $$ select * from private.my_organizations() $$;
comment on function public.my_organizations() is
  'The caller''s memberships, with any active organization or none; is_active is false for a suspended or '
  'closed organization. switch_organization() makes one the current one.';

create function public.revoke_invitation(id bigint) returns void
language sql volatile security invoker set search_path = ''
as $$ select private.revoke_invitation(id) $$;
comment on function public.revoke_invitation(bigint) is
  'Revokes a pending invitation. PT404 invitation_not_found.';

create function public.set_member_role(user_id uuid, role text, permissions text[] default null)
returns public.member_role
language sql volatile security invoker set search_path = ''
as $$
  select * from jsonb_populate_record(
    null::public.member_role, private.set_member_role(user_id, role, permissions)
  )
$$;
comment on function public.set_member_role(uuid, text, text[]) is
  'Sets a member''s role and, when given, the permissions added to it: { user_id, role, permissions }. '
  '42501 for more than the caller holds or a higher role; 22023 for an anonymous account beyond guest and a '
  'guest with permissions; PT409 last_owner; PT404 member_not_found.';

create function public.remove_member(user_id uuid) returns void
language sql volatile security invoker set search_path = ''
as $$ select private.remove_member(user_id) $$;
comment on function public.remove_member(uuid) is 'Ends a membership, from the next statement on.';

create function public.leave_organization() returns void
language sql volatile security invoker set search_path = ''
as $$ select private.leave_organization() $$;
comment on function public.leave_organization() is 'Ends the caller''s own membership. PT409 last_owner.';

create function public.list_sessions()
returns table (
  id uuid, created_at timestamptz, last_active_at timestamptz, is_current boolean, session_metadata jsonb
)
language sql stable security invoker set search_path = ''
as $$ select * from private.list_sessions() $$;
comment on function public.list_sessions() is
  'The caller''s devices, over all organizations, each with the session_metadata that its client wrote to '
  'tell it apart.';

create function public.revoke_session(session_id uuid) returns void
language sql volatile security invoker set search_path = ''
as $$ select private.revoke_session(session_id) $$;
comment on function public.revoke_session(uuid) is
  'Signs one of the caller''s devices out at once, and cancels its running executions. PT404 '
  'session_not_found.';

revoke all on function
  public.create_organization(text, text), public.switch_organization(bigint), public.organization_members(),
  public.invite_member(text, text), public.accept_invitation(text), public.revoke_invitation(bigint),
  public.my_invitations(), public.accept_my_invitation(bigint), public.my_organizations(),
  public.set_member_role(uuid, text, text[]), public.remove_member(uuid), public.leave_organization(),
  public.list_sessions(), public.revoke_session(uuid)
  from public, anon, authenticated, service_role;
grant execute on function
  public.create_organization(text, text), public.switch_organization(bigint), public.organization_members(),
  public.invite_member(text, text), public.accept_invitation(text), public.revoke_invitation(bigint),
  public.my_invitations(), public.accept_my_invitation(bigint), public.my_organizations(),
  public.set_member_role(uuid, text, text[]), public.remove_member(uuid), public.leave_organization(),
  public.list_sessions(), public.revoke_session(uuid)
  to authenticated;
