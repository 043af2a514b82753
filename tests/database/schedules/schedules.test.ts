import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import { addMember, addOwner, as, refusal } from '../../support/people/tenants.ts'
import { actWith, makeKey } from '../../support/rows/api-keys.ts'
import { addAgent } from '../../support/rows/executions.ts'
import { listSchedules, makeSchedule } from '../../support/rows/schedules.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()
const pause = (id: string) => (t: TransactionSql) => t`select public.pause_schedule(${id})`
const resume = (id: string) => (t: TransactionSql) => t`select public.resume_schedule(${id})`
const remove = (id: string) => (t: TransactionSql) => t`select public.delete_schedule(${id})`
const invalid = '22023 invalid_request'

const addPrompt = (tx: TransactionSql, { organizationId }: { organizationId: number }) => tx`
  insert into client_mgmt.prompts (organization_id, name, template, variables)
  values (${organizationId}, 'daily', 'Write about {{topic}}.', ${tx.json({ topic: { type: 'text' } })})`

test('a member makes, lists, pauses, resumes and deletes a schedule, and each is audited', async () => {
  await rolledBack(sql, async (tx) => {
    const { organizationId } = await addOwner(tx)
    const member = await addMember(tx, organizationId)
    const { name: agent } = await addAgent(tx, member)
    await addPrompt(tx, member)
    const prompt = { name: 'daily', variables: { topic: 'sales' } }
    const made = await as(tx, member, makeSchedule({ agent, cron: ' 0  8 * * * ', prompt }))
    expect(made.next_due_at.getTime()).toBeGreaterThan(Date.now())
    const [listed] = await listSchedules(tx, member)
    expect(listed).toMatchObject({ ...made, agent, prompt, cron: '0 8 * * *', paused_reason: null })
    await as(tx, member, pause(made.id))
    const [paused] = await listSchedules(tx, member)
    expect(paused).toMatchObject({ next_due_at: null, paused_reason: 'requested' })
    await as(tx, member, resume(made.id))
    const [resumed] = await listSchedules(tx, member)
    expect(resumed).toMatchObject({ next_due_at: made.next_due_at, paused_reason: null })
    await as(tx, member, remove(made.id))
    expect(await listSchedules(tx, member)).toEqual([])
    const events = await tx`
      select action, user_id from public.audit_logs
      where organization_id = ${organizationId} and resource_id = ${made.id} order by sequence`
    expect(events).toEqual(
      ['create', 'pause', 'resume', 'delete'].map((action) => ({
        action: `schedule.${action}`,
        user_id: member.id,
      })),
    )
    const left = await tx`select 1 from public.user_sessions where id = ${made.id}`
    expect(left).toHaveLength(0)
  })
})

test('a wrong field is refused by its name', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const { name: agent } = await addAgent(tx, owner)
    await addPrompt(tx, owner)
    const prompt = (variables: object) => ({ name: 'daily', variables })
    for (const [given, expected] of [
      [{ cron: 'hourly' }, invalid],
      [{ cron: '*/10 * * * * *' }, invalid],
      [{ cron: '0 0 31 4 *' }, invalid],
      [{ cron: null }, invalid],
      ...['Berlin', 'CEST', 'europe/berlin', 'CET-1', 'UTC+2', 'posix/UTC', '', null].map(
        (time_zone) => [{ time_zone }, invalid] as const,
      ),
      [{ name: ' ' }, invalid],
      [{ message: '' }, invalid],
      [{ message: 'é'.repeat(8_193) }, invalid],
      [{ agent: null }, invalid],
      [{ agent: 'none' }, 'PT404 agent_not_found'],
      [{ prompt: { name: 'none' } }, 'PT404 prompt_not_found'],
      [{ prompt: prompt({}) }, invalid],
      [{ prompt: prompt({ topic: 'sales', tone: 'warm' }) }, invalid],
      [{ prompt: prompt({ topic: 7 }) }, invalid],
      [{ prompt: { ...prompt({ topic: 'x' }), more: 1 } }, invalid],
    ] as const) {
      const refused = await refusal(tx, owner, makeSchedule({ agent, ...given }))
      expect(refused, JSON.stringify(given)).toBe(expected)
    }
    expect(await listSchedules(tx, owner)).toEqual([])
  })
})

test('a manager sees and pauses the schedule of a member without its words; another member does not', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const [member, other] = [
      await addMember(tx, owner.organizationId),
      await addMember(tx, owner.organizationId),
    ]
    const stranger = await addOwner(tx)
    const { name: agent } = await addAgent(tx, owner)
    const { id } = await as(tx, member, makeSchedule({ agent }))
    expect(await listSchedules(tx, owner)).toMatchObject([{ id, message: null, prompt: null }])
    for (const actor of [other, stranger]) {
      expect(await listSchedules(tx, actor)).toEqual([])
      for (const change of [pause(id), resume(id), remove(id)]) {
        expect(await refusal(tx, actor, change)).toBe('PT404 schedule_not_found')
      }
    }
    await as(tx, owner, pause(id))
    // It acts as its member: only the member says that it goes on.
    expect(await refusal(tx, owner, resume(id))).toBe('PT404 schedule_not_found')
    expect(await listSchedules(tx, member)).toMatchObject([{ paused_reason: 'requested' }])
    await as(tx, member, resume(id))
    await as(tx, owner, remove(id))
    expect(await listSchedules(tx, member)).toEqual([])
  })
})

test('a guest, an API key and the secret key make no schedule', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const guest = await addMember(tx, owner.organizationId, 'guest')
    const { name: agent } = await addAgent(tx, owner)
    expect(await refusal(tx, guest, makeSchedule({ agent }))).toBe('42501 no_organization')
    expect(await refusal(tx, 'service_role', makeSchedule({ agent }))).toMatch(/^42501/)
    const { key } = await as(tx, owner, makeKey())
    const byKey = await refusal(tx, 'service_role', async (t) => {
      await actWith(key, 'available_models')(t)
      await makeSchedule({ agent })(t)
    })
    expect(byKey).toBe('42501 permission_denied')
    for (const actor of [owner, 'authenticated', 'anon'] as const) {
      const begin = (t: TransactionSql) => t`select public.begin_due_schedule()`
      expect(await refusal(tx, actor, begin)).toMatch(/^42501/)
    }
  })
})

test('a schedule is no API key: no key of the member is counted, rotated or revoked by it', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const { name: agent } = await addAgent(tx, owner)
    const { id } = await as(tx, owner, makeSchedule({ agent }))
    for (let n = 0; n < 20; n++) await as(tx, owner, makeKey())
    expect(await refusal(tx, owner, makeKey())).toBe('PT409 too_many_api_keys')
    const rotate = (t: TransactionSql) => t`select public.rotate_api_key(${id})`
    expect(await refusal(tx, owner, rotate)).toBe('PT404 api_key_not_found')
    const revoke = (t: TransactionSql) => t`select public.revoke_api_key(${id})`
    expect(await refusal(tx, owner, revoke)).toBe('PT404 api_key_not_found')
  })
})

test('a member has at most 20 schedules, and a deletion makes room', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const { name: agent } = await addAgent(tx, owner)
    const ids = []
    for (let n = 0; n < 20; n++) ids.push((await as(tx, owner, makeSchedule({ agent }))).id)
    expect(await refusal(tx, owner, makeSchedule({ agent }))).toBe('PT409 quota_exceeded')
    const second = await addMember(tx, owner.organizationId)
    await as(tx, second, makeSchedule({ agent }))
    await as(tx, owner, remove(ids[0] ?? ''))
    await as(tx, owner, makeSchedule({ agent }))
  })
})
