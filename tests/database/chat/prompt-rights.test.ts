import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import { addMember, addOwner, as, refusal } from '../../support/people/tenants.ts'
import {
  add,
  explain,
  instruct,
  layerScene,
  openSession,
} from '../../support/rows/prompt-layers.ts'
import { connectOwner } from '../../support/stack/database.ts'

const scene = layerScene(connectOwner())

test('layers of projects and contexts need prompts.manage, instructions agents.manage', async () => {
  await scene(async (tx, made) => {
    const { owner, member, project } = made
    const author = await addMember(tx, owner.organizationId, 'member', ['prompts.manage'])
    const keeper = await addMember(tx, owner.organizationId, 'member', ['agents.manage'])
    const stranger = await addOwner(tx)
    const layers = [
      { scope: 'organization', content: 'x', project_id: project },
      { scope: 'organization', content: 'y', context: 'sales' },
    ]
    for (const layer of layers) {
      for (const person of [member, keeper]) {
        expect(await refusal(tx, person, add(layer))).toMatch(/^42501 .*row-level security/)
      }
      expect(await refusal(tx, author, add(layer))).toBe('allowed')
    }
    expect(await refusal(tx, stranger, add({ ...layers[0] }))).toMatch(/^23503 /)
    for (const person of [member, author]) {
      expect(await refusal(tx, person, instruct(made, 'obey me'))).toBe('42501 permission_denied')
    }
    expect((await as(tx, stranger, instruct(made, 'obey me'))).count).toBe(0)
    expect((await as(tx, keeper, instruct(made, 'be kind'))).count).toBe(1)
    expect(
      await as(
        tx,
        owner,
        (t) => t`select instructions from public.agents
      where organization_id is not null`,
      ),
    ).toEqual([{ instructions: 'be kind' }])
    const move = (t: TransactionSql) =>
      t`update public.system_prompts set project_id = null where project_id is not null`
    expect(await refusal(tx, author, move)).toBe('42501 permission_denied')
  })
})

test('a layer of a person or of the platform belongs to no project', async () => {
  await scene(async (tx, { owner, member, project }) => {
    const own = { scope: 'user', user_id: member.id, content: 'x', project_id: project }
    expect(await refusal(tx, member, add(own))).toMatch(/^23514 .*scope_columns/)
    const general = { scope: 'organization', content: 'x', context: 'general' }
    expect(await refusal(tx, owner, add(general))).toMatch(/^23514 .*system_prompts_context/)
    const mine = { scope: 'user', user_id: member.id, content: 'sales only', context: 'sales' }
    await as(tx, member, add(mine))
    const [row] = await as(tx, member, explain())
    expect(row).toMatchObject({ layer: 'user', left_out: 'context' })
  })
})

test('one explains one’s own sessions only, and gets no other person’s layers', async () => {
  await scene(async (tx, made) => {
    const { owner, member, project } = made
    const session = await as(tx, member, openSession('support', project))
    await as(tx, owner, add({ scope: 'user', user_id: owner.id, content: 'secret' }))
    const stranger = await addOwner(tx)
    for (const person of [owner, stranger]) {
      expect(await refusal(tx, person, explain(session))).toBe('PT404 session_not_found')
    }
    for (const id of [project, '0']) {
      expect(await refusal(tx, stranger, explain(null, null, id))).toBe('PT404 project_not_found')
    }
    expect(await refusal(tx, stranger, explain(null, made.agent.name))).toBe(
      'PT404 agent_not_found',
    )
    expect(await as(tx, member, explain(session))).toEqual([])
    expect(await refusal(tx, 'anon', explain())).toMatch(/^42501 /)
    await as(tx, owner, (t) => t`select public.remove_member(${member.id})`)
    expect(await as(tx, member, explain())).toEqual([])
  })
})

test('the audit log says that instructions changed, and does not repeat them', async () => {
  await scene(async (tx, made) => {
    await as(tx, made.owner, instruct(made, 'between us'))
    const events = await tx<{ details: object }[]>`
      select details from public.audit_logs
      where organization_id = ${made.owner.organizationId} and action = 'agent.update'`
    expect(events).toHaveLength(1)
    expect(JSON.stringify(events)).toContain('instructions')
    expect(JSON.stringify(events)).not.toContain('between us')
  })
})
