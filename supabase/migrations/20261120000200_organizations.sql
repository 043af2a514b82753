-- Organizations, accounts, memberships and sessions, and the one lookup that decides access.
-- Special: user_sessions holds what policies need: organization, role, permissions, and whether all of them
-- are active. Triggers derive these columns, so a lost membership takes effect at the next statement.

-- ── organizations ─────────────────────────────────────────────────────────────────────────────

create table public.organizations (
  id bigint generated always as identity primary key,
  name text not null constraint organizations_name_length check (char_length(name) between 1 and 100),
  slug text not null
    constraint organizations_slug_format check (
      slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$'
      and char_length(slug) between 2 and 63
    ),
  settings jsonb not null default '{}'
    constraint organizations_settings_object check (jsonb_typeof(settings) = 'object')
    constraint organizations_settings_length check (octet_length(settings::text) <= 65536),
  is_active boolean not null default true,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint organizations_slug_key unique (slug)
);
comment on table public.organizations is
  'The tenant. Created by create_organization(); false is_active suspends it.';
comment on column public.organizations.slug is 'Public handle, unique on the whole platform.';
comment on column public.organizations.settings is
  'Parameters of a model call for every execution of the organization; an agent, a model, a project and a '
  'request say otherwise. guests_may_join: true lets everyone with an account join as guest, by '
  'join_organization(). search_language: the text search configuration of all texts. search_model: '
  'agent/model that makes the vectors for the search by meaning; without it there are none.';
create index organizations_suspended_idx on public.organizations (id) where not is_active;

alter table public.organizations enable row level security;
alter table public.organizations force row level security;

-- ── users ─────────────────────────────────────────────────────────────────────────────────────

create table public.users (
  id uuid primary key references auth.users (id) on delete cascade,
  email text,
  organization_id bigint references public.organizations (id) on delete set null,
  display_name text constraint users_display_name_length check (char_length(display_name) between 1 and 200),
  metadata jsonb not null default '{}'
    constraint users_metadata_object check (jsonb_typeof(metadata) = 'object')
    constraint users_metadata_length check (octet_length(metadata::text) <= 65536),
  is_active boolean not null default true,
  last_login_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
comment on table public.users is
  'One account per person (id = auth.users.id), with any number of memberships.';
comment on column public.users.email is
  'The address at Auth; null for an account without one, as an anonymous account is.';
comment on column public.users.organization_id is
  'Home organization: where a new session starts. Null until the first membership.';
comment on column public.users.is_active is 'False suspends the account in every organization at once.';
create index users_organization_id_idx on public.users (organization_id);
create index users_email_idx on public.users (lower(email));

alter table public.users enable row level security;
alter table public.users force row level security;

-- ── client_mgmt.client_users (memberships) ────────────────────────────────────────────────────

create function private.known_permissions() returns text[]
language sql immutable security invoker set search_path = ''
as $$
  select array[
    'agents.invoke', 'agents.manage', 'mcp.manage', 'prompts.manage', 'members.manage',
    'billing.manage', 'audit.read', 'projects.manage', 'sessions.answer', 'content.read_all'
  ]
$$;
comment on function private.known_permissions() is 'Every permission.';

create function private.role_permissions(role text) returns text[]
language sql immutable security invoker set search_path = ''
as $$
  select case role
    when 'owner' then array[
      'agents.invoke', 'agents.manage', 'mcp.manage', 'prompts.manage', 'members.manage',
      'billing.manage', 'audit.read', 'projects.manage', 'sessions.answer'
    ]
    when 'admin' then array[
      'agents.invoke', 'agents.manage', 'mcp.manage', 'prompts.manage', 'members.manage',
      'audit.read', 'projects.manage', 'sessions.answer'
    ]
    when 'member' then array['agents.invoke']
    else array[]::text[]
  end
$$;
comment on function private.role_permissions(text) is
  'The permissions of a role; a guest has none. No role includes content.read_all: an owner grants it by '
  'name, and the audit log records it.';

create function private.role_rank(role text) returns integer
language sql immutable security invoker set search_path = ''
as $$
  select case role when 'owner' then 4 when 'admin' then 3 when 'member' then 2 when 'guest' then 1 else 0 end
$$;
comment on function private.role_rank(text) is
  'The order of roles. A member cannot act on a higher rank or grant one.';

revoke all on function
  private.known_permissions(), private.role_permissions(text), private.role_rank(text)
  from public, anon, authenticated, service_role;

create table client_mgmt.client_users (
  organization_id bigint not null references public.organizations (id) on delete cascade,
  user_id uuid not null references public.users (id) on delete cascade,
  role text not null constraint client_users_role check (role in ('owner', 'admin', 'member', 'guest')),
  permissions text[] not null default '{}'
    constraint client_users_permissions check (
      permissions <@ array[
        'agents.invoke', 'agents.manage', 'mcp.manage', 'prompts.manage', 'members.manage',
        'billing.manage', 'audit.read', 'projects.manage', 'sessions.answer', 'content.read_all'
      ]::text[]
    ),
  invited_by uuid,
  ended_at timestamptz,
  ended_by uuid,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (organization_id, user_id),
  constraint client_users_guest_permissions check (role <> 'guest' or permissions = '{}')
);
comment on table client_mgmt.client_users is
  'Memberships. The row stays after the membership ends (ended_at), because content refers to its author '
  'by (organization_id, user_id). So every author was a member.';
comment on column client_mgmt.client_users.role is
  'guest: a customer, who sees their own conversations only (docs/customers.md); the others are staff.';
comment on column client_mgmt.client_users.permissions is
  'Permissions beside those of the role; a guest has none.';
comment on column client_mgmt.client_users.ended_at is 'Null while the membership is active.';
comment on column client_mgmt.client_users.ended_by is
  'The account that ended the membership last. A guest who left may join again; one who was removed may not.';
comment on column client_mgmt.client_users.invited_by is
  'The account that sent the invitation; null for the founder and for a guest who joined.';
create index client_users_user_id_idx on client_mgmt.client_users (user_id);
create index client_users_owners_idx on client_mgmt.client_users (organization_id)
  where role = 'owner' and ended_at is null;
create index client_users_guests_idx on client_mgmt.client_users (organization_id, created_at)
  where role = 'guest';

alter table client_mgmt.client_users enable row level security;
alter table client_mgmt.client_users force row level security;

-- ── user_sessions ─────────────────────────────────────────────────────────────────────────────

create table public.user_sessions (
  organization_id bigint not null references public.organizations (id) on delete cascade,
  id uuid not null,
  user_id uuid not null references public.users (id) on delete cascade,
  access_grant_id bigint,
  key_permissions text[],
  workspace_path text
    constraint user_sessions_workspace_path_length check (char_length(workspace_path) <= 4096),
  system_prompt text
    constraint user_sessions_system_prompt_length check (char_length(system_prompt) <= 65536),
  session_metadata jsonb not null default '{}'
    constraint user_sessions_metadata_object check (jsonb_typeof(session_metadata) = 'object')
    constraint user_sessions_metadata_length check (octet_length(session_metadata::text) <= 65536),
  role text,
  permissions text[] not null default '{}',
  is_active boolean not null default false,
  access_expires_at timestamptz,
  expires_at timestamptz,
  last_active_at timestamptz not null default now(),
  revoked_at timestamptz,
  revoked_by uuid,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (organization_id, id),
  constraint user_sessions_id_key unique (id)
);
comment on table public.user_sessions is
  'One row per auth session (id = auth.sessions.id): its active organization, and the derived access '
  'that private.current_organization_id() and private.has_permission() read. An API key and a schedule have '
  'a row too, which no person signed in to.';
comment on column public.user_sessions.access_grant_id is
  'Set while a platform administrator works under a break-glass grant; null for members.';
comment on column public.user_sessions.key_permissions is
  'The permissions that the member chose for an API key, or agents.invoke of a schedule; null for a sign-in.';
comment on column public.user_sessions.role is
  'Derived: the role of the membership; break_glass under a grant; api_key for a key or a schedule; null '
  'without access.';
comment on column public.user_sessions.permissions is
  'Derived: the permissions of the role and of the membership; of these the chosen ones for a key.';
comment on column public.user_sessions.is_active is
  'Derived: account, organization and membership (or grant) are all active.';
comment on column public.user_sessions.access_expires_at is
  'Derived: when the break-glass grant ends; null for members.';
comment on column public.user_sessions.revoked_by is
  'The account that revoked the session, which cancels the session''s executions; null after a sign-out.';
comment on column public.user_sessions.expires_at is 'Null: until the auth session ends.';
create index user_sessions_user_id_idx on public.user_sessions (user_id);
create index user_sessions_organization_id_user_id_idx on public.user_sessions (organization_id, user_id);
create index user_sessions_expires_at_idx on public.user_sessions (expires_at) where expires_at is not null;
create index user_sessions_revoked_at_idx on public.user_sessions (revoked_at) where revoked_at is not null;

alter table public.user_sessions enable row level security;
alter table public.user_sessions force row level security;

-- This trigger overwrites the derived columns of every statement. Its share locks wait for a concurrent
-- change of membership, account or organization. So a session that is created beside a removal cannot keep
-- the removed access.
-- Every function here locks in one order: organization, membership (or grant), audit head, account,
-- session. Otherwise a member who keeps signing in or switching could make their own removal fail with a
-- deadlock.
create function private.lock_access(organization_id bigint, user_id uuid) returns void
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no client may lock these rows. Called by definer functions only.
begin
  perform 1 from public.organizations o where o.id = lock_access.organization_id for share;
  perform 1 from client_mgmt.client_users m
  where m.organization_id = lock_access.organization_id and m.user_id = lock_access.user_id for share;
  perform 1 from public.users u where u.id = lock_access.user_id for no key update;
end
$$;
comment on function private.lock_access(bigint, uuid) is
  'Locks the rows from which a session is derived, in the common order, before the session is written.';
revoke all on function private.lock_access(bigint, uuid) from public, anon, authenticated, service_role;

create function private.derive_session_access() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: reads memberships, accounts and organizations past their policies.
declare
  found_role text;
  found_permissions text[];
  found_expiry timestamptz;
begin
  perform 1 from public.organizations o where o.id = new.organization_id and o.is_active for share;
  new.is_active := found;

  if new.access_grant_id is null then
    select m.role, private.role_permissions(m.role) || m.permissions into found_role, found_permissions
    from client_mgmt.client_users m
    where m.organization_id = new.organization_id and m.user_id = new.user_id and m.ended_at is null
    for share;
  else
    select 'break_glass', private.scope_permissions(g.scope), g.expires_at
    into found_role, found_permissions, found_expiry
    from client_mgmt.access_grants g
    where g.organization_id = new.organization_id and g.id = new.access_grant_id
      and g.admin_user_id = new.user_id and g.ended_at is null
    for share;
  end if;
  new.is_active := new.is_active and found;
  perform 1 from public.users u where u.id = new.user_id and u.is_active for share;
  new.is_active := new.is_active and found;
  -- A key never holds more than its member does now, and no key works for a guest.
  if new.key_permissions is not null then
    new.is_active := new.is_active and new.access_grant_id is null and found_role <> 'guest';
    found_role := 'api_key';
    found_permissions := array(
      select p from unnest(found_permissions) p where p = any (new.key_permissions));
  end if;

  if new.is_active then
    new.role := found_role;
    new.permissions := array(select distinct p from unnest(found_permissions) p order by p);
    new.access_expires_at := found_expiry;
  else
    new.role := null;
    new.permissions := '{}';
    new.access_expires_at := null;
  end if;
  return new;
end
$$;
comment on function private.derive_session_access() is
  'Trigger on user_sessions: sets role, permissions, is_active and access_expires_at from the present '
  'membership or grant.';

create trigger user_sessions_derive_access
  before insert
    or update of organization_id, user_id, access_grant_id, key_permissions, role, permissions, is_active,
      access_expires_at
  on public.user_sessions
  for each row execute function private.derive_session_access();

create function private.refresh_session_access() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: rewrites the derived columns of sessions that the caller may not update.
declare
  changed constant jsonb := case tg_op when 'DELETE' then to_jsonb(old) else to_jsonb(new) end;
begin
  case tg_table_name
    when 'client_users' then
      perform 1 from public.users u where u.id = (changed ->> 'user_id')::uuid for no key update;
      -- A key ends with its membership and when its member becomes a guest: it does not come back later.
      update public.user_sessions s
      set is_active = false, revoked_at = case
        when s.key_permissions is not null
          and (tg_op = 'DELETE' or changed ->> 'ended_at' is not null or changed ->> 'role' = 'guest')
          then coalesce(s.revoked_at, clock_timestamp())
        else s.revoked_at end
      where s.organization_id = (changed ->> 'organization_id')::bigint
        and s.user_id = (changed ->> 'user_id')::uuid;
    when 'access_grants' then
      perform 1 from public.users u where u.id = (changed ->> 'admin_user_id')::uuid for no key update;
      update public.user_sessions s set is_active = false
      where s.organization_id = (changed ->> 'organization_id')::bigint
        and s.access_grant_id = (changed ->> 'id')::bigint;
    when 'users' then
      update public.user_sessions s set is_active = false where s.user_id = (changed ->> 'id')::uuid;
    when 'organizations' then
      update public.user_sessions s
      set is_active = false
      where s.organization_id = (changed ->> 'id')::bigint;
  end case;
  return null;
end
$$;
comment on function private.refresh_session_access() is
  'Trigger on memberships, grants, accounts and organizations: derives their sessions again in the same '
  'transaction. It only touches the rows; private.derive_session_access() sets the values.';

create trigger client_users_refresh_sessions
  after insert or delete or update of role, permissions, ended_at on client_mgmt.client_users
  for each row execute function private.refresh_session_access();
create trigger users_refresh_sessions
  after update of is_active on public.users
  for each row when (old.is_active is distinct from new.is_active)
  execute function private.refresh_session_access();
create trigger organizations_refresh_sessions
  after update of is_active on public.organizations
  for each row when (old.is_active is distinct from new.is_active)
  execute function private.refresh_session_access();

create function private.keep_newest_sessions() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no role holds a grant to delete sessions. Every insert of a session locks the account
-- (private.lock_access()), so the sessions of a person are counted one insert after the other.
declare
  oldest constant uuid[] := array(
    select s.id from public.user_sessions s
    where s.user_id = new.user_id and s.id <> new.id and s.key_permissions is null
    order by s.last_active_at desc, s.id desc
    offset 99
  );
begin
  -- API keys have a limit of their own.
  if new.key_permissions is not null then
    return null;
  end if;
  -- Locks the auth session first, as a sign-out does. A revoked row cannot refresh its token.
  delete from auth.sessions a where a.id = any (oldest);
  delete from public.user_sessions s where s.user_id = new.user_id and s.id = any (oldest);
  return null;
end
$$;
comment on function private.keep_newest_sessions() is
  'Trigger on user_sessions: keeps the new session and the person''s 99 most recently active ones, and '
  'signs out the others.';
create trigger user_sessions_keep_newest after insert on public.user_sessions
  for each row execute function private.keep_newest_sessions();

revoke all on function
  private.derive_session_access(), private.refresh_session_access(), private.keep_newest_sessions()
  from public, anon, authenticated, service_role;

-- ── The deciding functions ────────────────────────────────────────────────────────────────────

create function private.current_session() returns public.user_sessions
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: reads user_sessions, whose own policy calls this function. It checks its caller: it finds only
-- the row that the caller's verified token names. Every policy runs it, and every function that writes runs
-- it or current_account_id(): so both refuse patterns. It parses the claims once instead of with
-- claim_uuid(), which halves its time.
declare
  claims constant jsonb := private.jwt_claims();
  organization constant text := claims ->> 'organization_id';
  session constant text := claims ->> 'session_id';
  account constant text := claims ->> 'sub';
  uuid_format constant text := '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$';
  result public.user_sessions;
begin
  perform private.refuse_patterns();
  if organization ~ '^[1-9][0-9]{0,17}$' and session ~ uuid_format and account ~ uuid_format then
    select s.* into result
    from public.user_sessions s
    where s.organization_id = organization::bigint
      and s.id = session::uuid
      and s.user_id = account::uuid
      and s.is_active
      and s.revoked_at is null
      and (s.expires_at is null or s.expires_at > statement_timestamp())
      and (s.access_expires_at is null or s.access_expires_at > statement_timestamp());
  end if;
  return result;
end
$$;
comment on function private.current_session() is
  'The caller''s session while session, membership, account and organization are all active; else null. '
  'One primary-key lookup.';

create function private.current_organization_id() returns bigint
language plpgsql stable security invoker set search_path = ''
as $$
declare
  session constant public.user_sessions := private.current_session();
begin
  return case when session.role <> 'guest' then session.organization_id end;
end
$$;
comment on function private.current_organization_id() is
  'The tenant of this request, or null, so that every policy fails closed. Null for a guest too: what says '
  'nothing about guests is closed to them.';

create function private.current_tenant_id() returns bigint
language plpgsql stable security invoker set search_path = ''
as $$
begin
  return (private.current_session()).organization_id;
end
$$;
comment on function private.current_tenant_id() is
  'The tenant of this request for members and for guests. Only the policies and functions of what a guest '
  'sees call it; each other calls private.current_organization_id().';

create function private.has_permission(permission text) returns boolean
language plpgsql stable security invoker set search_path = ''
as $$
begin
  return coalesce(permission = any ((private.current_session()).permissions), false);
end
$$;
comment on function private.has_permission(text) is
  'Whether the caller holds a permission in the active organization. No other function decides this.';

create function private.may_converse() returns boolean
language plpgsql stable security invoker set search_path = ''
as $$
declare
  session constant public.user_sessions := private.current_session();
begin
  return coalesce(session.role = 'guest' or 'agents.invoke' = any (session.permissions), false);
end
$$;
comment on function private.may_converse() is
  'Whether the caller may have conversations: with agents.invoke, and as a guest.';

create function private.is_guest(organization_id bigint, user_id uuid) returns boolean
language sql stable security definer set search_path = ''
as $$
  -- Definer: called by definer functions, also by those of the service role, which have no token of a guest.
  select exists (
    select 1 from client_mgmt.client_users m
    where m.organization_id = is_guest.organization_id and m.user_id = is_guest.user_id and m.role = 'guest'
  )
$$;
comment on function private.is_guest(bigint, uuid) is 'Whether a person is, or was last, a guest there.';

create function private.organization_with(permission text) returns bigint
language plpgsql stable security invoker set search_path = ''
as $$
begin
  -- has_permission() has found the session of the organization that the claim names.
  return case when private.has_permission(permission)
    then (private.jwt_claims() ->> 'organization_id')::bigint end;
end
$$;
comment on function private.organization_with(text) is
  'The active organization where the caller holds a permission, else null. A policy "mine, or permitted" '
  'compares a range with it, and not has_permission(): an index finds the rows of either part.';

create function private.current_account_id() returns uuid
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: reads users and user_sessions, whose policies call it, and auth.sessions. There a session is
-- absent after a sign-out or a revocation, also a session that never entered an organization.
declare
  account constant uuid := private.claim_uuid('sub');
begin
  perform private.refuse_patterns();
  if exists (select 1 from public.users u where u.id = account and u.is_active)
    and exists (
      select 1 from auth.sessions a where a.id = private.claim_uuid('session_id') and a.user_id = account
    )
    and not exists (
      select 1 from public.user_sessions s
      where s.id = private.claim_uuid('session_id')
        and (s.user_id <> account or s.revoked_at is not null or s.expires_at <= statement_timestamp())
    )
  then
    return account;
  end if;
  return null;
end
$$;
comment on function private.current_account_id() is
  'The caller''s account while the account is active and the session is not ended or revoked. For acts '
  'that need no organization.';

create function private.require_account() returns uuid
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: called by definer functions only.
declare
  account constant uuid := private.current_account_id();
begin
  if account is null then
    raise exception using errcode = '42501', message = 'permission_denied',
      detail = 'Sign in with an active account.';
  end if;
  return account;
end
$$;
comment on function private.require_account() is 'The caller''s account, or 42501 permission_denied.';

create function private.require_organization(permission text default null) returns bigint
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: called by definer functions only.
declare
  organization constant bigint := private.current_organization_id();
begin
  if organization is null then
    raise exception using errcode = '42501', message = 'no_organization',
      detail = 'The token names no organization of the caller. Join one, or refresh the token.';
  end if;
  if permission is not null and not private.has_permission(permission) then
    raise exception using errcode = '42501', message = 'permission_denied',
      detail = format('This needs the permission %s.', permission);
  end if;
  return organization;
end
$$;
comment on function private.require_organization(text) is
  'The caller''s organization, or 42501 no_organization; with a permission also 42501 permission_denied.';

create function private.require_conversations() returns bigint
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: called by definer functions only.
begin
  if private.may_converse() then
    return private.current_tenant_id();
  end if;
  return private.require_organization('agents.invoke');
end
$$;
comment on function private.require_conversations() is
  'The tenant of a caller who may have conversations, a member or a guest; else 42501.';

create function private.require_signed_in_member(permission text default null) returns bigint
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: called by definer functions only. What its caller makes acts as the member later, so a break-glass
-- grant, an API key and, by require_organization(), a guest make none.
declare
  session constant public.user_sessions := private.current_session();
  organization constant bigint := private.require_organization(permission);
begin
  if session.key_permissions is not null or session.access_grant_id is not null then
    raise exception using errcode = '42501', message = 'permission_denied',
      detail = 'Only a member of the organization who has signed in does this.';
  end if;
  return organization;
end
$$;
comment on function private.require_signed_in_member(text) is
  'The organization of a member who has signed in; else 42501, also for an API key, a break-glass grant and '
  'a guest.';

create function private.act_as_session(user_session_id uuid, organization_id bigint) returns void
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: called by functions of the service role only, for a caller whose token the edge function has
-- verified or whose API key enter_api_key() has found. From here to the end of the transaction the policies
-- and functions see that caller, in the organization of the token or key: the session may have another one
-- by now.
declare
  session public.user_sessions;
begin
  select s.* into session from public.user_sessions s where s.id = act_as_session.user_session_id;
  perform set_config('request.jwt.claims', jsonb_build_object(
    'role', 'authenticated', 'sub', session.user_id, 'session_id', session.id,
    'organization_id', act_as_session.organization_id, 'organization_role', session.role
  )::text, true);
end
$$;
comment on function private.act_as_session(uuid, bigint) is
  'Gives the rest of the transaction the claims of a session or API key in an organization. A session that '
  'is unknown, has ended or is in another organization gives none that private.current_session() accepts.';

revoke all on function
  private.current_session(), private.current_organization_id(), private.current_tenant_id(),
  private.has_permission(text), private.may_converse(), private.is_guest(bigint, uuid),
  private.organization_with(text), private.require_conversations(), private.act_as_session(uuid, bigint),
  private.current_account_id(), private.require_account(), private.require_organization(text),
  private.require_signed_in_member(text)
  from public, anon, authenticated, service_role;
grant execute on function
  private.current_session(), private.current_organization_id(), private.current_tenant_id(),
  private.has_permission(text), private.may_converse(), private.organization_with(text),
  private.current_account_id()
  to authenticated, service_role;

create function public.has_permission(permission text) returns boolean
language sql stable security invoker set search_path = ''
as $$ select private.has_permission(permission) $$;
comment on function public.has_permission(text) is
  'Whether the caller holds a permission in the active organization. A client uses it to choose what to '
  'offer, and an edge function to check before it acts. Each write checks the permission itself.';
revoke all on function public.has_permission(text) from public, anon, authenticated, service_role;
grant execute on function public.has_permission(text) to authenticated;

-- ── Policies and grants ───────────────────────────────────────────────────────────────────────

create policy select_member on public.organizations for select to authenticated
  using (id = (select private.current_organization_id()));
comment on policy select_member on public.organizations is 'A member sees the active organization.';
create policy update_manager on public.organizations for update to authenticated
  using (
    id = (select private.current_organization_id())
    and (select private.has_permission('members.manage'))
  )
  with check (
    id = (select private.current_organization_id())
    and (select private.has_permission('members.manage'))
  );
comment on policy update_manager on public.organizations is 'Name and settings, with members.manage.';
revoke all on public.organizations from anon, authenticated, service_role;
grant select on public.organizations to authenticated, service_role;
grant update (name, settings) on public.organizations to authenticated;
grant update (name, settings, is_active) on public.organizations to service_role;
-- No insert: create_organization(). No delete: set_organization_active() suspends. No update of slug.

create policy select_self on public.users for select to authenticated
  using (id = (select private.current_account_id()));
comment on policy select_self on public.users is
  'A person sees their own account only, because it names the home organization. Members: '
  'organization_members().';
create policy update_self on public.users for update to authenticated
  using (id = (select private.current_account_id()))
  with check (id = (select private.current_account_id()));
comment on policy update_self on public.users is
  'A person changes the display name and metadata of their own account.';
revoke all on public.users from anon, authenticated, service_role;
grant select on public.users to authenticated, service_role;
grant update (display_name, metadata) on public.users to authenticated;
grant update (display_name, metadata, is_active) on public.users to service_role;
-- No insert or delete: accounts follow auth.users.

create policy select_member on client_mgmt.client_users for select to authenticated
  using (organization_id = (select private.current_organization_id()));
comment on policy select_member on client_mgmt.client_users is
  'Members see the other members and their roles.';
revoke all on client_mgmt.client_users from anon, authenticated, service_role;
grant select on client_mgmt.client_users to authenticated, service_role;
-- No insert, update or delete for anyone: memberships change by the functions of the next files.

create policy select_self on public.user_sessions for select to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and user_id = (select private.current_user_id())
    and key_permissions is null
  );
comment on policy select_self on public.user_sessions is
  'A person''s own sessions in the active organization. All devices: list_sessions(). API keys: '
  'list_api_keys().';
create policy update_self on public.user_sessions for update to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and user_id = (select private.current_user_id())
    and access_grant_id is null
    and key_permissions is null
  )
  with check (
    organization_id = (select private.current_organization_id())
    and user_id = (select private.current_user_id())
    and access_grant_id is null
    and key_permissions is null
  );
comment on policy update_self on public.user_sessions is
  'A person changes workspace path, system prompt and metadata of their own sessions; not under a '
  'break-glass grant.';
revoke all on public.user_sessions from anon, authenticated, service_role;
grant select on public.user_sessions to authenticated, service_role;
grant update (workspace_path, system_prompt, session_metadata) on public.user_sessions to authenticated;
-- No insert: custom_access_token_hook(). No delete, no other update: switch_organization(), revoke_session().

create trigger organizations_check_settings before insert or update of settings on public.organizations
  for each row execute function private.check_settings(
    'settings', 'guests_may_join', 'search_language', 'search_model'
  );
create trigger organizations_updated_at before update on public.organizations
  for each row execute function private.update_updated_at_column();
create trigger users_updated_at before update on public.users
  for each row execute function private.update_updated_at_column();
create trigger client_users_updated_at before update on client_mgmt.client_users
  for each row execute function private.update_updated_at_column();
create trigger user_sessions_updated_at before update on public.user_sessions
  for each row execute function private.update_updated_at_column();

-- ── Accounts follow auth.users ────────────────────────────────────────────────────────────────

create function private.make_accounts(account uuid default null) returns void
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: runs for the auth server's role, which holds no grant on public.users.
begin
  insert into public.users (id, email, display_name)
  select a.id, nullif(a.email, ''),
    left(nullif(btrim(a.raw_user_meta_data ->> 'display_name'), ''), 200)
  from auth.users a
  where make_accounts.account is null or a.id = make_accounts.account
  on conflict (id) do update set email = excluded.email;
end
$$;
comment on function private.make_accounts(uuid) is
  'Makes the account of one person of auth.users, or of all, and takes over the address.';

create function private.sync_account() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: fires as the auth server's role, which may not call private.make_accounts().
begin
  perform private.make_accounts(new.id);
  return null;
end
$$;
comment on function private.sync_account() is
  'Trigger on auth.users: creates the account and copies a changed address.';
revoke all on function private.make_accounts(uuid), private.sync_account()
  from public, anon, authenticated, service_role;

-- Named after the project: on_auth_user_created is what guides call a project's own trigger.
create trigger colloquy_account_created after insert on auth.users
  for each row execute function private.sync_account();
create trigger colloquy_account_email_changed after update of email on auth.users
  for each row when (old.email is distinct from new.email)
  execute function private.sync_account();

-- A sign-out ends the auth session, but its access token stays valid for up to an hour.
create function private.end_session() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: runs as the auth server's role, which holds no grant on public.user_sessions.
begin
  -- The deletion of an account also deletes its sessions.
  update public.user_sessions s set revoked_at = clock_timestamp()
  where s.id = old.id and s.revoked_at is null
    and exists (select 1 from public.users u where u.id = s.user_id);
  return null;
end
$$;
comment on function private.end_session() is
  'Trigger on auth.sessions: ends the access of a session that Auth ended.';
revoke all on function private.end_session() from public, anon, authenticated, service_role;

create trigger colloquy_session_ended after delete on auth.sessions
  for each row execute function private.end_session();

-- People who signed up before these migrations. Their sessions need no row before they work in an
-- organization: the token hook makes it.
select private.make_accounts();

-- ── Token hook ────────────────────────────────────────────────────────────────────────────────

-- Auth cuts the hook after 2 s, and with it the sign-in. At most four locks are waited for here.
create function private.place_session(account uuid, session uuid) returns public.user_sessions
language plpgsql volatile security definer set search_path = '' set lock_timeout = '400ms'
as $$
-- Definer: called by public.custom_access_token_hook() only.
declare
  home bigint;
  placed public.user_sessions;
begin
  if not exists (select 1 from public.users u where u.id = account) then
    perform private.make_accounts(account);
  end if;
  select u.organization_id into home from public.users u where u.id = account;
  perform private.lock_access(home, account);
  insert into public.user_sessions as s (organization_id, id, user_id)
  select m.organization_id, session, m.user_id
  from client_mgmt.client_users m
  where m.organization_id = home and m.user_id = account and m.ended_at is null
  on conflict (id) do update
    set organization_id = excluded.organization_id, access_grant_id = null,
      last_active_at = clock_timestamp()
    where s.user_id = excluded.user_id and s.key_permissions is null
  returning s.* into placed;
  return placed;
end
$$;
comment on function private.place_session(uuid, uuid) is
  'Puts an auth session into the home organization of its account, and makes the account when it is '
  'missing. 55P03 when another transaction holds one of their rows.';
revoke all on function private.place_session(uuid, uuid) from public, anon, authenticated, service_role;

create function public.custom_access_token_hook(event jsonb) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: runs as supabase_auth_admin, which holds no grant on these tables. No other role may execute it.
declare
  account constant uuid := (event ->> 'user_id')::uuid;
  session constant uuid := (event -> 'claims' ->> 'session_id')::uuid;
  claims jsonb := (event -> 'claims') - 'organization_id' - 'organization_role';
  person public.users;
  current_session public.user_sessions;
begin
  select * into person from public.users u where u.id = account;
  if found and not person.is_active then
    return jsonb_build_object('error', jsonb_build_object('http_code', 403, 'message', 'account_suspended'));
  end if;

  select * into current_session from public.user_sessions s where s.id = session;
  if current_session.revoked_at is not null or current_session.expires_at <= clock_timestamp() then
    return jsonb_build_object('error', jsonb_build_object('http_code', 403, 'message', 'session_revoked'));
  end if;

  if current_session.access_expires_at <= clock_timestamp() then
    current_session.is_active := false;
  end if;
  if current_session.is_active then
    update public.user_sessions s set last_active_at = clock_timestamp()
    from (
      select l.organization_id, l.id from public.user_sessions l where l.id = session
      for no key update skip locked
    ) free
    where s.organization_id = free.organization_id and s.id = free.id;
  elsif session is not null then
    begin
      current_session := private.place_session(account, session);
    exception when lock_not_available then
      return jsonb_build_object('error', jsonb_build_object('http_code', 503, 'message', 'account_busy'));
    end;
  end if;

  if event ->> 'authentication_method' is distinct from 'token_refresh' then
    update public.users u set last_login_at = clock_timestamp()
    from (select l.id from public.users l where l.id = account for no key update skip locked) free
    where u.id = free.id;
  end if;

  if current_session.is_active then
    claims := claims || jsonb_build_object(
      'organization_id', current_session.organization_id,
      'organization_role', current_session.role
    );
  end if;
  return jsonb_set(event, '{claims}', claims);
end
$$;
comment on function public.custom_access_token_hook(jsonb) is
  'Auth hook for every issued and refreshed token: adds organization_id and organization_role of the '
  'session''s active organization, else of the home organization; refuses a revoked session and a '
  'suspended account. Waits for no row that it only notes something in.';
revoke all on function public.custom_access_token_hook(jsonb)
  from public, anon, authenticated, service_role;
grant usage on schema public to supabase_auth_admin;
grant execute on function public.custom_access_token_hook(jsonb) to supabase_auth_admin;

-- ── Billing details and the older names ───────────────────────────────────────────────────────

create table client_mgmt.billing_accounts (
  organization_id bigint primary key default private.current_organization_id()
    references public.organizations (id) on delete cascade,
  billing_info jsonb not null default '{}'
    constraint billing_accounts_info_object check (jsonb_typeof(billing_info) = 'object')
    constraint billing_accounts_info_length check (octet_length(billing_info::text) <= 65536),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
comment on table client_mgmt.billing_accounts is
  'Billing details, apart from organizations because only billing.manage may read them.';
alter table client_mgmt.billing_accounts enable row level security;
alter table client_mgmt.billing_accounts force row level security;
create policy select_billing on client_mgmt.billing_accounts for select to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and (select private.has_permission('billing.manage'))
  );
comment on policy select_billing on client_mgmt.billing_accounts is 'Read with billing.manage.';
create policy update_billing on client_mgmt.billing_accounts for update to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and (select private.has_permission('billing.manage'))
  )
  with check (
    organization_id = (select private.current_organization_id())
    and (select private.has_permission('billing.manage'))
  );
comment on policy update_billing on client_mgmt.billing_accounts is 'Changed with billing.manage.';
revoke all on client_mgmt.billing_accounts from anon, authenticated, service_role;
grant select on client_mgmt.billing_accounts to authenticated, service_role;
grant update (billing_info) on client_mgmt.billing_accounts to authenticated, service_role;
-- No insert or delete: create_organization() makes the row, and it lives as long as the organization.
create trigger billing_accounts_updated_at before update on client_mgmt.billing_accounts
  for each row execute function private.update_updated_at_column();

create view client_mgmt.clients with (security_invoker = true) as
select o.id, o.name, b.billing_info, o.settings, o.created_at
from public.organizations o
left join client_mgmt.billing_accounts b on b.organization_id = o.id;
comment on view client_mgmt.clients is
  'The active organization under its older name; billing_info is null without billing.manage.';

create view client_mgmt.users with (security_invoker = true) as
select u.id, u.email, u.metadata as auth_info, u.created_at
from public.users u;
comment on view client_mgmt.users is 'The caller''s account under its older name.';

create view public.active_user_sessions with (security_invoker = true) as
select s.organization_id, s.id, s.user_id, s.workspace_path, s.system_prompt, s.session_metadata,
  s.role, s.permissions, s.expires_at, s.last_active_at, s.created_at, s.updated_at
from public.user_sessions s
where s.is_active and s.revoked_at is null and (s.expires_at is null or s.expires_at > now())
  and (s.access_expires_at is null or s.access_expires_at > now());
comment on view public.active_user_sessions is 'Sessions that still give access.';

revoke all on client_mgmt.clients, client_mgmt.users, public.active_user_sessions
  from anon, authenticated, service_role;
grant select on client_mgmt.clients, client_mgmt.users, public.active_user_sessions
  to authenticated, service_role;
-- Refusals: a write without the permission for its table is an error, not zero rows.
-- Special: row policies only hide rows. So an update or delete after a removal, a demotion or a revocation
-- would succeed and change nothing, and a check constraint could fail before the policy. One trigger per
-- table that clients may write refuses first, once per statement.

create function private.require_permission() returns trigger
language plpgsql volatile security invoker set search_path = ''
as $$
declare
  session public.user_sessions;
begin
  -- Clients only: definer functions check their caller themselves, and the secret key has no caller.
  if current_user <> 'authenticated' then
    return null;
  end if;
  session := private.current_session();
  if session.role = 'guest' and 'guest' = any (tg_argv) then
    return null;
  elsif session.organization_id is null or session.role = 'guest' then
    raise exception using errcode = '42501', message = 'no_organization',
      detail = 'The token names no organization of the caller. Join one, or refresh the token.';
  end if;
  if tg_nargs > 0 and not exists (
    select 1 from unnest(tg_argv) permission where private.has_permission(permission)
  ) then
    raise exception using errcode = '42501', message = 'permission_denied', detail = format(
      'This needs the permission %s.', array_to_string(array_remove(tg_argv, 'guest'), ' or '));
  end if;
  return null;
end
$$;
comment on function private.require_permission() is
  'Trigger: refuses a client''s statement without an active membership, or without any of the given '
  'permissions; a guest''s unless guest is among them. The policies decide which rows the statement reaches.';
revoke all on function private.require_permission() from public, anon, authenticated, service_role;

-- No trigger on accounts: people change their own account also without an organization.
create trigger organizations_require_permission before insert or update or delete on public.organizations
  for each statement execute function private.require_permission('members.manage');
create trigger user_sessions_require_permission before insert or update or delete on public.user_sessions
  for each statement execute function private.require_permission();
create trigger billing_accounts_require_permission
  before insert or update or delete on client_mgmt.billing_accounts
  for each statement execute function private.require_permission('billing.manage');
