import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import { addMember, addOwner, as, type Member, refusal } from '../../support/people/tenants.ts'
import { importing, jsonLines, type Transcript } from '../../support/rows/transcripts.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()

const scene = (fn: (tx: TransactionSql, owner: Member, project: string) => Promise<void>) =>
  rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const [project] = await tx<{ id: string }[]>`
      insert into client_mgmt.projects (organization_id, name)
      values (${owner.organizationId}, 'Research') returning id`
    await fn(tx, owner, project?.id ?? '')
  })

const call = (more: object = {}): Transcript => ({
  name: 'Call',
  format: 'jsonl',
  text: jsonLines([
    { speaker: 'Ada', content: 'Good morning.', timestamp: '2026-11-29T08:00:00Z' },
    { speaker: 'Bo', content: ' Hello. ', timestamp: 1_764_403_202 },
    { speaker: 'Ada', content: 'Shall we?', metadata: { mood: 'calm' } },
  ]),
  ...more,
})

const spoken = (tx: TransactionSql) =>
  tx<{ block: string; place: number; name: string; content: string }[]>`
    select b.name as block, t.sequence_order as place, p.name, s.content
    from conversation.block_turns t
    join conversation.blocks b on b.id = t.block_id
    join conversation.turns s on s.id = t.turn_id
    join conversation.participants p on p.id = s.participant_id
    order by b.id, t.sequence_order`

test('JSON lines become a block whose turns have their speaker, time, metadata and order', async () => {
  await scene(async (tx, owner, project) => {
    const more = { type: 'call', metadata: { room: 4 }, started_at: '2026-11-29T07:59:00+00:00' }
    const made = await as(tx, owner, importing(project, [call(more)]))
    const [block] = await tx<
      { id: string }[]
    >`select id, name, type, metadata from conversation.blocks where organization_id = ${owner.organizationId}`
    expect(block).toMatchObject({ name: 'Call', type: 'call', metadata: { room: 4 } })
    expect(made).toEqual([{ transcript: 0, block_id: block?.id, turns: 3 }])
    expect(await spoken(tx)).toEqual([
      { block: 'Call', place: 1, name: 'Ada', content: 'Good morning.' },
      { block: 'Call', place: 2, name: 'Bo', content: 'Hello.' },
      { block: 'Call', place: 3, name: 'Ada', content: 'Shall we?' },
    ])
    const turns = await tx<{ timestamp: Date; metadata: object }[]>`
      select timestamp, metadata from conversation.turns order by id`
    expect(turns.map(({ timestamp }) => timestamp.toISOString())).toEqual([
      '2026-11-29T08:00:00.000Z',
      '2025-11-29T08:00:02.000Z',
      '2026-11-29T07:59:00.000Z',
    ])
    expect(turns[2]?.metadata).toEqual({ mood: 'calm' })
  })
})

test('an export with other keys is read by naming them, and its further keys are ignored', async () => {
  await scene(async (tx, owner, project) => {
    const text = jsonLines([{ type: 'message', user: 'U1', text: 'Hi', ts: '1764403200.000100' }])
    const fields = { speaker: 'user', content: 'text', timestamp: 'ts' }
    await as(tx, owner, importing(project, [{ name: 'Slack', format: 'jsonl', text, fields }]))
    const [turn] = await tx<{ content: string; timestamp: Date }[]>`
      select content, timestamp from conversation.turns where organization_id = ${owner.organizationId}`
    expect(turn?.content).toBe('Hi')
    expect(turn?.timestamp.toISOString()).toBe('2025-11-29T08:00:00.000Z')
  })
})

const cues = `WEBVTT - a title

NOTE
A comment --> is no cue.

1
00:00:01.500 --> 00:00:03.000 align:start
<v.loud Ada Lovelace>Good <i>morning</i>,</v>

00:03.000 --> 00:05.000
<v Ada Lovelace>all &amp; everyone.</v>

00:05.000-->00:06.000
<v Bo>Hello.</v> <v Ada Lovelace>Oh.

intro
01:00:00.000 --> 01:00:02.000
Bo: And now
the rest.

01:00:02.000 --> 01:00:03.000
Note: this is Bo too.
`

test('WebVTT becomes turns: the cues of one speaker that follow each other are one', async () => {
  await scene(async (tx, owner, project) => {
    const transcript = { name: 'Call', format: 'vtt', participants: { Bo: { type: 'agent' } } }
    for (const text of [
      cues,
      cues.replaceAll('\n', '\r\n'),
      `\ufeff${cues.replaceAll('\n', '\r')}`,
    ]) {
      const started_at = '2026-11-29T08:00:00Z'
      const [made] = await as(tx, owner, importing(project, [{ ...transcript, text, started_at }]))
      expect(made?.turns).toBe(4)
      const turns = await tx<{ name: string; content: string; timestamp: Date }[]>`
        select p.name, t.content, t.timestamp
        from conversation.block_turns b
        join conversation.turns t on t.id = b.turn_id
        join conversation.participants p on p.id = t.participant_id
        where b.block_id = ${made?.block_id ?? ''} order by b.sequence_order`
      expect(turns.map(({ name, content }) => `${name}: ${content}`)).toEqual([
        'Ada Lovelace: Good morning, all & everyone.',
        'Bo: Hello.',
        'Ada Lovelace: Oh.',
        'Bo: And now the rest. Note: this is Bo too.',
      ])
      expect(turns[0]?.timestamp.toISOString()).toBe('2026-11-29T08:00:01.500Z')
      expect(turns[3]?.timestamp.toISOString()).toBe('2026-11-29T09:00:00.000Z')
    }
  })
})

test('a speaker is the member or the persona that the transcript names, or a persona by name', async () => {
  await scene(async (tx, owner, project) => {
    const member = await addMember(tx, owner.organizationId)
    await tx`update public.users set display_name = 'Mia' where id = ${member.id}`
    const [known] = await tx<{ id: string }[]>`
      insert into conversation.participants (organization_id, name)
      values (${owner.organizationId}, 'Customer') returning id`
    const speakers = ['M', 'C', 'Customer', 'New', member.email.toUpperCase(), 'Robot']
    const participants = {
      M: { user_id: member.id },
      C: { participant_id: Number(known?.id) },
      Robot: { type: 'agent' },
    }
    const text = jsonLines(speakers.map((speaker) => ({ speaker, content: speaker })))
    const transcript = { name: 'Call', format: 'jsonl', text, participants }
    await as(tx, owner, importing(project, [transcript, { ...transcript, name: 'Again' }]))
    const turns = await tx`
      select distinct t.content, p.name, p.type, p.user_id
      from conversation.turns t join conversation.participants p on p.id = t.participant_id`
    const persona = (content: string, name: string, type: string, user_id: string | null) => {
      return { content, name, type, user_id }
    }
    expect(new Set(turns)).toEqual(
      new Set([
        persona('C', 'Customer', 'person', null),
        persona('Customer', 'Customer', 'person', null),
        persona(member.email.toUpperCase(), 'Mia', 'person', member.id),
        persona('M', 'Mia', 'person', member.id),
        persona('New', 'New', 'person', null),
        persona('Robot', 'Robot', 'agent', null),
      ]),
    )
    expect(
      await tx`select 1 from conversation.participants where organization_id = ${owner.organizationId}`,
    ).toHaveLength(4)
  })
})

test('one call stores 10,000 turns of several transcripts, and refuses one more', async () => {
  await scene(async (tx, owner, project) => {
    const many = (name: string, count: number): Transcript => {
      const text = jsonLines(
        Array.from({ length: count }, (_, n) => ({
          speaker: `S${n % 50}`,
          content: `${name} ${n}`,
        })),
      )
      return { name, format: 'jsonl', text }
    }
    expect(await refusal(tx, owner, importing(project, [many('A', 6_000), many('B', 4_001)]))).toBe(
      '22023 invalid_request',
    )
    expect(
      await tx`select 1 from conversation.blocks where organization_id = ${owner.organizationId}`,
    ).toHaveLength(0)
    const made = await as(tx, owner, importing(project, [many('A', 6_000), many('B', 4_000)]))
    expect(made.map(({ turns }) => turns)).toEqual([6_000, 4_000])
    const [right] = await tx<{ count: string }[]>`
      select count(*) from conversation.block_turns b
      join conversation.turns t on t.id = b.turn_id
      join conversation.blocks k on k.id = b.block_id
      where t.content = k.name || ' ' || (b.sequence_order - 1)`
    expect(right?.count).toBe('10000')
  })
})
