import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { addDevice, as } from '../../support/people/tenants.ts'
import { addAgent, begin } from '../../support/rows/executions.ts'
import {
  add,
  explain,
  instruct,
  openSession,
  layerScene,
  sent,
} from '../../support/rows/prompt-layers.ts'
import { connectOwner } from '../../support/stack/database.ts'

const scene = layerScene(connectOwner())

test('every layer is sent in one order: global, organization, project, agent, context, user, sign-in', async () => {
  await scene(async (tx, made) => {
    const { owner, member, project } = made
    await add({ scope: 'global', organization_id: null, content: 'global' })(tx)
    await as(tx, owner, async (t) => {
      await add(
        { scope: 'organization', content: 'support', context: 'support', priority: 9 },
        { scope: 'organization', content: 'project', project_id: project, priority: 9 },
        { scope: 'organization', content: 'organization' },
      )(t)
      await instruct(made, 'agent')(t)
    })
    const session_id = await as(tx, member, async (t) => {
      await add({ scope: 'user', user_id: member.id, content: 'user', priority: 9 })(t)
      await t`update public.user_sessions set system_prompt = 'sign-in' where id = ${member.sessionId}`
      return openSession('support', project)(t)
    })
    const all = ['global', 'organization', 'project', 'agent', 'support', 'user', 'sign-in']
    expect(await sent(tx, made, { session_id })).toEqual(all)
    const explained = await as(tx, member, explain(session_id, made.agent.name))
    expect(explained.map(({ layer, content }) => [layer, content])).toEqual(
      ['global', 'organization', 'project', 'agent', 'context', 'user', 'sign_in'].map(
        (layer, n) => [layer, all[n]],
      ),
    )
    const effective = await as(
      tx,
      member,
      (t) => t<{ content: string }[]>`
        select content from public.get_effective_system_prompts(${session_id}, ${made.agent.name})`,
    )
    expect(effective.map(({ content }) => content)).toEqual(all)
  })
})

test('a layer of a project or of a context goes only there, and the explanation says why it is left out', async () => {
  await scene(async (tx, made) => {
    const { owner, member, project, other } = made
    await as(
      tx,
      owner,
      add(
        { scope: 'organization', content: 'in one', project_id: project },
        { scope: 'organization', content: 'in sales', context: 'sales' },
        { scope: 'organization', content: 'one in sales', context: 'sales', project_id: project },
        { scope: 'organization', content: 'off', enabled: false },
        { scope: 'organization', content: 'not for me' },
      ),
    )
    await as(
      tx,
      member,
      (t) => t`
        insert into client_mgmt.system_prompt_opt_outs (system_prompt_id)
        select id from public.system_prompts where content = 'not for me'`,
    )
    const cases: [string, string | null, string[]][] = [
      ['general', null, []],
      ['support', other, []],
      ['general', project, ['in one']],
      ['sales', other, ['in sales']],
      ['sales', project, ['in one', 'in sales', 'one in sales']],
    ]
    for (const [context, where, expected] of cases) {
      const session_id = await as(tx, member, openSession(context, where))
      expect(await sent(tx, made, { session_id }), `${context} ${where}`).toEqual(expected)
      const rows = await as(tx, member, explain(session_id))
      const shown = rows.filter(({ left_out }) => left_out === null).map(({ content }) => content)
      expect(shown).toEqual(expected)
    }
    const reasons = await as(tx, member, explain())
    expect(new Map(reasons.map(({ content, left_out }) => [content, left_out]))).toEqual(
      new Map([
        ['in one', 'project'],
        ['in sales', 'context'],
        ['one in sales', 'project'],
        ['off', 'disabled'],
        ['not for me', 'opted_out'],
      ]),
    )
  })
})

test('a request that names a project gets its layers, whatever the session says', async () => {
  await scene(async (tx, made) => {
    const layer = { scope: 'organization', content: 'in one', project_id: made.project }
    await as(tx, made.owner, add(layer))
    expect(await sent(tx, made, { project_id: made.project })).toEqual(['in one'])
    expect(await sent(tx, made, { project_id: made.other })).toEqual([])
    const rows = await as(tx, made.member, explain(null, made.agent.name, made.project))
    expect(rows.map(({ left_out }) => left_out)).toEqual([null])
  })
})

test('nobody opts out of the instructions of an agent, and each agent has its own', async () => {
  await scene(async (tx, made) => {
    const silent = await addAgent(tx, made.owner)
    await as(tx, made.owner, instruct(made, 'Be {{brief}}.'))
    expect(await sent(tx, made)).toEqual(['Be {{brief}}.'])
    expect(await sent(tx, made, { agent: silent.name })).toEqual([])
    const [row] = await as(tx, made.member, explain(null, made.agent.name))
    expect(row).toMatchObject({ id: null, layer: 'agent', mandatory: true, left_out: null })
  })
})

test('an execution records the hash of the texts that were sent, and null for none', async () => {
  await scene(async (tx, made) => {
    const hash = async () => {
      const begun = await as(tx, made.member, begin({ agent: made.agent.name }))
      const [row] = await tx<{ prompts_hash: string | null }[]>`
        select prompts_hash from public.agent_executions where id = ${begun.execution_id}`
      return row?.prompts_hash
    }
    expect(await hash()).toBeNull()
    await as(tx, made.owner, async (t) => {
      await add({ scope: 'organization', content: 'Grüße.' })(t)
      await instruct(made, 'Be brief.')(t)
    })
    const texts = (await as(tx, made.member, explain(null, made.agent.name))).map((l) => l.content)
    const expected = createHash('sha256').update(texts.join('\n\n')).digest('hex')
    expect(await hash()).toBe(expected)
    await as(tx, made.owner, instruct(made, 'Be exact.'))
    expect(await hash()).not.toBe(expected)
  })
})

test('the layers of a deleted project go with it', async () => {
  await scene(async (tx, { owner, project }) => {
    await as(tx, owner, add({ scope: 'organization', content: 'x', project_id: project }))
    await as(tx, owner, (t) => t`delete from client_mgmt.projects where id = ${project}`)
    const left = await tx`
      select 1 from public.system_prompts where organization_id = ${owner.organizationId}`
    expect(left).toHaveLength(0)
  })
})

test('the prompt of a sign-in is that device’s alone, and a template may name its workspace', async () => {
  await scene(async (tx, made) => {
    const { member } = made
    const elsewhere = await addDevice(tx, member)
    await as(tx, member, async (t) => {
      await t`
        update public.user_sessions set system_prompt = 'Here.', workspace_path = '/srv/shop'
        where id = ${member.sessionId}`
      await add({
        scope: 'user',
        user_id: member.id,
        content: 'In {{where}}.',
        template: true,
        variables: { where: { type: 'text', source: 'workspace_path' } } as never,
      })(t)
    })
    expect(await sent(tx, made)).toEqual(['In /srv/shop.', 'Here.'])
    expect(await sent(tx, { ...made, member: elsewhere })).toEqual(['In .'])
  })
})
