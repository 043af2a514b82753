import { expect, it } from 'vitest'
import type { ErrorBody } from '../support/agents/invoke.ts'
import { mood, useLenses } from '../support/agents/lens-stage.ts'
import { comeAnonymously } from '../support/people/guests.ts'
import { type Person, signUpAsMember, signUpWithOrganization } from '../support/people/people.ts'

const made = useLenses()

const codeOf = async (response: Response) => [
  response.status,
  ((await response.json()) as ErrorBody).error.code,
]
const runAs = (person: Person, body: object, token?: string) =>
  made.post(person, `lenses/${made.lens}/runs`, body, token)

async function written(): Promise<unknown> {
  const { id } = made.ann.organization
  const [row] = await made.sql`
    select (select count(*)::int from conversation.lens_runs where organization_id = ${id}) as runs,
      (select count(*)::int from public.agent_executions where organization_id = ${id}) as executions`
  return row
}

it('a member without projects.manage, a guest, a key and a stranger run nothing', async () => {
  made.model.answer(mood('calm'))
  const block_id = await made.addBlock('Call', 'Hello')
  const member = await signUpAsMember(made.sql, made.ann.organization)
  const stranger = await signUpWithOrganization('eve')
  await made.ann.client
    .from('organizations')
    .update({ settings: { guests_may_join: true } })
    .eq('id', made.ann.organization.id)
    .throwOnError()
  const guest = await comeAnonymously(made.ann.organization)
  const { data: issued } = await made.ann.client
    .rpc('create_api_key', { name: 'server', permissions: ['agents.invoke', 'projects.manage'] })
    .throwOnError()
  const { key } = issued as unknown as { key: string }

  expect(await codeOf(await runAs(member, { block_id }))).toEqual([403, 'permission_denied'])
  expect(await codeOf(await runAs(guest, { block_id }))).toEqual([403, 'no_organization'])
  expect(await codeOf(await runAs(made.ann, { block_id }, key))).toEqual([401, 'unauthorized'])
  expect(await codeOf(await runAs(made.ann, { block_id }, 'x'))).toEqual([401, 'unauthorized'])
  expect(await codeOf(await runAs(stranger, { block_id }))).toEqual([404, 'lens_not_found'])
  // Their own lens reads no block of others.
  const theirs = await made.addLens(stranger)
  const across = await made.post(stranger, `lenses/${theirs}/runs`, { block_id })
  expect(await codeOf(across)).toEqual([404, 'block_not_found'])
  expect(await written()).toEqual({ runs: 0, executions: 0 })
  for (const person of [member, guest, stranger]) {
    const { error } = await person.client.rpc('estimate_lens_run', {
      lens_id: made.lens,
      block_id,
    })
    expect(error?.message).toMatch(/^(permission_denied|no_organization|lens_not_found)$/)
  }

  const mine = await runAs(made.ann, { block_id })
  expect(mine.status).toBe(200)
  const { id } = (await mine.json()) as { id: number }
  expect(await made.results(member)).toMatchObject([{ result: { mood: 'calm' } }])
  expect(await made.results(stranger)).toEqual([])
  expect(await made.results(guest)).toEqual([])
  for (const person of [member, stranger]) {
    const { error } = await person.client.rpc('cancel_lens_run', { run_id: id })
    expect(error?.message).toMatch(/^(permission_denied|lens_run_not_found)$/)
    const response = await made.post(person, `lens-runs/${id}/continue`)
    expect([403, 404]).toContain(response.status)
  }
})

it.each([
  [{}, 'block_id'],
  [{ block_id: 1, project_id: 1 }, 'block_id'],
  [{ block_id: 0 }, 'block_id'],
  [{ block_id: 1, only: 'all' }, 'only'],
  [{ block_id: 1, lens: 'x' }, 'lens'],
])('a request of another form is refused with its place: %j', async (body, path) => {
  const response = await runAs(made.ann, body)
  expect(response.status).toBe(400)
  expect(((await response.json()) as ErrorBody).error).toMatchObject({
    code: 'invalid_request',
    path,
  })
})

it('a lens, a version, a project and an agent that are not there are refused by name', async () => {
  const block_id = await made.addBlock('Call', 'Hello')
  const codes = [
    await made.post(made.ann, 'lenses/999999999/runs', { block_id }),
    await made.post(made.ann, 'lenses/x/runs', { block_id }),
    await runAs(made.ann, { block_id, version: 7 }),
    await runAs(made.ann, { project_id: 999_999_999 }),
    await runAs(made.ann, { block_id, agent: 'nobody' }),
    await runAs(made.ann, { block_id, model: 'nothing' }),
    await made.post(made.ann, 'lens-runs/999999999/continue'),
  ].map(codeOf)
  expect(await Promise.all(codes)).toEqual([
    [404, 'lens_not_found'],
    [404, 'lens_not_found'],
    [404, 'lens_not_found'],
    [404, 'project_not_found'],
    [404, 'agent_not_found'],
    [404, 'model_not_found'],
    [404, 'lens_run_not_found'],
  ])
  expect(await written()).toEqual({ runs: 0, executions: 0 })
})
