-- API keys: secrets by which a server acts as the member who made them, at the functions only.
-- Special: a key is a row of user_sessions, so the next statement knows when the member loses access, when
-- an organization is suspended and when the key is revoked. PostgREST accepts no key. The functions hand the
-- hash of a key to act_with_api_key(), which becomes the key's session within the transaction that acts.

create table private.api_keys (
  organization_id bigint not null,
  id uuid not null default gen_random_uuid(),
  user_id uuid not null,
  name text not null,
  rotated_at timestamptz,
  last_used_at timestamptz,
  created_at timestamptz not null default now(),
  primary key (organization_id, id),
  constraint api_keys_session_fkey foreign key (organization_id, id)
    references public.user_sessions (organization_id, id) on delete cascade
);
comment on table private.api_keys is
  'API keys by name. The row of user_sessions with the same id has the permissions, the expiry and the '
  'revocation; private.api_key_secrets has the hashes.';
comment on column private.api_keys.last_used_at is
  'Written at most once a minute; null before the first use.';
create index api_keys_user_id_idx on private.api_keys (organization_id, user_id);

create table private.api_key_secrets (
  organization_id bigint not null,
  api_key_id uuid not null,
  secret_hash bytea not null,
  prefix text not null,
  works_until timestamptz,
  created_at timestamptz not null default clock_timestamp(),
  primary key (organization_id, api_key_id, secret_hash),
  constraint api_key_secrets_secret_hash_key unique (secret_hash),
  constraint api_key_secrets_key_fkey foreign key (organization_id, api_key_id)
    references private.api_keys (organization_id, id) on delete cascade
);
comment on table private.api_key_secrets is
  'The secrets of API keys: the newest one, and those of earlier rotations that still work.';
comment on column private.api_key_secrets.secret_hash is
  'Secret: SHA-256 of the key; no API role can read it. A key has 256 random bits, so a fast hash suffices.';
comment on column private.api_key_secrets.prefix is
  'The first characters of the key, by which people know it.';
comment on column private.api_key_secrets.works_until is 'Null for the newest secret.';

alter table private.api_keys enable row level security;
alter table private.api_keys force row level security;
alter table private.api_key_secrets enable row level security;
alter table private.api_key_secrets force row level security;
revoke all on private.api_keys, private.api_key_secrets from public, anon, authenticated, service_role;

insert into private.table_bounds (table_name, reason) values
  ('private.api_keys', '100 rows per member: a new key deletes the oldest ended ones.'),
  ('private.api_key_secrets', 'Three rows per API key.');

-- ── Making and ending ─────────────────────────────────────────────────────────────────────────

create function private.require_key_times(works_from timestamptz, expires_at timestamptz) returns void
language plpgsql stable security invoker set search_path = ''
as $$
begin
  if expires_at is null or expires_at <= works_from or expires_at > works_from + interval '366 days' then
    raise exception using errcode = '22023', message = 'invalid_request',
      detail = 'expires_at: must be in the future, and at most 366 days from now.';
  end if;
end
$$;
comment on function private.require_key_times(timestamptz, timestamptz) is
  'Requires an end within 366 days; else 22023 invalid_request.';

create function private.add_key_secret(organization_id bigint, api_key_id uuid) returns text
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: called by create_api_key() and rotate_api_key() only.
declare
  secret constant text := 'clq_' || rtrim(translate(
    encode(extensions.gen_random_bytes(32), 'base64'), '+/', '-_'), '=');
begin
  insert into private.api_key_secrets (organization_id, api_key_id, secret_hash, prefix)
  values (
    add_key_secret.organization_id, add_key_secret.api_key_id, sha256(convert_to(secret, 'UTF8')),
    left(secret, 10)
  );
  return secret;
end
$$;
comment on function private.add_key_secret(bigint, uuid) is
  'Makes a secret of a key and returns it; only its hash is stored.';

create function private.create_api_key(name text, permissions text[], expires_at timestamptz) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no client may insert a session. For the caller in the active organization only.
#variable_conflict use_column
declare
  organization bigint := private.require_signed_in_member();
  account constant uuid := private.current_user_id();
  ends constant timestamptz := coalesce(create_api_key.expires_at, clock_timestamp() + interval '90 days');
  chosen constant text[] := array(select distinct p from unnest(create_api_key.permissions) p order by p);
  label constant text := btrim(create_api_key.name);
  key_id constant uuid := gen_random_uuid();
  secret text;
begin
  perform private.require_key_times(clock_timestamp(), ends);
  if label is null or char_length(label) not between 1 and 100 then
    raise exception using errcode = '22023', message = 'invalid_request',
      detail = 'name: must have 1 to 100 characters.';
  end if;
  if chosen = '{}' or not chosen <@ private.known_permissions() then
    raise exception using errcode = '22023', message = 'invalid_request',
      detail = 'permissions: must be a list of known permissions, and not empty.';
  end if;
  perform private.lock_access(organization, account);
  -- Again, because the caller may have lost access or a permission during the wait.
  organization := private.require_signed_in_member();
  if not chosen <@ (private.current_session()).permissions then
    raise exception using errcode = '42501', message = 'permission_denied',
      detail = 'The caller does not hold all the permissions of the key.';
  end if;
  if (
    select count(*) from private.api_keys k
    join public.user_sessions s on s.organization_id = k.organization_id and s.id = k.id
    where k.organization_id = organization and k.user_id = account
      and s.revoked_at is null and s.expires_at > clock_timestamp()
  ) >= 20 then
    raise exception using errcode = 'PT409', message = 'too_many_api_keys',
      detail = 'A member has at most 20 API keys that work. Revoke one.';
  end if;
  delete from public.user_sessions s using (
    select e.organization_id, e.id from private.api_keys k
    join public.user_sessions e on e.organization_id = k.organization_id and e.id = k.id
    where k.organization_id = organization and k.user_id = account
      and (e.revoked_at is not null or e.expires_at <= clock_timestamp())
    order by coalesce(e.revoked_at, e.expires_at) desc, e.id
    offset 79
  ) oldest
  where s.organization_id = oldest.organization_id and s.id = oldest.id;

  insert into public.user_sessions (organization_id, id, user_id, key_permissions, expires_at)
  values (organization, key_id, account, chosen, ends);
  insert into private.api_keys (organization_id, id, user_id, name)
  values (organization, key_id, account, label);
  secret := private.add_key_secret(organization, key_id);
  perform private.write_audit_event(
    organization, 'api_key.create', 'api_key', key_id::text,
    jsonb_build_object('name', label, 'permissions', chosen, 'expires_at', ends)
  );
  return jsonb_build_object(
    'id', key_id, 'name', label, 'key', secret, 'prefix', left(secret, 10), 'permissions', to_jsonb(chosen),
    'expires_at', ends, 'old_works_until', null
  );
end
$$;
comment on function private.create_api_key(text, text[], timestamptz) is 'Body of public.create_api_key().';

create function private.rotate_api_key(id uuid, old_works_until timestamptz, expires_at timestamptz)
returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no client may write keys. The caller's own key only: a new secret of another member's key would
-- let the caller act as that member.
#variable_conflict use_column
declare
  organization bigint := private.require_signed_in_member();
  account constant uuid := private.current_user_id();
  key public.user_sessions;
  label text;
  until constant timestamptz := coalesce(
    rotate_api_key.old_works_until, clock_timestamp() + interval '1 day');
  secret text;
begin
  if until > clock_timestamp() + interval '30 days' then
    raise exception using errcode = '22023', message = 'invalid_request',
      detail = 'old_works_until: must be at most 30 days from now.';
  end if;
  perform private.lock_access(organization, account);
  organization := private.require_signed_in_member();
  select s.* into key
  from private.api_keys k
  join public.user_sessions s on s.organization_id = k.organization_id and s.id = k.id
  where k.organization_id = organization and k.id = rotate_api_key.id and k.user_id = account
    and s.revoked_at is null and s.expires_at > clock_timestamp()
  for no key update of s;
  if not found then
    raise exception using errcode = 'PT404', message = 'api_key_not_found',
      detail = 'No API key of the caller that works has this id.';
  end if;
  if rotate_api_key.expires_at is not null then
    perform private.require_key_times(clock_timestamp(), rotate_api_key.expires_at);
    update public.user_sessions s set expires_at = rotate_api_key.expires_at
    where s.organization_id = organization and s.id = key.id;
    key.expires_at := rotate_api_key.expires_at;
  end if;

  update private.api_key_secrets s set works_until = least(coalesce(s.works_until, until), until)
  where s.organization_id = organization and s.api_key_id = key.id;
  delete from private.api_key_secrets s
  where s.organization_id = organization and s.api_key_id = key.id and s.works_until <= clock_timestamp();
  if (
    select count(*) from private.api_key_secrets s
    where s.organization_id = organization and s.api_key_id = key.id
  ) >= 3 then
    raise exception using errcode = 'PT409', message = 'too_many_api_keys',
      detail = 'A key has at most 3 secrets that work. End the old ones: rotate with old_works_until of now.';
  end if;
  secret := private.add_key_secret(organization, key.id);
  update private.api_keys k set rotated_at = clock_timestamp()
  where k.organization_id = organization and k.id = key.id
  returning k.name into label;
  perform private.write_audit_event(
    organization, 'api_key.rotate', 'api_key', key.id::text,
    jsonb_build_object('old_works_until', until, 'expires_at', key.expires_at)
  );
  return jsonb_build_object(
    'id', key.id, 'name', label, 'key', secret, 'prefix', left(secret, 10),
    'permissions', to_jsonb(key.key_permissions), 'expires_at', key.expires_at, 'old_works_until', until
  );
end
$$;
comment on function private.rotate_api_key(uuid, timestamptz, timestamptz) is
  'Body of public.rotate_api_key().';

create function private.revoke_api_key(id uuid) returns void
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no client may update a session's revocation. One's own key, and with members.manage the key of a
-- member of at most the caller's rank.
#variable_conflict use_column
declare
  organization bigint := private.require_organization();
  account constant uuid := private.current_user_id();
  owner uuid;
begin
  select k.user_id into owner from private.api_keys k
  where k.organization_id = organization and k.id = revoke_api_key.id;
  if found and owner <> account and private.has_permission('members.manage') then
    perform private.lock_memberships(organization);
  elsif owner is distinct from account then
    raise exception using errcode = 'PT404', message = 'api_key_not_found',
      detail = 'No API key that the caller may revoke has this id.';
  end if;
  perform private.lock_access(organization, owner);
  organization := private.require_organization(case when owner <> account then 'members.manage' end);
  if (private.current_session()).access_grant_id is not null then
    raise exception using errcode = '42501', message = 'permission_denied',
      detail = 'A break-glass grant changes nothing.';
  end if;
  if owner <> account and exists (
    select 1 from client_mgmt.client_users m
    where m.organization_id = organization and m.user_id = owner and m.ended_at is null
      and private.role_rank(m.role) > private.role_rank((private.current_session()).role)
  ) then
    raise exception using errcode = '42501', message = 'permission_denied',
      detail = 'The member has a higher role than the caller.';
  end if;
  update public.user_sessions s set revoked_at = clock_timestamp(), revoked_by = account
  where s.organization_id = organization and s.id = revoke_api_key.id and s.revoked_at is null;
  if found then
    perform private.write_audit_event(
      organization, 'api_key.revoke', 'api_key', revoke_api_key.id::text,
      jsonb_build_object('owner', owner)
    );
  end if;
end
$$;
comment on function private.revoke_api_key(uuid) is 'Body of public.revoke_api_key().';

create function private.list_api_keys()
returns table (
  id uuid, user_id uuid, name text, prefix text, permissions text[], effective_permissions text[],
  works boolean, created_at timestamptz, expires_at timestamptz, last_used_at timestamptz,
  rotated_at timestamptz, old_works_until timestamptz, revoked_at timestamptz, revoked_by uuid
)
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: no role holds a grant on keys. One's own, and everyone's with members.manage. Never a hash.
#variable_conflict use_column
declare
  organization constant bigint := private.current_organization_id();
  account constant uuid := private.current_user_id();
  manages constant boolean := private.has_permission('members.manage');
begin
  return query
  select k.id, k.user_id, k.name, newest.prefix, s.key_permissions, s.permissions,
    s.is_active and s.revoked_at is null and s.expires_at > statement_timestamp(),
    k.created_at, s.expires_at, k.last_used_at, k.rotated_at, (
      select max(o.works_until) from private.api_key_secrets o
      where o.organization_id = k.organization_id and o.api_key_id = k.id
        and o.works_until > statement_timestamp()
    ), s.revoked_at, s.revoked_by
  from private.api_keys k
  join public.user_sessions s on s.organization_id = k.organization_id and s.id = k.id
  join private.api_key_secrets newest
    on newest.organization_id = k.organization_id and newest.api_key_id = k.id
    and newest.works_until is null
  where k.organization_id = organization and (k.user_id = account or manages)
  order by k.created_at desc, k.id;
end
$$;
comment on function private.list_api_keys() is 'Body of public.list_api_keys().';

-- ── Acting ────────────────────────────────────────────────────────────────────────────────────

create function private.find_api_key(key_hash text) returns public.user_sessions
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: no role holds a grant on the hashes. One lookup by a unique hash: no comparison whose time says
-- how much of a key is right. An absent, ended, rotated and revoked key, and one whose member lost access,
-- are one answer.
declare
  session public.user_sessions;
begin
  if key_hash ~ '^[0-9a-f]{64}$' then
    select s.* into session
    from private.api_key_secrets x
    join public.user_sessions s on s.organization_id = x.organization_id and s.id = x.api_key_id
    where x.secret_hash = decode(key_hash, 'hex')
      and (x.works_until is null or x.works_until > statement_timestamp())
      and s.key_permissions is not null
      and s.is_active and s.revoked_at is null and s.expires_at > statement_timestamp();
  end if;
  if session.id is null then
    raise exception using errcode = 'PT401', message = 'unauthorized',
      detail = 'The API key is unknown, has ended or was revoked.';
  end if;
  return session;
end
$$;
comment on function private.find_api_key(text) is
  'The session of the API key with this SHA-256, in hexadecimal, while it works; else PT401 unauthorized.';

create function private.enter_api_key(key_hash text) returns void
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: calls find_api_key() and act_as_session(), which no API role may.
declare
  key constant public.user_sessions := private.find_api_key(key_hash);
begin
  perform private.act_as_session(key.id, key.organization_id);
end
$$;
comment on function private.enter_api_key(text) is
  'Makes the API key with this SHA-256 the caller of the transaction; PT401 unauthorized.';

create function private.note_api_key_use() returns void
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no role holds a grant to update keys. Only the caller's own one; nothing for a person. It waits
-- for no lock, and writes at most once a minute.
begin
  update private.api_keys k set last_used_at = clock_timestamp()
  from (
    select l.organization_id, l.id from private.api_keys l
    where l.organization_id = private.current_organization_id() and l.id = private.claim_uuid('session_id')
      and (l.last_used_at is null or l.last_used_at <= clock_timestamp() - interval '1 minute')
    for no key update skip locked
  ) free
  where k.organization_id = free.organization_id and k.id = free.id;
end
$$;
comment on function private.note_api_key_use() is 'Writes down that the API key of the caller was used.';

create function public.identify_api_key(key_hash text) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: as private.find_api_key(). Executable by service_role only, and it does nothing but answer.
declare
  session constant public.user_sessions := private.find_api_key(key_hash);
begin
  return jsonb_build_object(
    'user_id', session.user_id, 'session_id', session.id, 'organization_id', session.organization_id
  );
end
$$;
comment on function public.identify_api_key(text) is
  '{ user_id, session_id, organization_id } of the API key with this SHA-256, in hexadecimal; PT401 '
  'unauthorized. Service role only: a function counts the requests of a person by it.';

create function public.act_with_api_key(key_hash text, call text, arguments jsonb) returns json
language plpgsql volatile security invoker set search_path = ''
as $$
-- Invoker, because a definer function cannot change its role. From the change on, the statements run as
-- authenticated with the claims of the key's session, and the policies decide. The secret key alone gets no
-- further than the first line.
declare
  providers constant text[] := case jsonb_typeof(arguments -> 'providers')
    when 'array' then array(select jsonb_array_elements_text(arguments -> 'providers')) end;
  execution constant uuid := (arguments ->> 'execution_id')::uuid;
  answer json;
begin
  perform private.enter_api_key(key_hash);
  perform set_config('role', 'authenticated', true);
  perform private.take_turn(private.current_user_id()::text);
  case call
    when 'available_models' then
      select coalesce(json_agg(m), '[]') into answer from public.available_models(providers) m;
    when 'begin_execution' then
      answer := public.begin_execution(
        arguments -> 'request', arguments ->> 'idempotency_key', providers);
    when 'start_execution' then
      answer := public.start_execution(execution, providers);
    when 'cancel_execution' then
      answer := to_json(public.cancel_execution(execution));
    when 'decide_tool_call' then
      answer := public.decide_tool_call(
        execution, arguments ->> 'tool_call_id', arguments ->> 'decision', providers);
    when 'read_elicitation' then
      answer := public.read_elicitation(execution, arguments ->> 'tool_call_id');
    when 'answer_tool_call' then
      answer := public.answer_tool_call(
        execution, arguments ->> 'tool_call_id', (arguments -> 'round')::integer, arguments -> 'actions',
        arguments ->> 'answers', arguments ->> 'answers_hash', providers);
    when 'read_execution' then
      answer := public.read_execution(
        execution, (arguments -> 'after_seq')::bigint, (arguments -> 'max_batches')::integer);
    when 'read_execution_result' then
      answer := public.read_execution_result(execution);
    when 'read_response' then
      answer := public.read_response(execution);
    when 'search_model' then
      select coalesce(json_agg(m), '[]') into answer from public.search_model() m;
    when 'search' then
      select coalesce(json_agg(s), '[]') into answer
      from jsonb_to_record(arguments) a(
        query text, kinds text[], project_id bigint, "limit" integer, user_id uuid, since timestamptz,
        until timestamptz, after text, mode text, embedding double precision[], embedding_model text
      )
      cross join lateral public.search(
        a.query, a.kinds, a.project_id, a."limit", a.user_id, a.since, a.until, a.after, a.mode, a.embedding,
        a.embedding_model
      ) s;
    else
      raise exception using errcode = '42501', message = 'permission_denied',
        detail = 'An API key does not call this function.';
  end case;
  perform private.note_api_key_use();
  return answer;
end
$$;
comment on function public.act_with_api_key(text, text, jsonb) is
  'Calls one of the functions of an invocation, or of a search, as the API key with this SHA-256, in '
  'hexadecimal, in one transaction that checks the key and acts: call names the function, arguments has its '
  'arguments by name. '
  'Service role only. PT401 unauthorized; else as the function.';

-- ── The RPCs ──────────────────────────────────────────────────────────────────────────────────

create type public.issued_api_key as (
  id uuid, name text, key text, prefix text, permissions text[], expires_at timestamptz,
  old_works_until timestamptz
);
comment on type public.issued_api_key is
  'Answer of create_api_key() and rotate_api_key(): only this answer contains the key.';

create function public.create_api_key(
  name text, permissions text[] default '{agents.invoke}', expires_at timestamptz default null
) returns public.issued_api_key
language sql volatile security invoker set search_path = ''
as $$
  select * from jsonb_populate_record(
    null::public.issued_api_key, private.create_api_key(name, permissions, expires_at)
  )
$$;
comment on function public.create_api_key(text, text[], timestamptz) is
  'Makes an API key of the caller in the active organization, with a part of the caller''s permissions: { '
  'id, name, key, prefix, permissions, expires_at, old_works_until }. Only this answer contains the key. It '
  'expires after 90 days, or at a given time within 366 days. 42501 for a permission that the caller does '
  'not hold; PT409 too_many_api_keys.';

create function public.rotate_api_key(
  id uuid, old_works_until timestamptz default null, expires_at timestamptz default null
) returns public.issued_api_key
language sql volatile security invoker set search_path = ''
as $$
  select * from jsonb_populate_record(
    null::public.issued_api_key, private.rotate_api_key(id, old_works_until, expires_at)
  )
$$;
comment on function public.rotate_api_key(uuid, timestamptz, timestamptz) is
  'Gives the caller''s API key a new secret, which only this answer contains. The earlier ones work until '
  'old_works_until: a day without it, at most 30 days. expires_at prolongs the key. PT404 api_key_not_found.';

create function public.revoke_api_key(id uuid) returns void
language sql volatile security invoker set search_path = ''
as $$ select private.revoke_api_key(id) $$;
comment on function public.revoke_api_key(uuid) is
  'Ends an API key at once and cancels its running executions: one''s own, or with members.manage the key of '
  'a member of at most the caller''s rank. PT404 api_key_not_found.';

create function public.list_api_keys()
returns table (
  id uuid, user_id uuid, name text, prefix text, permissions text[], effective_permissions text[],
  works boolean, created_at timestamptz, expires_at timestamptz, last_used_at timestamptz,
  rotated_at timestamptz, old_works_until timestamptz, revoked_at timestamptz, revoked_by uuid
)
language sql stable security invoker set search_path = ''
as $$ select * from private.list_api_keys() $$;
comment on function public.list_api_keys() is
  'The caller''s API keys in the active organization, or with members.manage everyone''s, never a secret. '
  'permissions were chosen, effective_permissions are those that the member still holds. An ended key stays '
  'listed for 30 days.';

revoke all on function
  private.require_key_times(timestamptz, timestamptz),
  private.add_key_secret(bigint, uuid), private.create_api_key(text, text[], timestamptz),
  private.rotate_api_key(uuid, timestamptz, timestamptz), private.revoke_api_key(uuid),
  private.list_api_keys(), private.find_api_key(text), private.enter_api_key(text),
  private.note_api_key_use(), public.identify_api_key(text), public.act_with_api_key(text, text, jsonb),
  public.create_api_key(text, text[], timestamptz), public.rotate_api_key(uuid, timestamptz, timestamptz),
  public.revoke_api_key(uuid), public.list_api_keys()
  from public, anon, authenticated, service_role;
grant execute on function
  private.create_api_key(text, text[], timestamptz), private.rotate_api_key(uuid, timestamptz, timestamptz),
  private.revoke_api_key(uuid), private.list_api_keys(), private.note_api_key_use(),
  public.create_api_key(text, text[], timestamptz), public.rotate_api_key(uuid, timestamptz, timestamptz),
  public.revoke_api_key(uuid), public.list_api_keys()
  to authenticated;
grant execute on function
  private.enter_api_key(text), public.identify_api_key(text), public.act_with_api_key(text, text, jsonb)
  to service_role;
