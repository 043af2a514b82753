-- Provider keys: an organization's own keys of model providers.
-- Special: the function seals a key before it reaches the table, and no client may read it.

-- ── provider_credentials ──────────────────────────────────────────────────────────────────────

create table client_mgmt.provider_credentials (
  organization_id bigint not null references public.organizations (id) on delete cascade,
  id bigint generated always as identity,
  provider text not null
    constraint provider_credentials_provider check (
      provider in ('vertex-ai', 'openrouter', 'openai-compatible')
    ),
  last_four text not null constraint provider_credentials_last_four check (char_length(last_four) <= 4),
  stored_at timestamptz not null default now(),
  created_by uuid,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (organization_id, id),
  constraint provider_credentials_provider_key unique (organization_id, provider),
  constraint provider_credentials_created_by_fkey foreign key (organization_id, created_by)
    references client_mgmt.client_users (organization_id, user_id) on delete set null (created_by)
);
comment on table client_mgmt.provider_credentials is
  'Which own keys of providers the organization has. private.provider_keys has the keys.';
comment on column client_mgmt.provider_credentials.stored_at is
  'When the key was stored last. A key that is sealed anew keeps it.';
create index provider_credentials_created_by_idx
  on client_mgmt.provider_credentials (organization_id, created_by);
alter table client_mgmt.provider_credentials enable row level security;
alter table client_mgmt.provider_credentials force row level security;
create policy select_manager on client_mgmt.provider_credentials for select to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and (select private.has_permission('agents.manage'))
  );
comment on policy select_manager on client_mgmt.provider_credentials is
  'Shows that a key exists and its last four characters, with agents.manage.';
revoke all on client_mgmt.provider_credentials from anon, authenticated, service_role;
grant select on client_mgmt.provider_credentials to authenticated, service_role;
-- No insert or update: the function agents tests and seals a key and calls store_provider_credential(), for
-- service_role only. A sealed text of a client could stop the rotation of keys.
create trigger provider_credentials_updated_at before update on client_mgmt.provider_credentials
  for each row execute function private.update_updated_at_column();
create trigger provider_credentials_audit_insert after insert on client_mgmt.provider_credentials
  referencing new table as after_rows
  for each statement execute function private.audit_change('provider_credential', 'id');
create trigger provider_credentials_audit_update after update on client_mgmt.provider_credentials
  referencing old table as before_rows new table as after_rows
  for each statement execute function private.audit_change('provider_credential', 'id');
create trigger provider_credentials_audit_delete after delete on client_mgmt.provider_credentials
  referencing old table as before_rows
  for each statement execute function private.audit_change('provider_credential', 'id');

create table private.provider_keys (
  organization_id bigint not null,
  provider text not null,
  sealed_key text not null
    constraint provider_keys_sealed check (
      sealed_key ~ '^v1\.[A-Za-z0-9_-]{1,64}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$'
    ),
  primary key (organization_id, provider),
  constraint provider_keys_credential_fkey foreign key (organization_id, provider)
    references client_mgmt.provider_credentials (organization_id, provider) on delete cascade
);
comment on table private.provider_keys is 'The keys of client_mgmt.provider_credentials.';
comment on column private.provider_keys.sealed_key is
  'Secret: AES-256-GCM, sealed in the function (docs/storage.md). No API role can read it.';
alter table private.provider_keys enable row level security;
alter table private.provider_keys force row level security;
revoke all on private.provider_keys from public, anon, authenticated, service_role;

create function private.remove_provider_credential(provider text) returns void
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no role holds a grant to delete these rows.
declare
  organization constant bigint := private.require_organization('agents.manage');
begin
  delete from client_mgmt.provider_credentials c
  where c.organization_id = organization and c.provider = remove_provider_credential.provider;
  if not found then
    raise exception using errcode = 'PT404', message = 'credential_not_found',
      detail = 'No key is stored for this provider.';
  end if;
end
$$;
comment on function private.remove_provider_credential(text) is
  'Body of public.remove_provider_credential().';

revoke all on function private.remove_provider_credential(text)
  from public, anon, authenticated, service_role;
grant execute on function private.remove_provider_credential(text) to authenticated;

create function public.store_provider_credential(
  organization_id bigint, user_id uuid, provider text, sealed_key text, last_four text
) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no API role holds a grant on the keys. Executable by service_role only, for the person whose
-- token the function agents has verified. Sealing binds the text to organization and provider.
#variable_conflict use_column
declare
  organization constant bigint := store_provider_credential.organization_id;
  account constant uuid := store_provider_credential.user_id;
  stored client_mgmt.provider_credentials;
begin
  perform private.require_acting_member(organization, account, 'agents.manage');
  insert into client_mgmt.provider_credentials as c (
    organization_id, provider, last_four, stored_at, created_by
  )
  values (
    organization, store_provider_credential.provider, store_provider_credential.last_four,
    clock_timestamp(), account
  )
  on conflict on constraint provider_credentials_provider_key do update
    set last_four = excluded.last_four, stored_at = excluded.stored_at, created_by = excluded.created_by
  returning c.* into stored;
  insert into private.provider_keys as k (organization_id, provider, sealed_key)
  values (organization, stored.provider, store_provider_credential.sealed_key)
  on conflict on constraint provider_keys_pkey do update set sealed_key = excluded.sealed_key;
  perform set_config('colloquy.acting_user', '', true);
  return jsonb_build_object(
    'id', stored.id, 'provider', stored.provider, 'last_four', stored.last_four, 'updated_at',
    stored.updated_at
  );
exception
  when check_violation or not_null_violation then
    raise exception using errcode = '22023', message = 'invalid_request',
      detail = 'The provider is unknown, or the key is not sealed.';
end
$$;
comment on function public.store_provider_credential(bigint, uuid, text, text, text) is
  'Stores the organization''s sealed key of a provider for a member with agents.manage: { id, '
  'provider, last_four, updated_at }. For the function agents, which tests and seals it first. '
  'Service role only.';

create function public.remove_provider_credential(provider text) returns void
language sql volatile security invoker set search_path = ''
as $$ select private.remove_provider_credential(provider) $$;
comment on function public.remove_provider_credential(text) is
  'Deletes the organization''s key of a provider; calls then use the platform''s key. Needs agents.manage. '
  'PT404 credential_not_found.';

create function public.provider_credential(organization_id bigint, provider text) returns text
language sql stable security definer set search_path = ''
as $$
  -- Definer: no API role holds a grant on the keys. Executable by service_role only.
  select k.sealed_key from private.provider_keys k
  where k.organization_id = provider_credential.organization_id and k.provider = provider_credential.provider
$$;
comment on function public.provider_credential(bigint, text) is
  'The sealed key of an organization and provider, for the function agents; null when there is '
  'none. Service role only.';

revoke all on function
  public.store_provider_credential(bigint, uuid, text, text, text), public.remove_provider_credential(text),
  public.provider_credential(bigint, text)
  from public, anon, authenticated, service_role;
grant execute on function public.remove_provider_credential(text) to authenticated;
grant execute on function
  public.store_provider_credential(bigint, uuid, text, text, text), public.provider_credential(bigint, text)
  to service_role;
