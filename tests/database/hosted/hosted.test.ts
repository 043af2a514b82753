import { randomUUID } from 'node:crypto'
import { beforeAll, expect, test } from 'vitest'
import { compareDumps, dumpObjects } from '../../../dev/check/catalog-dump.ts'
import { outcome } from '../../support/people/tenants.ts'
import { actAs } from '../../support/stack/database.ts'
import { founder, issue, rest, signUp } from '../../support/stack/hosted-people.ts'
import { deploy, type Hosted, hostedServer, olderDefaults } from '../../support/stack/hosted.ts'

const project = hostedServer()

let older: Hosted
beforeAll(async () => {
  older = await project('older', olderDefaults)
  await deploy(older)
}, 60_000)

test('older and newer default privileges lead to the same objects, twice the same', async () => {
  const newer = await project('newer')
  await deploy(newer)
  const objects = await dumpObjects(newer.postgres)
  // What an older project grants by itself, less what the migrations took back.
  const own = (lines: string[]) => lines.filter((line) => !line.startsWith('default privileges '))
  expect(objects.length).toBeGreaterThan(1_000)
  expect(compareDumps(own(await dumpObjects(older.postgres)), own(objects))).toEqual([])
  await deploy(newer)
  expect(compareDumps(objects, await dumpObjects(newer.postgres))).toEqual([])
  const [who] = await newer.postgres`select rolsuper from pg_roles where rolname = current_user`
  expect(who).toEqual({ rolsuper: false })
}, 60_000)

test('a person walks from sign-up to deletion as the roles of Auth and PostgREST', async () => {
  const database = older
  const owner = await founder(database)
  expect(owner.claims).toMatchObject({ organization_role: 'owner' })

  const session = randomUUID()
  const [created] = await rest(
    database,
    owner,
    (tx) => tx`
      insert into public.chat_sessions (id, title) values (${session}, 'First') returning id, title`,
  )
  expect(created).toEqual({ id: session, title: 'First' })
  const invitation = `${randomUUID()}@example.com`
  const [invited] = await rest(
    database,
    owner,
    (tx) => tx<{ token: string }[]>`select * from public.invite_member(${invitation}, 'member')`,
  )
  const invitee = await issue(database, await signUp(database, invitation))
  await rest(
    database,
    invitee,
    (tx) => tx`select * from public.accept_invitation(${invited?.token ?? ''})`,
  )
  const member = await issue(database, invitee, 'token_refresh')
  const organization = owner.claims['organization_id']
  expect(member.claims).toMatchObject({
    organization_id: organization,
    organization_role: 'member',
  })
  const seen = await rest(database, member, (tx) => tx`select id from public.chat_sessions`)
  expect([...seen]).toEqual([])
  const stranger = await founder(database)
  const foreign = await rest(
    database,
    stranger,
    (tx) => tx`update public.chat_sessions set title = 'x' where id = ${session} returning id`,
  )
  expect([...foreign]).toEqual([])

  await rest(database, owner, (tx) => tx`delete from public.chat_sessions where id = ${session}`)
  await rest(database, member, (tx) => tx`select public.leave_organization()`)
  const left = rest(
    database,
    member,
    (tx) => tx`insert into public.chat_sessions (title) values ('x')`,
  )
  expect(await outcome(left)).toMatch(/^42501 /)
  await database.auth`delete from auth.users where id = ${member.id}`
  const [account] = await database.postgres`select 1 from public.users where id = ${member.id}`
  expect(account).toBeUndefined()
})

test('people and sessions from before the migrations found an organization', async () => {
  const database = await project('people', olderDefaults)
  // The trigger as guides name it, on a table of the project's own.
  await database.postgres.unsafe(`
    create table public.profiles (id uuid primary key references auth.users, name text);
    create function public.handle_new_user() returns trigger language plpgsql security definer
      set search_path = '' as $$
      begin insert into public.profiles (id) values (new.id); return new; end $$;
    create trigger on_auth_user_created after insert on auth.users
      for each row execute function public.handle_new_user();
    insert into auth.users (id, raw_user_meta_data, is_anonymous) values (gen_random_uuid(), null, true);
  `)
  const before = await signUp(database)
  await deploy(database)
  const accounts = await database.postgres`
    select u.id, u.display_name from public.users u join auth.users a using (id) order by u.display_name`
  expect(accounts.map((row) => row.display_name as unknown)).toEqual(['Ada', null])

  const person = await issue(database, before, 'token_refresh')
  await rest(
    database,
    person,
    (tx) => tx`select * from public.create_organization('Early', 'early')`,
  )
  expect((await issue(database, person, 'token_refresh')).claims).toMatchObject({
    organization_role: 'owner',
  })

  // An account that is missing all the same, say after a restore, is made by the hook.
  const late = await signUp(database)
  await database.postgres`delete from public.users where id = ${late.id}`
  await issue(database, late)
  await rest(database, late, async (tx) => {
    await actAs(tx, 'authenticated', { sub: late.id, session_id: late.session })
    await tx`select * from public.create_organization('Late', 'late')`
  })
}, 60_000)
