-- Foundation: schemas, extensions, default privileges and the helpers that every later file uses.
-- Special: a new object has no grant. The platform's default privileges grant new tables and functions to
-- anon, authenticated and service_role by name, so this file revokes them by name.

create schema if not exists extensions;
create schema private;
create schema client_mgmt;
create schema conversation;

comment on schema private is 'Helpers, secrets and queues. Never exposed through PostgREST.';
comment on schema client_mgmt is 'Account and money: memberships, projects, credentials, budgets, usage.';
comment on schema conversation is
  'Content and its analysis: participants, blocks, turns, lenses, execution events.';

revoke all on schema private, client_mgmt, conversation from public;
-- Policies and column defaults call helpers in private as the caller, so API roles need usage. Each
-- function there has its own grant, and PostgREST does not expose the schema.
grant usage on schema private to authenticated, service_role;
grant usage on schema client_mgmt, conversation to anon, authenticated, service_role;
grant usage on schema extensions to anon, authenticated, service_role;

create extension if not exists pgcrypto with schema extensions;

alter default privileges revoke execute on functions from public;
alter default privileges in schema public
  revoke all on tables from anon, authenticated, service_role;
alter default privileges in schema public
  revoke all on sequences from anon, authenticated, service_role;
alter default privileges in schema public
  revoke all on functions from anon, authenticated, service_role;

-- ── Identifiers and timestamps ────────────────────────────────────────────────────────────────

create function private.uuid_v7() returns uuid
language plpgsql volatile security invoker set search_path = ''
as $$
begin
  return encode(
    set_bit(
      set_bit(
        overlay(
          uuid_send(gen_random_uuid())
          placing substring(int8send((extract(epoch from clock_timestamp()) * 1000)::bigint) from 3)
          from 1 for 6
        ),
        52, 1
      ),
      53, 1
    ),
    'hex'
  )::uuid;
end
$$;
comment on function private.uuid_v7() is
  'A version 7 uuid (RFC 9562, section 5.7): milliseconds since the epoch, then random bits.';
revoke all on function private.uuid_v7() from public, anon, authenticated, service_role;
grant execute on function private.uuid_v7() to authenticated, service_role;

create function private.update_updated_at_column() returns trigger
language plpgsql volatile security invoker set search_path = ''
as $$
begin
  new.updated_at := clock_timestamp();
  return new;
end
$$;
comment on function private.update_updated_at_column() is
  'Trigger: sets updated_at to the time of the change.';
revoke all on function private.update_updated_at_column()
  from public, anon, authenticated, service_role;

-- An upsert through PostgREST sets every column it sends, the key's too, so a client needs a grant to update
-- what it may insert. The trigger that calls this says which of the columns a row keeps.
create function private.refuse_kept_columns() returns trigger
language plpgsql volatile security invoker set search_path = ''
as $$
begin
  raise exception using errcode = '42501', message = 'permission_denied',
    detail = 'A row keeps what it was made with: ' || array_to_string(tg_argv, ', ') || '.';
end
$$;
comment on function private.refuse_kept_columns() is
  'Trigger: refuses a client''s change of columns that are set only when a row is made.';
revoke all on function private.refuse_kept_columns() from public, anon, authenticated, service_role;

-- ── Settings ──────────────────────────────────────────────────────────────────────────────────
-- Nothing is stored that no function reads: a trigger of each table names the keys that its settings may
-- have, and refuses every other key by its name.

create function private.parameter_names() returns text[]
language sql immutable security invoker set search_path = ''
as $$
  select array[
    'temperature', 'max_output_tokens', 'top_p', 'top_k', 'stop', 'seed', 'presence_penalty',
    'frequency_penalty', 'reasoning_effort'
  ]
$$;
comment on function private.parameter_names() is
  'The parameters of a model call, as requests and settings name them.';

create function private.parameters_of(settings jsonb) returns jsonb
language sql immutable security invoker set search_path = ''
as $$
  select coalesce(jsonb_object_agg(key, value), '{}')
  from jsonb_each(settings) where key = any (private.parameter_names())
$$;
comment on function private.parameters_of(jsonb) is 'The parameters of a model call among these settings.';

create function private.search_languages() returns text[]
language sql immutable security invoker set search_path = ''
as $$
  select array[
    'simple', 'arabic', 'armenian', 'basque', 'catalan', 'danish', 'dutch', 'english', 'finnish', 'french',
    'german', 'greek', 'hindi', 'hungarian', 'indonesian', 'irish', 'italian', 'lithuanian', 'nepali',
    'norwegian', 'portuguese', 'romanian', 'russian', 'serbian', 'spanish', 'swedish', 'tamil', 'turkish',
    'yiddish'
  ]
$$;
comment on function private.search_languages() is
  'The text search configurations that PostgreSQL 15 and 17 both have.';

create function private.setting_problem(key text, value jsonb) returns text
language plpgsql immutable security invoker set search_path = ''
as $$
declare
  number constant numeric := case jsonb_typeof(value) when 'number' then value::numeric end;
  whole constant numeric := case when number = trunc(number) then number end;
  word constant text := case jsonb_typeof(value) when 'string' then value #>> '{}' end;
begin
  return case key
    when 'temperature' then
      case when number between 0 and 2 then null else 'must be a number from 0 to 2.' end
    when 'top_p' then
      case when number between 0 and 1 then null else 'must be a number from 0 to 1.' end
    when 'max_output_tokens' then
      case when whole between 1 and 1000000 then null else 'must be a whole number from 1 to 1000000.' end
    when 'top_k' then
      case when whole between 1 and 1000 then null else 'must be a whole number from 1 to 1000.' end
    when 'seed' then
      case when whole between -9007199254740991 and 9007199254740991 then null
        else 'must be a whole number.' end
    when 'presence_penalty' then
      case when number between -2 and 2 then null else 'must be a number from -2 to 2.' end
    when 'frequency_penalty' then
      case when number between -2 and 2 then null else 'must be a number from -2 to 2.' end
    when 'stop' then
      case when value @? 'strict $ ? (@.type() == "array" && @.size() >= 1 && @.size() <= 5)'
        and not value @? '$[*] ? (@.type() != "string" || !(@ like_regex "^.{1,200}$" flag "s"))'
        then null else 'must be a list of 1 to 5 texts of 1 to 200 characters.' end
    when 'reasoning_effort' then
      case when word in ('none', 'minimal', 'low', 'medium', 'high', 'xhigh') then null
        else 'must be none, minimal, low, medium, high or xhigh.' end
    when 'provider' then
      case when word is not null then null else 'must be a text.' end
    when 'location' then
      case when word ~ '^[a-z][a-z0-9-]{0,62}$' then null else 'must be a location, such as europe-west1.' end
    when 'max_tokens_parameter' then
      case when word in ('max_tokens', 'max_completion_tokens') then null
        else 'must be max_tokens or max_completion_tokens.' end
    when 'max_steps' then
      case when whole between 1 and 32 then null else 'must be a whole number from 1 to 32.' end
    when 'tools' then
      case when jsonb_typeof(value) = 'boolean' then null else 'must be true or false.' end
    when 'guests_may_join' then
      case when jsonb_typeof(value) = 'boolean' then null else 'must be true or false.' end
    when 'search_language' then
      case when word = any (private.search_languages()) then null
        else 'must be simple, or a language that PostgreSQL has a text search configuration for.' end
    when 'search_model' then
      -- private.follow_search_settings() looks the model up.
      case when char_length(word) between 3 and 300 then null else 'must be agent/model.' end
    else 'has no known form.'
  end;
end
$$;
comment on function private.setting_problem(text, jsonb) is
  'What the value of a setting must be, for a value that it cannot have; else null.';

create function private.check_settings() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: calls helpers that no API role may execute.
declare
  field constant text := tg_argv[0];
  keys constant text[] := private.parameter_names() || tg_argv[1:];
  wrong record;
begin
  select s.key, case
    when s.key = any (keys) then private.setting_problem(s.key, s.value)
    else 'is no setting that anything reads.' end as problem
  into wrong
  from jsonb_each(to_jsonb(new) -> field) s
  where not s.key = any (keys) or private.setting_problem(s.key, s.value) is not null
  order by s.key
  limit 1;
  if found then
    raise exception using errcode = '22023', message = 'invalid_settings',
      detail = format('%s.%s: %s', field, left(wrong.key, 63), wrong.problem);
  end if;
  return new;
end
$$;
comment on function private.check_settings() is
  'Trigger: refuses, by its name, a key of the given column that is no parameter of a model call and none '
  'of the given keys, and a value that its key cannot have; 22023 invalid_settings.';
revoke all on function
  private.parameter_names(), private.parameters_of(jsonb), private.search_languages(),
  private.setting_problem(text, jsonb),
  private.check_settings()
  from public, anon, authenticated, service_role;

-- ── Claims ────────────────────────────────────────────────────────────────────────────────────
-- A pattern checks each claim before a cast. A malformed token gives null, so policies fail closed and no
-- statement fails with an error.

create function private.jwt_claims() returns jsonb
language plpgsql stable security invoker set search_path = ''
as $$
begin
  return nullif(current_setting('request.jwt.claims', true), '')::jsonb;
exception
  -- jsonb refuses some JSON: the character U+0000, a lone surrogate, a number or a depth beyond its limits.
  -- The answer is then an empty object. Null would mean that there is no token.
  when data_exception or program_limit_exceeded then
    return '{}'::jsonb;
end
$$;
comment on function private.jwt_claims() is
  'Claims of the verified access token of this request; null outside one, empty when unreadable.';
revoke all on function private.jwt_claims() from public, anon, authenticated, service_role;
grant execute on function private.jwt_claims() to authenticated, service_role;

create function private.claim_uuid(claim text) returns uuid
language plpgsql stable security invoker set search_path = ''
as $$
declare
  value constant text := private.jwt_claims() ->> claim;
begin
  if value ~ '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$' then
    return value::uuid;
  end if;
  return null;
end
$$;
comment on function private.claim_uuid(text) is 'A claim as uuid; null when absent or malformed.';
revoke all on function private.claim_uuid(text) from public, anon, authenticated, service_role;
grant execute on function private.claim_uuid(text) to authenticated, service_role;

create function private.current_user_id() returns uuid
language plpgsql stable security invoker set search_path = ''
as $$
begin
  return private.claim_uuid('sub');
end
$$;
comment on function private.current_user_id() is
  'The account that the token names. It may be suspended: policies also check '
  'private.current_organization_id(), or use private.current_account_id().';
revoke all on function private.current_user_id() from public, anon, authenticated, service_role;
grant execute on function private.current_user_id() to authenticated, service_role;

create function private.refuse_patterns() returns void
language plpgsql stable security invoker set search_path = ''
as $$
-- A regular expression can run for as long as a statement may, and a statement that writes holds its locks
-- meanwhile. current_query() is the statement of the request, whichever function asks.
begin
  if current_setting('request.method', true) in ('POST', 'PUT', 'PATCH', 'DELETE')
    and current_setting('transaction_read_only') = 'off'
    and current_query() ~ '\s~'
  then
    raise exception using errcode = 'PT400', message = 'pattern_not_allowed',
      detail = 'Only a read is filtered by match or imatch.', hint = 'Use eq, in, like or ilike.';
  end if;
end
$$;
comment on function private.refuse_patterns() is
  'Raises PT400 pattern_not_allowed when the statement of a request may write and has a regular expression.';
revoke all on function private.refuse_patterns() from public, anon, authenticated, service_role;

create function private.refuse_quota(
  detail text, table_name text, scope text, bound text, allowed bigint
) returns void
language plpgsql stable security invoker set search_path = ''
as $$
begin
  raise exception using errcode = 'PT409', message = 'quota_exceeded', detail = refuse_quota.detail,
    hint = jsonb_build_object(
      'table', table_name, 'scope', scope, 'bound', bound, 'allowed', allowed
    )::text;
end
$$;
comment on function private.refuse_quota(text, text, text, text, bigint) is
  'Raises PT409 quota_exceeded; the hint is JSON: { table, scope (member, organization or configuration), '
  'bound (rows or bytes), allowed }.';
revoke all on function private.refuse_quota(text, text, text, text, bigint)
  from public, anon, authenticated, service_role;
