import { randomUUID } from 'node:crypto'
import { jwtVerify } from 'jose'
import { beforeAll, describe, expect, test } from 'vitest'
import type { Stack } from '../../dev/stack/stack-options.ts'
import { newClient } from '../support/people/people.ts'
import { sharedFolder } from '../support/stack/stack-folder.ts'

const MIGRATION = `
create function public.custom_access_token_hook(event jsonb) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  if event #>> '{claims,email}' like 'banned-%' then
    return '{"error": {"http_code": 403, "message": "This account is suspended."}}';
  end if;
  return jsonb_build_object('claims', event -> 'claims' || jsonb_build_object(
    'organization_id', 7,
    'hook_ran_as', current_user,
    'hook_method', event ->> 'authentication_method',
    'hook_name', event #>> '{claims,user_metadata,name}'
  ));
end
$$;
revoke execute on function public.custom_access_token_hook(jsonb)
  from public, anon, authenticated, service_role;
grant execute on function public.custom_access_token_hook(jsonb) to supabase_auth_admin;

create function public.who() returns jsonb language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'role', current_user, 'login', session_user, 'uid', auth.uid(), 'claims', auth.jwt()
  )
$$;

create table public.profiles (id uuid primary key references auth.users on delete cascade, name text);
alter table public.profiles enable row level security;
revoke all on public.profiles from anon, authenticated, service_role;
grant select (id) on public.profiles to authenticated;
create policy select_self on public.profiles for select to authenticated using (id = auth.uid());
create function public.new_profile() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  insert into public.profiles values (new.id, new.raw_user_meta_data ->> 'name');
  return new;
end
$$;
create trigger new_profile after insert on auth.users
  for each row execute function public.new_profile();

create function public.escape(target text) returns text language plpgsql as $$
begin
  execute format('set local role %I', target);
  return current_user;
end
$$;
`

const folder = sharedFolder()
let stack: Stack

beforeAll(async () => {
  folder.write('migrations/20260101000000_auth.sql', MIGRATION)
  stack = await folder.start()
})

async function signUp(label = 'ada') {
  const client = newClient(stack.publishableKey, stack.url)
  const account = { email: `${label}-${randomUUID()}@example.com`, password: 'a long password' }
  const { data, error } = await client.auth.signUp({
    ...account,
    options: { data: { name: 'Ada' } },
  })
  return { client, account, session: data.session, error }
}

/** The claims of a token, verified as a function would. */
async function claimsOf(token: string | undefined) {
  const key = new TextEncoder().encode(stack.jwtSecret)
  const { payload } = await jwtVerify(token ?? '', key, {
    issuer: `${stack.url}/auth/v1`,
    audience: 'authenticated',
    algorithms: ['HS256'],
  })
  return payload
}

describe('every token carries what the hook returns', () => {
  const ours = { organization_id: 7, hook_ran_as: 'supabase_auth_admin', hook_name: 'Ada' }

  test('after signing up, signing in and refreshing', async () => {
    const { client, account, session } = await signUp()
    const first = await claimsOf(session?.access_token)
    expect(first).toMatchObject({ ...ours, hook_method: 'password', role: 'authenticated' })
    expect(first).toMatchObject({
      email: account.email,
      aal: 'aal1',
      is_anonymous: false,
      app_metadata: { provider: 'email', providers: ['email'] },
      user_metadata: { name: 'Ada' },
    })
    expect(Number(first.exp) - Number(first.iat)).toBe(3600)

    const refreshed = await client.auth.refreshSession()
    const second = await claimsOf(refreshed.data.session?.access_token)
    expect(second).toMatchObject({ ...ours, hook_method: 'token_refresh' })
    expect(second.session_id).toBe(first.session_id)

    const again = await newClient(stack.publishableKey, stack.url).auth.signInWithPassword(account)
    const third = await claimsOf(again.data.session?.access_token)
    expect(third).toMatchObject(ours)
    expect(third.session_id).not.toBe(first.session_id)
  })

  test('in the fragment of a redirect, too', async () => {
    const { account } = await signUp()
    const client = newClient(stack.publishableKey, stack.url)
    const { email } = account
    const asked = {
      'a magic link': () => client.auth.signInWithOtp({ email }),
      'a link of recovery': () => client.auth.resetPasswordForEmail(email),
    }
    for (const [what, ask] of Object.entries(asked)) {
      const before = folder.lines.length
      expect((await ask()).error, what).toBeNull()
      const mail = folder.lines.slice(before).findLast((line) => line.includes(email))
      // As it is printed: the gateway answers there.
      const link = /https?:\/\/\S+\/verify\?\S+/.exec(mail ?? '')?.[0] ?? ''
      const verify = await fetch(link, { redirect: 'manual' })
      expect(verify.status, what).toBe(303)
      const fragment = new URL(verify.headers.get('location') ?? '').hash.slice(1)
      const token = new URLSearchParams(fragment).get('access_token') ?? undefined
      expect(await claimsOf(token), what).toMatchObject({ ...ours, hook_method: 'otp' })
    }
  })

  test('when the hook refuses, so does signing in', async () => {
    const { error, session } = await signUp('banned')
    expect(session).toBeNull()
    expect(error).toMatchObject({ status: 403, message: 'This account is suspended.' })
  })
})

describe('a token that was issued again', () => {
  test('is accepted by Auth and REST until it is signed out', async () => {
    const { client, account, session } = await signUp()
    const user = await client.auth.getUser()
    expect(user.data.user?.email).toBe(account.email)
    const updated = await client.auth.updateUser({ data: { name: 'Countess' } })
    expect(updated.data.user?.user_metadata).toMatchObject({ name: 'Countess' })

    const headers = {
      apikey: stack.publishableKey,
      authorization: `Bearer ${session?.access_token}`,
      'content-type': 'application/json',
    }
    const post = (path: string, body: object = {}) =>
      fetch(stack.url + path, { method: 'POST', headers, body: JSON.stringify(body) })
    expect(await (await post('/rest/v1/rpc/who')).json()).toMatchObject({
      role: 'authenticated',
      login: 'authenticator',
      uid: session?.user.id,
      claims: { organization_id: 7 },
    })
    expect((await client.auth.signOut()).error).toBeNull()
    expect((await fetch(`${stack.url}/auth/v1/user`, { headers })).status).toBe(403)
    const refresh = await post('/auth/v1/token?grant_type=refresh_token', {
      refresh_token: session?.refresh_token,
    })
    expect(refresh.status).toBe(400)
  })
})

describe('REST', () => {
  test('grants nobody anything: column grants hold after requests', async () => {
    const { session } = await signUp()
    const read = (columns: string) =>
      fetch(`${stack.url}/rest/v1/profiles?select=${columns}`, {
        headers: {
          apikey: stack.publishableKey,
          authorization: `Bearer ${session?.access_token}`,
        },
      })
    expect(await (await read('id')).json()).toEqual([{ id: session?.user.id }])
    const name = await read('name')
    expect([name.status, await name.json()]).toEqual([
      403,
      expect.objectContaining({ code: '42501' }),
    ])
    const anon = await fetch(`${stack.url}/rest/v1/profiles`, {
      headers: { apikey: stack.publishableKey },
    })
    expect(anon.status).toBe(401)
  })

  test.each(['postgres', 'supabase_admin', 'supabase_auth_admin'])(
    'its sessions cannot become %s',
    async (target) => {
      const response = await fetch(`${stack.url}/rest/v1/rpc/escape`, {
        method: 'POST',
        headers: { apikey: stack.secretKey, 'content-type': 'application/json' },
        body: JSON.stringify({ target }),
      })
      expect([response.status, await response.json()]).toEqual([
        403,
        expect.objectContaining({ code: '42501' }),
      ])
    },
  )
})
