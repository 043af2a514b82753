import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import { hostileJson, seeded } from '../../support/hostile-json.ts'
import {
  addMember,
  addOwner,
  as,
  type Member,
  outcome,
  refusal,
} from '../../support/people/tenants.ts'
import { refusedDetail } from '../../support/people/refused-detail.ts'
import { importing, jsonLines } from '../../support/rows/transcripts.ts'
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

const good = { speaker: 'Ada', content: 'Hello' }
const lines = (...more: unknown[]) => ({
  name: 'Call',
  format: 'jsonl',
  text: [good, ...more]
    .map((line) => (typeof line === 'string' ? line : JSON.stringify(line)))
    .join('\n'),
})
const vtt = (text: string) => ({ name: 'Call', format: 'vtt', text })

/** What is wrong with a transcript, after the name of the second one. */
const wrong: [object, string][] = [
  [lines('', '{"speaker":'), ': line 3: must be a JSON object without the character U+0000.'],
  [lines('[]'), ': line 2: must be a JSON object without the character U+0000.'],
  [lines('{"content":"\\u0000"}'), ': line 2: must be a JSON object without the character U+0000.'],
  [lines('{"content":"\\ud800"}'), ': line 2: must be a JSON object without the character U+0000.'],
  [lines('['.repeat(50_000)), ': line 2: must be a JSON object without the character U+0000.'],
  [lines({ content: 'x' }), ': line 2: speaker: must be a text of 1 to 200 characters.'],
  [lines({ ...good, speaker: 7 }), ': line 2: speaker: must be a text of 1 to 200 characters.'],
  [
    lines({ ...good, speaker: 'x'.repeat(201) }),
    ': line 2: speaker: must be a text of 1 to 200 characters.',
  ],
  [lines({ ...good, content: '  ' }), ': line 2: content: must be a text of 1 to 1048576 bytes.'],
  [
    lines({ ...good, content: 'x'.repeat(1_048_577) }),
    ': line 2: content: must be a text of 1 to 1048576 bytes.',
  ],
  [
    lines({ ...good, metadata: [] }),
    ': line 2: metadata: must be an object of 65536 bytes at most.',
  ],
  ...['now', '2026-11-29', '2026-11-29T08:00:00', '2026-13-29T08:00:00Z', 'infinity', {}, -1].map(
    (timestamp): [object, string] => [
      lines({ ...good, timestamp }),
      ': line 2: timestamp: must be a time with a zone, such as 2026-11-29T12:00:00Z, or seconds since 1970.',
    ],
  ),
  [vtt('00:01.000 --> 00:02.000\nHello'), ': line 1: must be WEBVTT.'],
  [
    vtt('WEBVTT\n\n00:01 --> 00:02\nHello'),
    ': line 3: must be a timing such as 00:01.000 --> 00:04.000.',
  ],
  [vtt('WEBVTT\n\nintro\n\n'), ': line 4: must be a timing such as 00:01.000 --> 00:04.000.'],
  [vtt('WEBVTT\n\na\nb\n'), ': line 4: must be a timing such as 00:01.000 --> 00:04.000.'],
  [
    vtt('WEBVTT\n\n00:01.000 --> 00:02.000\nHello'),
    ': line 3: speaker: must be a text of 1 to 200 characters.',
  ],
  [vtt('WEBVTT\n\nNOTE nothing'), '.text: has no turn.'],
  [{ ...lines(), text: '\n\n' }, '.text: has no turn.'],
  [{ ...lines(), name: '' }, '.name: must be a text of 1 to 200 characters.'],
  [{ ...lines(), format: 'srt' }, '.format: must be jsonl or vtt.'],
  [{ ...lines(), text: 7 }, '.text: must be a text.'],
  [{ ...lines(), colour: 'red' }, '.colour: is no key of a transcript.'],
  [
    { ...lines(), fields: { when: 'ts' } },
    '.fields.when: must be speaker, content, timestamp or metadata, with the name of a key.',
  ],
  [{ ...vtt('WEBVTT'), fields: {} }, '.fields: must be an object, and the format jsonl.'],
  [
    { ...lines(), started_at: 'today' },
    '.started_at: must be a time with a zone, such as 2026-11-29T12:00:00Z, or seconds since 1970.',
  ],
  [
    { ...lines(), participants: { Ada: { role: 'x' } } },
    '.participants.Ada: must have one of user_id, participant_id and type (person, agent, organization or other).',
  ],
  [{ ...lines(), participants: { Ada: 7 } }, '.participants.Ada: must be an object.'],
]

test('a wrong transcript is refused by its number and its line, and none is stored', async () => {
  await scene(async (tx, owner, project) => {
    for (const [transcript, said] of wrong) {
      const detail = await refusedDetail(tx, owner, importing(project, [lines(), transcript]))
      expect(detail).toBe(`invalid_request: transcripts.1${said}`)
    }
    expect(
      await tx`select 1 from conversation.turns where organization_id = ${owner.organizationId}`,
    ).toHaveLength(0)
    expect(
      await tx`select 1 from conversation.participants where organization_id = ${owner.organizationId}`,
    ).toHaveLength(0)
  })
})

test('an absent member or persona and a foreign one give one answer', async () => {
  await scene(async (tx, owner, project) => {
    const stranger = await addOwner(tx)
    const [persona] = await tx<{ id: string }[]>`
      insert into conversation.participants (organization_id, name)
      values (${stranger.organizationId}, 'Theirs') returning id`
    const ask = (described: object) =>
      refusedDetail(
        tx,
        owner,
        importing(project, [{ ...lines(), participants: { Ada: described } }]),
      )
    const member = 'user_id: the organization has no active member with this id.'
    expect(await ask({ user_id: stranger.id })).toContain(member)
    expect(await ask({ user_id: '00000000-0000-7000-8000-000000000000' })).toContain(member)
    const none = 'participant_id: the organization has no persona with this id.'
    expect(await ask({ participant_id: Number(persona?.id) })).toContain(none)
    expect(await ask({ participant_id: 999_999_999 })).toContain(none)
    const text = jsonLines([{ speaker: stranger.email, content: 'Hello' }])
    await as(tx, owner, importing(project, [{ ...lines(), text }]))
    const made = await tx`select name, user_id from conversation.participants
      where organization_id = ${owner.organizationId}`
    expect(made).toEqual([{ name: stranger.email, user_id: null }])
  })
})

test('an import needs projects.manage and a project of the organization', async () => {
  await scene(async (tx, owner, project) => {
    const member = await addMember(tx, owner.organizationId)
    const guest = await addMember(tx, owner.organizationId, 'guest')
    const stranger = await addOwner(tx)
    const ask = importing(project, [lines()])
    expect(await refusal(tx, member, ask)).toBe('42501 permission_denied')
    expect(await refusal(tx, guest, ask)).toBe('42501 no_organization')
    expect(await refusal(tx, stranger, ask)).toBe('PT404 project_not_found')
    expect(await refusal(tx, owner, importing('999999999', [lines()]))).toBe(
      'PT404 project_not_found',
    )
    expect(await refusal(tx, owner, importing(null, [lines()]))).toBe('22023 invalid_request')
    expect(await refusal(tx, owner, importing(project, []))).toBe('22023 invalid_request')
    const helper = await addMember(tx, owner.organizationId, 'member', ['projects.manage'])
    expect(await refusal(tx, helper, ask)).toBe('allowed')
  })
})

/** Deeper than JSON.stringify() writes. */
const isDeep = (value: unknown, depth = 0): boolean =>
  depth > 100 ||
  (typeof value === 'object' &&
    value !== null &&
    Object.values(value).some((one) => isDeep(one, depth + 1)))

test('whatever is sent as transcripts is stored or refused as 22023 invalid_request', async () => {
  await scene(async (tx, owner, project) => {
    const random = seeded(11)
    const names = ['name', 'format', 'text', 'participants', 'fields', 'jsonl', 'vtt', 'WEBVTT']
    for (let round = 0; round < 80; round++) {
      const odd = hostileJson(random, names)
      if (isDeep(odd)) continue
      const key = names[round % 5] ?? 'name'
      for (const transcripts of [odd, [odd], [{ ...lines(), [key]: odd }]]) {
        // What jsonb cannot hold is refused before the function runs.
        const result = await outcome(as(tx, owner, importing(project, transcripts)))
        expect(result).toMatch(/^(allowed|22023 invalid_request|22P05 .*|22P02 .*|54001 .*)$/)
      }
    }
  })
})
