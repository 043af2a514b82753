-- Guests: an organization's customers join it by its slug.
-- Special: this file joins them. private.current_tenant_id() and the policies that compare it say what they
-- see.

create function private.check_guests(organization_id bigint, account uuid) returns void
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: called by join_organization() only, which has locked the organization and the joins of the
-- account. So the counts are exact for callers at once.
#variable_conflict use_column
declare
  limits client_mgmt.organization_limits;
  seen record;
begin
  select l.* into strict limits from client_mgmt.organization_limits l
  where l.organization_id = check_guests.organization_id;
  select count(*) filter (where m.ended_at is null) as guests,
    count(*) filter (where m.created_at > clock_timestamp() - interval '1 minute') as joins,
    min(m.created_at) filter (where m.created_at > clock_timestamp() - interval '1 minute') as since
  into seen
  from client_mgmt.client_users m
  where m.organization_id = check_guests.organization_id and m.role = 'guest';
  if seen.guests >= limits.max_guests then
    perform private.refuse_quota(
      format('The organization has at most %s guests.', limits.max_guests),
      'client_mgmt.client_users', 'organization', 'rows', limits.max_guests
    );
  elsif seen.joins >= limits.joins_per_minute then
    perform private.refuse_rate('joins_per_minute', 'organization', limits.joins_per_minute, seen.since);
  elsif (
    select count(*) from client_mgmt.client_users m where m.user_id = account and m.role = 'guest'
  ) >= 50 then
    perform private.refuse_quota(
      'A person joins at most 50 organizations as guest.', 'client_mgmt.client_users', 'member', 'rows', 50);
  end if;
end
$$;
comment on function private.check_guests(bigint, uuid) is
  'Requires room for one more guest in the organization, in its minute and for the person; else PT409 '
  'quota_exceeded or PT429 rate_limited.';

create function private.join_organization(slug text) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: the caller is no member yet. An unknown slug, a suspended organization, one that takes no guests
-- and one that has removed the caller give one error.
#variable_conflict use_column
declare
  account constant uuid := private.require_account();
  had_none constant boolean := private.current_tenant_id() is null;
  organization bigint;
  membership client_mgmt.client_users;
begin
  -- The lock waits for a change of the settings; the second look sees it.
  select o.id into organization from public.organizations o where o.slug = join_organization.slug;
  perform private.lock_memberships(organization);
  select o.id into organization from public.organizations o
  where o.id = organization and o.is_active and o.settings @> '{"guests_may_join": true}';
  select m.* into membership from client_mgmt.client_users m
  where m.organization_id = organization and m.user_id = account
  for update;
  if organization is null or (membership.ended_at is not null
    and (membership.role <> 'guest' or membership.ended_by is distinct from account))
  then
    raise exception using errcode = 'PT404', message = 'organization_not_found',
      detail = 'No organization of this slug takes the caller as guest. Check the slug.';
  end if;
  if membership.user_id is null or membership.ended_at is not null then
    perform pg_advisory_xact_lock(hashtextextended('joins of ' || account, 0));
    perform private.check_guests(organization, account);
    insert into client_mgmt.client_users as m (organization_id, user_id, role)
    values (organization, account, 'guest')
    on conflict on constraint client_users_pkey do update set ended_at = null
    returning m.* into membership;
  end if;
  perform private.enter_organization(organization, account, had_none);
  return jsonb_build_object('organization_id', organization, 'role', membership.role);
end
$$;
comment on function private.join_organization(text) is 'Body of public.join_organization().';

create function public.join_organization(slug text) returns public.joined_organization
language sql volatile security invoker set search_path = ''
as $$
  select * from jsonb_populate_record(null::public.joined_organization, private.join_organization(slug))
$$;
comment on function public.join_organization(text) is
  'Joins an organization as guest, where its settings have guests_may_join: { organization_id, role }; a '
  'member keeps their role. Refresh the session to receive a token for it. PT404 organization_not_found for '
  'every other slug; PT409 quota_exceeded and PT429 rate_limited at the limits of guests.';

revoke all on function
  private.check_guests(bigint, uuid), private.join_organization(text), public.join_organization(text)
  from public, anon, authenticated, service_role;
grant execute on function private.join_organization(text), public.join_organization(text) to authenticated;
