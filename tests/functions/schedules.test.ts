import { beforeAll, expect, it } from 'vitest'
import { callFunction } from '../support/agents/invoke.ts'
import {
  accessToken,
  type Organization,
  type Person,
  signUpWithOrganization,
} from '../support/people/people.ts'
import { makeDue } from '../support/rows/schedules.ts'
import { connectOwner } from '../support/stack/database.ts'
import { useStack } from '../support/stack/stack.ts'

const sql = connectOwner()
let ann: Person & { organization: Organization }
let key: string

beforeAll(async () => {
  ann = await signUpWithOrganization('ann')
  const { data } = await ann.client.rpc('create_api_key', { name: 'server' }).throwOnError()
  key = (data as unknown as { key: string }).key
})

const sweep = async () => {
  const headers = { apikey: useStack().cleanupKey }
  const response = await callFunction('session-cleanup', { headers })
  expect(response.status).toBe(200)
}

const create = async (given: object = {}) => {
  const { data } = await ann.client
    .rpc('create_schedule', {
      name: 'Report',
      agent: 'droid',
      message: 'Write the report.',
      cron: '0 8 * * *',
      time_zone: 'Europe/Berlin',
      ...given,
    })
    .throwOnError()
  return (data as unknown as { id: string }).id
}

const runsOf = async (schedule_id: string) => {
  const { data } = await ann.client.rpc('list_schedule_runs', { schedule_id }).throwOnError()
  return data
}

const poll = (execution: string, token: string) =>
  callFunction(`agents/executions/${execution}`, { token, method: 'GET' })

it('sweeps at once run what is due once, and a server polls the answer by its key', async () => {
  const id = await create()
  await makeDue(sql, id)
  await Promise.all([sweep(), sweep(), sweep()])
  await expect
    .poll(() => runsOf(id), { timeout: 60_000 })
    .toMatchObject([{ status: 'success', error_code: null }])
  const [run] = await runsOf(id)
  const execution = run?.execution_id ?? ''
  const response = await poll(execution, key)
  expect(response.status).toBe(200)
  expect(await response.json()).toMatchObject({
    execution_id: execution,
    status: 'success',
    finish_reason: 'stop',
    error_code: null,
    message: { role: 'assistant' },
    usage: {},
  })
  await sweep()
  expect(await runsOf(id)).toHaveLength(1)
  const [chat] = await sql`
    select s.title, s.user_id from public.agent_executions x
    join public.chat_sessions s on s.id = x.session_id where x.id = ${execution}`
  expect(chat).toEqual({ title: 'Report', user_id: ann.id })
})

it('an execution of another person is none to poll', async () => {
  const bob = await signUpWithOrganization('bob')
  const id = await create()
  await makeDue(sql, id)
  await sweep()
  await expect.poll(() => runsOf(id), { timeout: 60_000 }).toHaveLength(1)
  const [run] = await runsOf(id)
  const refused = await poll(run?.execution_id ?? '', await accessToken(bob))
  expect(refused.status).toBe(404)
  const wrong = await poll('not-a-uuid', key)
  expect(wrong.status).toBe(404)
  const posted = await callFunction(`agents/executions/${run?.execution_id ?? ''}`, { token: key })
  expect(posted.status).toBe(405)
})

it('more schedules than run at once all have their run', async () => {
  const ids: string[] = []
  for (let n = 0; n < 10; n++) ids.push(await create({ name: `Report ${n}` }))
  for (const id of ids) await makeDue(sql, id)
  await sweep()
  await expect
    .poll(async () => (await Promise.all(ids.map(runsOf))).map((runs) => runs[0]?.status), {
      timeout: 90_000,
    })
    .toEqual(ids.map(() => 'success'))
})
