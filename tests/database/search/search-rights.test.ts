import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import { addAccount, addMember, addOwner, as, refusal } from '../../support/people/tenants.ts'
import {
  addContent,
  addConversation,
  addResult,
  addTurns,
  searching,
} from '../../support/rows/search.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()

const readable = (tx: TransactionSql) => tx<{ kind: string; id: string }[]>`
  select 'message' as kind, id::text from public.chat_messages
  union all select 'turn', id::text from conversation.turns
  union all select 'result', id::text from conversation.block_lens_version
  order by 1, 2`

test('a search finds exactly what its caller may select', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const member = await addMember(tx, owner.organizationId)
    const reader = await addMember(tx, owner.organizationId, 'member', ['content.read_all'])
    const guest = await addMember(tx, owner.organizationId, 'guest')
    const stranger = await addOwner(tx)
    for (const one of [owner, member, reader, stranger]) {
      await addConversation(tx, one, ['needle, private'])
      await addConversation(tx, one, ['needle, shared'], 'organization')
    }
    await addConversation(tx, guest, ['needle of a guest'])
    for (const one of [owner, stranger]) {
      const content = await addContent(tx, one)
      await addTurns(tx, one, content, ['needle'])
      await addResult(tx, one, content, { text: 'needle' })
    }
    const counts: number[] = []
    for (const actor of [owner, member, reader, stranger]) {
      const found = (await as(tx, actor, searching('needle'))).map(({ kind, id }) => ({ kind, id }))
      const order = (a: { kind: string; id: string }, b: typeof a) =>
        `${a.kind} ${a.id}` < `${b.kind} ${b.id}` ? -1 : 1
      expect(found.sort(order)).toEqual([...(await as(tx, actor, readable))].sort(order))
      counts.push(found.length)
    }
    expect(counts).toEqual([7, 6, 9, 4])
  })
})

test('a guest gets what a stranger gets: nothing', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const guest = await addMember(tx, owner.organizationId, 'guest')
    const stranger = await addAccount(tx)
    await addConversation(tx, guest, ['needle'])
    expect(await refusal(tx, guest, searching('needle'))).toBe('42501 no_organization')
    expect(await refusal(tx, stranger, searching('needle'))).toBe('42501 no_organization')
    expect(await refusal(tx, 'anon', searching('needle'))).toMatch(/^42501 /)
  })
})

test('what another organization holds changes no answer, score, order or cursor', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const other = await addOwner(tx)
    const texts = ['needle', 'needle needle hay', 'hay', 'a needle in hay', 'needles']
    const fill = async (who: typeof owner, name: string) => {
      const content = await addContent(tx, who, name)
      await addConversation(tx, who, texts)
      await addTurns(tx, who, content, texts)
      await addResult(tx, who, content, { texts })
    }
    await fill(owner, 'Research')
    const queries = ['needle', 'hay', 'needle hay', '"needle in"', 'needle -hay', 'hay or needles']
    const ask = async () => {
      const answers: unknown[] = []
      for (const query of queries) {
        const first = await as(tx, owner, searching(query, { limit: 2 }))
        const after = first.at(-1)?.cursor
        answers.push(first, after && (await as(tx, owner, searching(query, { after }))))
      }
      return answers
    }
    const alone = await ask()
    for (let n = 0; n < 10; n++) await fill(other, `Research ${n}`)
    await tx`analyze private.search_words`
    expect(await ask()).toEqual(alone)
    // A word of the index is a word of one organization, also for a query that looks like one.
    expect(await as(tx, owner, searching(`${other.organizationId}:needle`))).toEqual([])
    expect(await as(tx, owner, searching(`"${other.organizationId}:needle"`))).toEqual([])
  })
})

test('pages by cursor show each row once, in one order, also when many are alike', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const content = await addContent(tx, owner)
    const texts = Array.from({ length: 130 }, (_, n) => (n % 3 === 0 ? 'needle needle' : 'needle'))
    await addTurns(tx, owner, content, texts, '2026-01-01T00:00:00.123456Z')
    await addConversation(tx, owner, texts.slice(0, 70))
    const seen: string[] = []
    let after: string | undefined
    for (;;) {
      const page = await as(tx, owner, searching('needle', { limit: 17, ...(after && { after }) }))
      seen.push(...page.map(({ kind, id }) => `${kind} ${id}`))
      after = page.at(-1)?.cursor
      if (page.length < 17) break
    }
    const most = (more: object) => as(tx, owner, searching('needle', { limit: 100, ...more }))
    const first = await most({})
    const all = [...first, ...(await most({ after: first.at(-1)?.cursor }))]
    expect(seen).toEqual(all.map(({ kind, id }) => `${kind} ${id}`))
    expect(new Set(seen).size).toBe(200)
    expect(all.map(({ score }) => score)).toEqual(
      all.map(({ score }) => score).sort((a, b) => b - a),
    )
  })
})
