import { expect, test } from 'vitest'
import { addMember, addOwner, as } from '../../support/people/tenants.ts'
import {
  addContent,
  addConversation,
  addResult,
  addTurns,
  searching,
  snippets,
} from '../../support/rows/search.ts'
import { setSearch } from '../../support/rows/embeddings.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()

test('a word is found in messages, turns and results, each with where it stands', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const content = await addContent(tx, owner, 'Research', owner.id)
    const session = await addConversation(tx, owner, ['The needle is small.', 'Hay only.'])
    const [turn] = await addTurns(tx, owner, content, ['A Needle in a haystack', 'Hay'])
    const result = await addResult(tx, owner, content, { summary: ['needle'], count: 3 })
    const found = await as(tx, owner, searching('needle'))
    const of = (kind: string) => found.filter((one) => one.kind === kind)
    const { project: project_id, block: block_id } = content
    expect(of('message')).toMatchObject([
      { session_id: session, block_id: null, user_id: owner.id, snippet: 'The needle is small.' },
    ])
    expect(of('turn')).toMatchObject([{ id: turn, project_id, block_id, user_id: owner.id }])
    expect(of('result')).toMatchObject([{ id: result, project_id, block_id, user_id: null }])
    expect(found).toHaveLength(3)
    expect(await snippets(tx, owner, 'needle', { kinds: ['turn'] })).toEqual([
      'A Needle in a haystack',
    ])
  })
})

test('a query has words, phrases, or, and what is not wanted', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    await addConversation(tx, owner, ['red apple', 'apple red', 'green pear', "it's l'été"])
    const find = async (query: string) => (await snippets(tx, owner, query)).sort()
    expect(await find('red apple')).toEqual(['apple red', 'red apple'])
    expect(await find('"red apple"')).toEqual(['red apple'])
    expect(await find('pear or red')).toEqual(['apple red', 'green pear', 'red apple'])
    expect(await find('apple -"red apple"')).toEqual(['apple red'])
    expect(await find("it's")).toEqual(["it's l'été"])
    for (const nothing of ['', '   ', '-apple', '-apple -pear', '!!', '"', '&|()', 'pears']) {
      expect(await find(nothing)).toEqual([])
    }
  })
})

test('text in any script is found by its words, Chinese and Japanese by any part', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const texts: [string, string][] = [
      ['我住在东京都附近。', '东京'],
      ['これは検索の試験です', '検索'],
      ['Привет, мир', 'мир'],
      ['مرحبا بالعالم', 'مرحبا'],
      ['Καλημέρα κόσμε', 'κόσμε'],
      ['안녕하세요 세계', '세계'],
      ['Grüße aus Köln', 'köln'],
      ['a List<String> of things', 'string'],
    ]
    await addConversation(tx, owner, [...texts.map(([text]) => text), '京东 is a shop'])
    for (const [text, query] of texts) {
      const found = await as(tx, owner, searching(query))
      expect(found.map(({ snippet }) => snippet)).toEqual([text])
      const marked = found[0]?.highlights.map(([start, length]) =>
        [...text].slice(start, start + length).join(''),
      )
      expect(marked?.join('').toLowerCase()).toBe(query)
    }
  })
})

test('a snippet is a part of the text, and its highlights are what was found', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const odd = [
      '🙂',
      '<b>',
      '&amp;',
      '\x01',
      '\x1f',
      "o'clock",
      'C++',
      'a-b',
      '\n\n',
      '东京',
      'x@y.de',
    ]
    const texts = Array.from({ length: 40 }, (_, n) => {
      const words = Array.from({ length: 30 + n * 5 }, (_, w) => odd[(w * (n + 1)) % odd.length])
      words.splice((n * 7) % words.length, 0, 'Needle', 'pin')
      return words.join(' ')
    })
    await addConversation(tx, owner, texts)
    const found = await as(tx, owner, searching('needle "pin"', { limit: 100 }))
    expect(found).toHaveLength(40)
    const rows = await tx<
      { id: string; content: string }[]
    >`select id, content from public.chat_messages`
    for (const { id, snippet, starts_at, highlights } of found) {
      const content = [...(rows.find((row) => row.id === id)?.content ?? '')]
      const characters = [...snippet]
      expect(content.slice(starts_at, starts_at + characters.length).join('')).toBe(snippet)
      const marked = highlights.map(([at, length]) => characters.slice(at, at + length).join(''))
      expect(marked).toEqual(['Needle', 'pin'])
    }
  })
})

test('project, person, time and kind filter what is found', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const member = await addMember(tx, owner.organizationId)
    const one = await addContent(tx, owner, 'One', member.id)
    const two = await addContent(tx, owner, 'Two')
    await addConversation(tx, owner, ['needle 1'], 'organization', one.project)
    await addConversation(tx, member, ['needle 2'], 'organization')
    await addTurns(tx, owner, one, ['needle 3'], '2020-01-01T00:00:00Z')
    await addTurns(tx, owner, two, ['needle 4'], '2020-01-02T00:00:00Z')
    await addResult(tx, owner, two, { text: 'needle 5' })
    const find = async (filters: object) =>
      (await snippets(tx, owner, 'needle', filters)).map((text) => Number(text.slice(-1))).sort()
    expect(await find({})).toEqual([1, 2, 3, 4, 5])
    expect(await find({ project_id: one.project })).toEqual([1, 3])
    expect(await find({ project_id: two.project })).toEqual([4, 5])
    expect(await find({ project_id: '999999999' })).toEqual([])
    expect(await find({ user_id: member.id })).toEqual([2, 3])
    expect(await find({ until: '2020-01-02T00:00:00Z' })).toEqual([3])
    expect(await find({ since: '2020-01-02T00:00:00Z', until: '2020-01-03T00:00:00Z' })).toEqual([
      4,
    ])
    expect(await find({ kinds: ['turn', 'result'] })).toEqual([3, 4, 5])
    expect(await find({ kinds: [] })).toEqual([])
  })
})

test('what is changed is found by its new words, and what is deleted is not found', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const content = await addContent(tx, owner)
    const [turn = ''] = await addTurns(tx, owner, content, ['old words'])
    const session = await addConversation(tx, owner, ['old words'])
    await tx`update conversation.turns set content = 'new words' where id = ${turn}`
    await tx`update public.chat_messages set content = 'new words' where session_id = ${session}`
    expect(await snippets(tx, owner, 'old')).toEqual([])
    expect(await snippets(tx, owner, 'new')).toEqual(['new words', 'new words'])
    await tx`delete from conversation.turns where id = ${turn}`
    await tx`delete from public.chat_sessions where id = ${session}`
    expect(await snippets(tx, owner, 'new')).toEqual([])
    expect(
      await tx`select 1 from private.search_words where organization_id = ${owner.organizationId}`,
    ).toHaveLength(0)
  })
})

test('a word that is longer than any that is kept finds nothing', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    await addConversation(tx, owner, ['old words'])
    for (const length of [500, 2_040, 2_046, 2_047, 9_000]) {
      expect(await snippets(tx, owner, 'x'.repeat(length))).toEqual([])
    }
  })
})

test('an organization searches in its language, and finds what it wrote in the one before', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const speak = (language: string) => setSearch(tx, owner, { search_language: language })
    await addConversation(tx, owner, ['She was running early'])
    expect(await snippets(tx, owner, 'run')).toEqual([])
    await speak('english')
    await addConversation(tx, owner, ['He runs late'])
    expect(await snippets(tx, owner, 'run')).toEqual(['He runs late'])
    expect((await snippets(tx, owner, 'running')).sort()).toEqual([
      'He runs late',
      'She was running early',
    ])
    // An update of another column keeps the words as they are.
    await tx`update public.chat_messages set metadata = '{"a":1}' where organization_id = ${owner.organizationId}`
    expect(await snippets(tx, owner, 'was')).toEqual(['She was running early'])
    await speak('german')
    await addConversation(tx, owner, ['Zwei Häuser'])
    expect(await snippets(tx, owner, 'Haus')).toEqual(['Zwei Häuser'])
    await expect(speak('klingon')).rejects.toMatchObject({ message: 'invalid_settings' })
  })
})

test('after a change of the language all texts are read in it, a few at a time', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    await addConversation(tx, owner, ['She was running', 'He ran', 'They run', 'No word'])
    await setSearch(tx, owner, { search_language: 'english' })
    const reindex = async (batch: number) => {
      const [row] = await as(
        tx,
        'service_role',
        (t) => t<{ n: number }[]>`
        select public.reindex_search(${batch}) as n`,
      )
      return row?.n
    }
    expect(await reindex(3)).toBe(3)
    expect(await reindex(3)).toBe(1)
    expect(await reindex(3)).toBe(0)
    expect(await reindex(3)).toBe(0)
    expect((await snippets(tx, owner, 'runs')).sort()).toEqual(['She was running', 'They run'])
    // A word without a meaning of its own is wanted by no query any more.
    expect(await snippets(tx, owner, 'was')).toEqual([])
    const languages = await tx`
      select distinct language from private.search_words where organization_id = ${owner.organizationId}`
    expect(languages).toEqual([{ language: 'english' }])
  })
})
