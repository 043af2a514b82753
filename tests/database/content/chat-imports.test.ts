import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import {
  type Actor,
  addMember,
  addOwner,
  as,
  type Member,
  refusal,
} from '../../support/people/tenants.ts'
import { refusedDetail } from '../../support/people/refused-detail.ts'
import { addAgent, invoke } from '../../support/rows/executions.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()

interface Imported {
  block_id: string
  turns: number
  added: number
}

interface Scene {
  owner: Member
  project: string
  agent: string
  session: string
  answer: string
}

const bring = (session: string, project: string) => async (tx: TransactionSql) => {
  const [row] = await tx<Imported[]>`
    select * from public.import_chat_session(${session}, ${project})`
  if (row === undefined) throw new Error('import_chat_session answered nothing')
  return row
}

const addProject = async (tx: TransactionSql, { organizationId }: Member, name = 'Research') => {
  const [row] = await tx<{ id: string }[]>`
    insert into client_mgmt.projects (organization_id, name) values (${organizationId}, ${name})
    returning id`
  return row?.id ?? ''
}

const spoken = (tx: TransactionSql, actor: Actor, block: string) =>
  as(
    tx,
    actor,
    (t) => t<{ name: string; type: string; content: string }[]>`
      select p.name, p.type, t.content
      from conversation.block_turns b
      join conversation.turns t on t.id = b.turn_id
      join conversation.participants p on p.id = t.participant_id
      where b.block_id = ${block} order by b.sequence_order`,
  )

const scene = (fn: (tx: TransactionSql, made: Scene) => Promise<void>) =>
  rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    await tx`update public.users set display_name = 'Olga' where id = ${owner.id}`
    const project = await addProject(tx, owner)
    const { name: agent } = await addAgent(tx, owner)
    const { begun } = await invoke(tx, owner, { agent, content: 'What is new?' })
    const { session_id: session, response_message_id: answer } = begun
    await fn(tx, { owner, project, agent, session, answer })
  })

test('a conversation becomes a block of its people and its agent, in order', async () => {
  await scene(async (tx, { owner, project, agent, session }) => {
    const made = await as(tx, owner, bring(session, project))
    expect(made).toMatchObject({ turns: 2, added: 2 })
    expect(await spoken(tx, owner, made.block_id)).toEqual([
      { name: 'Olga', type: 'person', content: 'What is new?' },
      { name: agent, type: 'agent', content: 'Hi' },
    ])
    const [block] =
      await tx`select name, project_id from conversation.blocks where organization_id = ${owner.organizationId}`
    expect(block).toEqual({ name: 'Conversation', project_id: project })
  })
})

test.each([
  ['Sam', 'Sam'],
  // The name of a persona outlives the account.
  [null, 'Member'],
  ['sam@example.com', 'Member'],
])('a person with the name %s who answered speaks as %s', async (display_name, name) => {
  await scene(async (tx, { owner, project, session, answer }) => {
    const { id } = await addMember(tx, owner.organizationId)
    await tx`update public.users set ${tx({ display_name })} where id = ${id}`
    await tx`update public.chat_messages set author_id = ${id} where id = ${answer}`
    const made = await as(tx, owner, bring(session, project))
    const speakers = (await spoken(tx, owner, made.block_id)).map(({ name, type }) => [name, type])
    expect(speakers).toEqual([
      ['Olga', 'person'],
      [name, 'person'],
    ])
  })
})

test.each([
  ['customer-42', 'customer-42'],
  // Every member reads the name of a persona.
  ['sam@example.com', 'Customer'],
])(
  'the words of the end user %s are those of the persona %s, and of no member',
  async (end, name) => {
    await scene(async (tx, { owner, project, agent, session }) => {
      await tx`update public.chat_sessions set end_user = ${end} where id = ${session}`
      // A member's own persona of this name is another one.
      await tx`insert into conversation.participants (organization_id, user_id, name)
      values (${owner.organizationId}, ${owner.id}, ${name})`
      const made = await as(tx, owner, bring(session, project))
      expect(await spoken(tx, owner, made.block_id)).toEqual([
        { name, type: 'person', content: 'What is new?' },
        { name: agent, type: 'agent', content: 'Hi' },
      ])
      const personas = () => tx`
      select user_id from conversation.participants
      where organization_id = ${owner.organizationId} and type = 'person' order by id`
      expect([...(await personas())]).toEqual([{ user_id: owner.id }, { user_id: null }])
      const said = await tx`
      select 1 from conversation.turns t join conversation.participants p on p.id = t.participant_id
      where t.organization_id = ${owner.organizationId} and p.user_id is not null`
      expect(said).toHaveLength(0)
      // A second conversation of the customer has the same persona.
      const { begun } = await invoke(tx, owner, { agent, content: 'Again' })
      await tx`update public.chat_sessions set end_user = ${end} where id = ${begun.session_id}`
      await as(tx, owner, bring(begun.session_id, project))
      expect(await personas()).toHaveLength(2)
    })
  },
)

test('each turn keeps the session, the message and the time from which it comes', async () => {
  await scene(async (tx, { owner, project, session }) => {
    await as(tx, owner, bring(session, project))
    const rows = await as(
      tx,
      owner,
      (t) => t`
        select s.session_id, m.content = t.content as is_same, m.created_at = t.timestamp as is_then
        from conversation.turn_sources s
        join conversation.turns t on t.id = s.turn_id
        join public.chat_messages m on m.id = s.message_id`,
    )
    const same = { session_id: session, is_same: true, is_then: true }
    expect(rows).toEqual([same, same])
    await as(tx, owner, (t) => t`delete from public.chat_sessions where id = ${session}`)
    const kept = await tx`select 1 from conversation.turn_sources where session_id = ${session}`
    expect(kept).toHaveLength(2)
  })
})

test('a second import adds only what is new, and makes no persona twice', async () => {
  await scene(async (tx, { owner, project, agent, session, answer }) => {
    const first = await as(tx, owner, bring(session, project))
    expect(await as(tx, owner, bring(session, project))).toEqual({ ...first, added: 0 })
    await invoke(tx, owner, { agent, session_id: session, parent_id: answer, content: 'And then?' })
    const again = await as(tx, owner, bring(session, project))
    expect(again).toEqual({ block_id: first.block_id, turns: 4, added: 2 })
    const words = (await spoken(tx, owner, first.block_id)).map(({ content }) => content)
    expect(words).toEqual(['What is new?', 'Hi', 'And then?', 'Hi'])
    expect(
      await tx`select 1 from conversation.participants where organization_id = ${owner.organizationId}`,
    ).toHaveLength(2)
  })
})

test('a block follows the branch that the conversation shows, and keeps the turns of the other', async () => {
  await scene(async (tx, { owner, project, agent, session }) => {
    const first = await as(tx, owner, bring(session, project))
    const [question] = await tx<{ message_id: string }[]>`
      select s.message_id from conversation.turn_sources s
      join conversation.turns t on t.id = s.turn_id where t.content = 'What is new?'`
    const regenerate = question?.message_id ?? ''
    const outcome = { status: 'success', finish_reason: 'stop', content: 'Other', latency_ms: 1 }
    await invoke(tx, owner, { agent, session_id: session, regenerate }, outcome)
    expect(await as(tx, owner, bring(session, project))).toMatchObject({ turns: 2, added: 1 })
    const words = (await spoken(tx, owner, first.block_id)).map(({ content }) => content)
    expect(words).toEqual(['What is new?', 'Other'])
    expect(
      await tx`select 1 from conversation.turns where organization_id = ${owner.organizationId}`,
    ).toHaveLength(3)
    await tx`
      update public.chat_sessions set current_message_id = (
        select message_id from conversation.turn_sources s
        join conversation.turns t on t.id = s.turn_id where t.content = 'Hi')
      where id = ${session}`
    expect(await as(tx, owner, bring(session, project))).toMatchObject({ turns: 2, added: 0 })
  })
})

test('a conversation has a block in each project', async () => {
  await scene(async (tx, { owner, project, session }) => {
    const other = await addProject(tx, owner, 'Other')
    const one = await as(tx, owner, bring(session, project))
    const two = await as(tx, owner, bring(session, other))
    expect(two.block_id).not.toBe(one.block_id)
    expect(two).toMatchObject({ turns: 2, added: 2 })
  })
})

test('a private conversation is imported by its person only, also beside content.read_all', async () => {
  await scene(async (tx, { owner, project, session }) => {
    const permissions = ['projects.manage', 'content.read_all']
    const reader = await addMember(tx, owner.organizationId, 'member', permissions)
    const stranger = await addOwner(tx)
    const theirs = await addProject(tx, stranger)
    expect(await refusal(tx, reader, bring(session, project))).toBe('PT404 session_not_found')
    expect(await refusal(tx, stranger, bring(session, theirs))).toBe('PT404 session_not_found')
    expect(await refusal(tx, stranger, bring(session, project))).toBe('PT404 project_not_found')
    expect(await refusal(tx, owner, bring(session, theirs))).toBe('PT404 project_not_found')
    const share = (t: TransactionSql) =>
      t`update public.chat_sessions set visibility = 'organization' where id = ${session}`
    await as(tx, owner, share)
    expect(await refusal(tx, stranger, bring(session, theirs))).toBe('PT404 session_not_found')
    expect(await as(tx, reader, bring(session, project))).toMatchObject({ added: 2 })
  })
})

test('an import needs projects.manage, which a member and a guest lack', async () => {
  await scene(async (tx, { owner, project, session }) => {
    const member = await addMember(tx, owner.organizationId)
    const guest = await addMember(tx, owner.organizationId, 'guest')
    expect(await refusal(tx, member, bring(session, project))).toBe('42501 permission_denied')
    expect(await refusal(tx, guest, bring(session, project))).toBe('42501 no_organization')
    expect(await refusal(tx, 'anon', bring(session, project))).toMatch(/^42501 /)
    expect(
      await tx`select 1 from conversation.blocks where organization_id = ${owner.organizationId}`,
    ).toHaveLength(0)
  })
})

test('a message that no turn can hold is named, and nothing is imported', async () => {
  await scene(async (tx, { owner, project, session, answer }) => {
    await tx`update public.chat_messages set content = repeat('x', 1048577) where id = ${answer}`
    expect(await refusedDetail(tx, owner, bring(session, project))).toBe(
      `invalid_request: Message ${answer} is longer than 1048576 bytes, which a turn may have.`,
    )
    expect(
      await tx`select 1 from conversation.turns where organization_id = ${owner.organizationId}`,
    ).toHaveLength(0)
  })
})

test('an import is on the audit log', async () => {
  await scene(async (tx, { owner, project, session }) => {
    const { block_id: block } = await as(tx, owner, bring(session, project))
    const events = await tx`
      select user_id, resource_type, resource_id, details from public.audit_logs
      where action = 'conversation.import'`
    const details = { project_id: Number(project), session_id: session, added: 2 }
    expect(events).toEqual([
      { user_id: owner.id, resource_type: 'block', resource_id: block, details },
    ])
  })
})
