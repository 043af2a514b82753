-- Sealed values: the older format, and sealing every value again when the key changes.
-- Special: the database never holds a key. It lists ciphertexts, and replaces one only if it is unchanged.

-- ── The older sealed format ───────────────────────────────────────────────────────────────────

create function public.encrypt_token(token text, key text) returns text
language plpgsql volatile security invoker set search_path = ''
as $$
begin
  if token is null or key is null or key = '' then
    raise exception using errcode = '22004', message = 'invalid_request',
      detail = 'Token and key must not be null, and the key must not be empty.';
  end if;
  return encode(extensions.pgp_sym_encrypt(token, key, 'cipher-algo=aes256'), 'base64');
end
$$;
comment on function public.encrypt_token(text, text) is
  'Older format (pgcrypto), for data stored before sealing moved into the function. Service role '
  'only. 22004 for null.';

create function public.decrypt_token(encrypted text, key text) returns text
language plpgsql stable security invoker set search_path = ''
as $$
begin
  if encrypted is null or key is null or key = '' then
    raise exception using errcode = '22004', message = 'invalid_request',
      detail = 'Ciphertext and key must not be null, and the key must not be empty.';
  end if;
  return extensions.pgp_sym_decrypt(decode(encrypted, 'base64'), key);
exception
  when external_routine_invocation_exception or invalid_parameter_value then
    raise exception using errcode = '22023', message = 'decryption_failed',
      detail = 'The key is wrong or the ciphertext is damaged.';
end
$$;
comment on function public.decrypt_token(text, text) is
  'Opens the older format. Service role only. 22004 for null, 22023 decryption_failed for a wrong '
  'key or damaged text; never null.';
revoke all on function public.encrypt_token(text, text), public.decrypt_token(text, text)
  from public, anon, authenticated, service_role;
grant execute on function public.encrypt_token(text, text), public.decrypt_token(text, text) to service_role;

-- ── Key rotation ──────────────────────────────────────────────────────────────────────────────
-- Add each new sealed column to the view and to reseal_value(); a test compares both with the columns whose
-- check is named *_sealed.

create view private.sealed_values with (security_invoker = true) as
select 'private.mcp_bearer_tokens' as table_name, b.organization_id, b.mcp_configuration_id::text as row_key,
  'bearer_token' as column_name, b.bearer_token as value
from private.mcp_bearer_tokens b
union all
select 'private.mcp_header_keys', k.organization_id,
  concat_ws(' ', k.mcp_configuration_id, coalesce(k.user_id::text, 'organization'), k.name), 'sealed_value',
  k.sealed_value
from private.mcp_header_keys k
union all
select 'public.oauth_states', s.organization_id, encode(s.state, 'hex'), 'code_verifier', s.code_verifier
from public.oauth_states s
union all
select 'public.oauth_states', s.organization_id, encode(s.state, 'hex'), 'code', s.code
from public.oauth_states s where s.code is not null
union all
select 'public.mcp_oauth_tokens', t.organization_id, t.user_id || '/' || t.mcp_configuration_id,
  'access_token', t.access_token
from public.mcp_oauth_tokens t
union all
select 'public.mcp_oauth_tokens', t.organization_id, t.user_id || '/' || t.mcp_configuration_id,
  'refresh_token', t.refresh_token
from public.mcp_oauth_tokens t where t.refresh_token is not null
union all
select 'private.oauth_client_secrets', o.organization_id,
  concat_ws(' ', o.source, o.issuer, o.redirect_uri, o.client_id), 'client_secret', s.client_secret
from private.oauth_client_secrets s
join client_mgmt.oauth_clients o on o.organization_id = s.organization_id and o.id = s.oauth_client_id
union all
-- An ended connection keeps the seals of its row and of its client's.
select 'public.mcp_oauth_tokens', r.organization_id, r.user_id || '/' || r.mcp_configuration_id,
  'access_token', r.access_token
from private.mcp_revocations r
union all
select 'public.mcp_oauth_tokens', r.organization_id, r.user_id || '/' || r.mcp_configuration_id,
  'refresh_token', r.refresh_token
from private.mcp_revocations r where r.refresh_token is not null
union all
select 'private.oauth_client_secrets', r.organization_id, concat_ws(
    ' ', r.client ->> 'source', r.client ->> 'issuer', r.client ->> 'redirect_uri', r.client ->> 'client_id'
  ), 'client_secret', r.client_secret
from private.mcp_revocations r where r.client_secret is not null
union all
select 'private.provider_keys', k.organization_id, k.provider, 'sealed_key', k.sealed_key
from private.provider_keys k
union all
select 'private.elicitation_secrets', s.organization_id,
  concat_ws(' ', s.execution_id, e.round, s.tool_call_id), 'request_state', s.request_state
from private.elicitation_secrets s
join conversation.tool_elicitations e using (organization_id, execution_id, tool_call_id)
where s.request_state is not null
union all
select 'private.elicitation_secrets', s.organization_id,
  concat_ws(' ', s.execution_id, e.round, s.tool_call_id), 'answers', s.answers
from private.elicitation_secrets s
join conversation.tool_elicitations e using (organization_id, execution_id, tool_call_id)
where s.answers is not null;
comment on view private.sealed_values is
  'Every sealed value with the place for which it was sealed: table, organization, row, column. No role '
  'has a grant.';
revoke all on private.sealed_values from public, anon, authenticated, service_role;

create function public.list_sealed_values(
  primary_key_id text,
  after_value jsonb default null,
  batch integer default 100
) returns table (table_name text, organization_id bigint, row_key text, column_name text, value text)
language sql stable security definer set search_path = ''
as $$
  -- Definer: the tables deny everyone. Executable by service_role only; returns ciphertexts.
  select v.table_name, v.organization_id, v.row_key, v.column_name, v.value
  from private.sealed_values v
  where split_part(v.value, '.', 2) <> primary_key_id
    and (after_value is null or (v.table_name, v.organization_id, v.row_key, v.column_name, v.value) > (
      after_value ->> 'table_name', (after_value ->> 'organization_id')::bigint,
      after_value ->> 'row_key', after_value ->> 'column_name', coalesce(after_value ->> 'value', '')
    ))
  order by v.table_name, v.organization_id, v.row_key, v.column_name, v.value
  limit least(greatest(batch, 0), 1000)
$$;
comment on function public.list_sealed_values(text, jsonb, integer) is
  'The next values that are sealed with another key than the primary one, after a value. Service role '
  'only.';

create function public.reseal_value(
  table_name text,
  organization_id bigint,
  row_key text,
  column_name text,
  old_value text,
  new_value text
) returns boolean
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: the tables deny everyone. Executable by service_role only. Compares and sets: it keeps a value
-- that a refresh has replaced in the meantime.
#variable_conflict use_column
declare
  organization constant bigint := reseal_value.organization_id;
  replaced boolean;
begin
  case reseal_value.table_name || '.' || reseal_value.column_name
    when 'private.mcp_bearer_tokens.bearer_token' then
      update private.mcp_bearer_tokens b set bearer_token = new_value
      where b.organization_id = organization and b.mcp_configuration_id::text = row_key
        and b.bearer_token = old_value;
    when 'private.mcp_header_keys.sealed_value' then
      update private.mcp_header_keys k set sealed_value = new_value
      where k.organization_id = organization
        and concat_ws(' ', k.mcp_configuration_id, coalesce(k.user_id::text, 'organization'), k.name)
          = row_key
        and k.sealed_value = old_value;
    when 'public.oauth_states.code_verifier' then
      update public.oauth_states s set code_verifier = new_value
      where s.organization_id = organization
        and s.state = decode(row_key, 'hex')
        and s.code_verifier = old_value;
    when 'public.oauth_states.code' then
      update public.oauth_states s set code = new_value
      where s.organization_id = organization and s.state = decode(row_key, 'hex') and s.code = old_value;
    when 'public.mcp_oauth_tokens.access_token' then
      update public.mcp_oauth_tokens t set access_token = new_value
      where t.organization_id = organization and t.user_id || '/' || t.mcp_configuration_id = row_key
        and t.access_token = old_value;
      if not found then
        update private.mcp_revocations r set access_token = new_value
        where r.organization_id = organization and r.user_id || '/' || r.mcp_configuration_id = row_key
          and r.access_token = old_value;
      end if;
    when 'public.mcp_oauth_tokens.refresh_token' then
      update public.mcp_oauth_tokens t set refresh_token = new_value
      where t.organization_id = organization and t.user_id || '/' || t.mcp_configuration_id = row_key
        and t.refresh_token = old_value;
      if not found then
        update private.mcp_revocations r set refresh_token = new_value
        where r.organization_id = organization and r.user_id || '/' || r.mcp_configuration_id = row_key
          and r.refresh_token = old_value;
      end if;
    when 'private.oauth_client_secrets.client_secret' then
      update private.oauth_client_secrets s set client_secret = new_value
      from client_mgmt.oauth_clients o
      where o.organization_id = organization
        and concat_ws(' ', o.source, o.issuer, o.redirect_uri, o.client_id) = row_key
        and s.organization_id = organization and s.oauth_client_id = o.id and s.client_secret = old_value;
      replaced := found;
      -- Ended connections keep a copy.
      update private.mcp_revocations r set client_secret = new_value
      where r.organization_id = organization and r.client_secret = old_value;
      return replaced or found;
    when 'private.provider_keys.sealed_key' then
      update private.provider_keys k set sealed_key = new_value
      where k.organization_id = organization and k.provider = row_key and k.sealed_key = old_value;
    when 'private.elicitation_secrets.request_state' then
      update private.elicitation_secrets s set request_state = new_value
      where s.organization_id = organization
        and s.execution_id::text = split_part(row_key, ' ', 1)
        and s.request_state = old_value;
    when 'private.elicitation_secrets.answers' then
      update private.elicitation_secrets s set answers = new_value
      where s.organization_id = organization
        and s.execution_id::text = split_part(row_key, ' ', 1)
        and s.answers = old_value;
    else
      raise exception using errcode = '22023', message = 'invalid_request',
        detail = 'The table has no sealed column of this name.';
  end case;
  return found;
end
$$;
comment on function public.reseal_value(text, bigint, text, text, text, text) is
  'Replaces one sealed value if it is unchanged. Returns whether it did. Service role only.';

create function public.sealed_key_usage() returns table (key_id text, sealed_values bigint)
language sql stable security definer set search_path = ''
as $$
  -- Definer: the tables deny everyone. Executable by service_role only.
  select split_part(v.value, '.', 2), count(*) from private.sealed_values v group by 1 order by 1
$$;
comment on function public.sealed_key_usage() is
  'The number of values that each key has sealed. Service role only.';

revoke all on function
  public.list_sealed_values(text, jsonb, integer), public.reseal_value(text, bigint, text, text, text, text),
  public.sealed_key_usage()
  from public, anon, authenticated, service_role;
grant execute on function
  public.list_sealed_values(text, jsonb, integer), public.reseal_value(text, bigint, text, text, text, text),
  public.sealed_key_usage()
  to service_role;
