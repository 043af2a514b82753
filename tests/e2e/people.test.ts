import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import {
  claimsOf,
  createOrganization,
  type Person,
  refreshSession,
  signInAgain,
  signUp,
  signUpWithOrganization,
} from '../support/people/people.ts'
import { untilAnswered } from '../support/stack/until-answered.ts'

/** The data of an answer that must be no error. */
function ok<Data>({ data, error }: { data: Data; error: unknown }): NonNullable<Data> {
  if (error !== null) throw error as Error
  if (data === null || data === undefined) throw new Error('the answer has no data')
  return data
}

/** How an answer refuses: `code message`. */
function refused({ error }: { error: { code: string; message: string } | null }): string {
  return error === null ? 'allowed' : `${error.code} ${error.message}`
}

async function invite(by: Person, email: string, role?: string) {
  const args = role === undefined ? { email } : { email, role }
  return ok(await by.client.rpc('invite_member', args))
}

/** A new person who joined by invitation, with a token for the organization. */
async function joinAs(by: Person, role: string): Promise<Person> {
  const person = await signUp(role)
  const { token } = await invite(by, person.email, role)
  ok(await person.client.rpc('accept_invitation', { token: token ?? '' }))
  await refreshSession(person)
  return person
}

const organizationsOf = async (person: Person) =>
  ok(await person.client.from('organizations').select('id')).map(({ id }) => id)

test('signing up makes the account, and nothing of an organization', async () => {
  const person = await signUp()
  const accounts = ok(await person.client.from('users').select('id, email, organization_id'))
  expect(accounts).toEqual([{ id: person.id, email: person.email, organization_id: null }])
  expect(await organizationsOf(person)).toEqual([])
  expect(await claimsOf(person)).not.toHaveProperty('organization_id')
})

test('founding an organization answers what it is; the next token carries it', async () => {
  const founder = await signUp()
  const slug = `acme-${randomUUID()}`
  const founded = ok(await founder.client.rpc('create_organization', { name: 'Acme', slug }))
  expect(founded).toEqual({ id: expect.any(Number) as number, name: 'Acme', slug })
  await refreshSession(founder)
  expect(await claimsOf(founder)).toMatchObject({
    organization_id: founded.id,
    organization_role: 'owner',
  })
  expect(await organizationsOf(founder)).toEqual([founded.id])
})

test('a taken slug is a conflict that names nobody; a bad one is invalid', async () => {
  const { organization } = await signUpWithOrganization()
  const other = await signUp()
  const create = (slug: string) => other.client.rpc('create_organization', { name: 'X', slug })
  const taken = await create(organization.slug)
  expect(refused(taken)).toBe('23505 conflict')
  expect(taken.status).toBe(409)
  expect(taken.error?.details).toBe('The slug is taken.')
  expect(refused(await create('Not A Slug'))).toBe('22023 invalid_request')
})

test('switching moves this session; the other device stays where it is', async () => {
  const person = await signUpWithOrganization('first')
  const phone = await signInAgain(person)
  const second = await createOrganization(person, 'second')
  const switched = await person.client.rpc('switch_organization', { organization_id: second.id })
  expect(ok(switched)).toEqual({ organization_id: second.id, role: 'owner' })
  expect(await organizationsOf(person), 'the old token').toEqual([])
  await refreshSession(person)
  expect(await organizationsOf(person)).toEqual([second.id])
  await refreshSession(phone)
  expect(await organizationsOf(phone)).toEqual([person.organization.id])
  const foreign = (await signUpWithOrganization()).organization.id
  for (const organization_id of [foreign, 999_999_999]) {
    const answer = await person.client.rpc('switch_organization', { organization_id })
    expect(refused(answer)).toBe('PT404 organization_not_found')
  }
})

test('an invitation shows its token once and lets the invited person in, in that role', async () => {
  const owner = await signUpWithOrganization()
  const guest = await signUp()
  const invitation = await invite(owner, guest.email, 'admin')
  expect(invitation).toMatchObject({ email: guest.email, role: 'admin' })
  expect(invitation.token).toMatch(/^[0-9a-f]{64}$/)
  expect(Date.parse(invitation.expires_at ?? '')).toBeGreaterThan(Date.now())
  const table = () => owner.client.schema('client_mgmt').from('invitations')
  const rows = ok(await table().select('id, email, accepted_at, invited_by'))
  expect(rows).toEqual([
    { id: invitation.id, email: guest.email, accepted_at: null, invited_by: owner.id },
  ])
  expect(JSON.stringify(ok(await table().select('*')))).not.toContain('token')

  const accepted = await guest.client.rpc('accept_invitation', { token: invitation.token ?? '' })
  expect(ok(accepted)).toEqual({ organization_id: owner.organization.id, role: 'admin' })
  await refreshSession(guest)
  expect(await organizationsOf(guest)).toEqual([owner.organization.id])
})

test('used, revoked, someone else’s and unknown invitations are one and the same answer', async () => {
  const owner = await signUpWithOrganization()
  const [guest, stranger] = [await signUp(), await signUp()]
  const used = await invite(owner, guest.email)
  ok(await guest.client.rpc('accept_invitation', { token: used.token ?? '' }))
  const revoked = await invite(owner, stranger.email)
  const { error } = await owner.client.rpc('revoke_invitation', { id: revoked.id ?? 0 })
  expect(error).toBeNull()
  const foreign = await invite(owner, (await signUp()).email)
  const answers = []
  for (const token of [used.token, revoked.token, foreign.token, 'unknown', '']) {
    answers.push(await stranger.client.rpc('accept_invitation', { token: token ?? '' }))
  }
  for (const answer of answers) expect(answer).toEqual(answers[0])
  expect(refused(answers[0] as (typeof answers)[number])).toBe('PT404 invalid_invitation')
})

test('fifty acceptances of one invitation at once make one membership', async () => {
  const owner = await signUpWithOrganization()
  const guest = await signUp()
  const { token } = await invite(owner, guest.email)
  const devices = [guest, ...(await Promise.all([1, 2, 3, 4].map(() => signInAgain(guest))))]
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, n) =>
      untilAnswered(() =>
        (devices[n % 5] ?? guest).client.rpc('accept_invitation', { token: token ?? '' }),
      ),
    ),
  )
  const outcomes = answers.map(refused)
  expect(outcomes.filter((outcome) => outcome === 'allowed')).toHaveLength(1)
  expect(new Set(outcomes)).toEqual(new Set(['allowed', 'PT404 invalid_invitation']))
  const members = ok(await owner.client.rpc('organization_members'))
  expect(members.filter(({ user_id }) => user_id === guest.id)).toHaveLength(1)
})

test('roles change as far as one’s own reaches, and count from the next request on', async () => {
  const owner = await signUpWithOrganization()
  const admin = await joinAs(owner, 'admin')
  const member = await joinAs(owner, 'member')
  const setRole = (by: Person, of: Person, role: string, permissions?: string[]) =>
    by.client.rpc(
      'set_member_role',
      permissions === undefined ? { user_id: of.id, role } : { user_id: of.id, role, permissions },
    )
  for (const answer of [
    await setRole(member, member, 'admin'),
    await setRole(admin, member, 'owner'),
    await setRole(admin, owner, 'member'),
    await setRole(admin, member, 'member', ['billing.manage']),
    await setRole(admin, admin, 'admin', ['content.read_all']),
  ]) {
    expect(refused(answer)).toBe('42501 permission_denied')
    expect(answer.status).toBe(403)
  }
  expect(refused(await setRole(owner, member, 'emperor'))).toBe('22023 invalid_request')
  expect(ok(await setRole(owner, member, 'member', ['audit.read']))).toEqual({
    user_id: member.id,
    role: 'member',
    permissions: ['audit.read'],
  })
  const audit = () => member.client.from('audit_logs').select('action')
  expect(ok(await audit()).length).toBeGreaterThan(0)
  ok(await setRole(owner, member, 'member', []))
  expect(ok(await audit())).toEqual([])
})

test('of two owners who demote each other at once one stays; the last one cannot leave', async () => {
  const one = await signUpWithOrganization()
  const two = await joinAs(one, 'owner')
  const answers = await Promise.all([
    one.client.rpc('set_member_role', { user_id: two.id, role: 'member' }),
    two.client.rpc('set_member_role', { user_id: one.id, role: 'member' }),
  ])
  expect(answers.map(refused).sort()).toEqual(['42501 permission_denied', 'allowed'])
  const last = refused(answers[0]) === 'allowed' ? one : two
  expect(refused(await last.client.rpc('leave_organization'))).toBe('PT409 last_owner')
  const demoted = await last.client.rpc('set_member_role', { user_id: last.id, role: 'member' })
  expect(refused(demoted)).toBe('PT409 last_owner')
  expect(refused(await last.client.rpc('remove_member', { user_id: last.id }))).toBe(
    'PT409 last_owner',
  )
})

test('who is removed or leaves reads nothing and writes nothing with the token that is left', async () => {
  const owner = await signUpWithOrganization()
  const [removed, leaver] = [await joinAs(owner, 'admin'), await joinAs(owner, 'member')]
  const { error } = await owner.client.rpc('remove_member', { user_id: removed.id })
  expect(error).toBeNull()
  expect((await leaver.client.rpc('leave_organization')).error).toBeNull()
  for (const person of [removed, leaver]) {
    expect(await organizationsOf(person)).toEqual([])
    expect(ok(await person.client.rpc('organization_members'))).toEqual([])
    const write = await person.client.from('chat_sessions').insert({ title: 'still here' })
    expect(write.error?.code).toBe('42501')
    expect(write.status).toBe(403)
    await refreshSession(person)
    expect(await claimsOf(person)).not.toHaveProperty('organization_id')
  }
  const again = await owner.client.rpc('remove_member', { user_id: removed.id })
  expect(refused(again)).toBe('PT404 member_not_found')
})
