import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import { addMember, addOwner, as, type Member } from '../../support/people/tenants.ts'
import { refusedDetail } from '../../support/people/refused-detail.ts'
import {
  addEmbeddingModel,
  drain,
  meaning,
  meaningOf,
  type MeaningSearch,
  setSearch,
} from '../../support/rows/embeddings.ts'
import {
  addContent,
  addConversation,
  addResult,
  addTurns,
  type Found,
} from '../../support/rows/search.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()

/** An organization that wants vectors, and how its people search by meaning. */
async function arrange(tx: TransactionSql) {
  const owner = await addOwner(tx)
  const model = await addEmbeddingModel(tx, owner)
  await setSearch(tx, owner, { search_model: model.name })
  const ask = (text: string, more: MeaningSearch = {}, actor: Member = owner): Promise<Found[]> =>
    as(tx, actor, meaning(text, meaningOf(text), model.key, more))
  return { owner, model, ask }
}

const texts = (found: readonly Found[]) => found.map(({ snippet }) => snippet)

test('a text is found by its meaning, the nearest first, without one of its words', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, ask } = await arrange(tx)
    const content = await addContent(tx, owner)
    await addConversation(tx, owner, ['a dog', 'an invoice', 'a dog in the rain'])
    await addTurns(tx, owner, content, ['storm and cloud'])
    await addResult(tx, owner, content, { about: 'refund' })
    await drain(tx)
    const found = await ask('puppy')
    expect(texts(found)).toEqual([
      'a dog',
      'a dog in the rain',
      'an invoice',
      'refund',
      'storm and cloud',
    ])
    expect(found[0]).toMatchObject({ kind: 'message', highlights: [], starts_at: 0, cursor: null })
    expect(found[0]?.score).toBeCloseTo(1, 5)
    expect(found[1]?.score).toBeCloseTo(Math.SQRT1_2, 2)
    expect(texts(await ask('bill', { limit: 2 })).sort()).toEqual(['an invoice', 'refund'])
    expect(texts(await ask('bill', { kinds: ['result'] }))).toEqual(['refund'])
  })
})

test('both joins the ranks of words and meaning', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, ask } = await arrange(tx)
    await addConversation(tx, owner, ['the kennel', 'a dog in the rain', 'a cloud, no kennel'])
    await drain(tx)
    const found = await ask('kennel', { mode: 'both' })
    expect(texts(found)[0]).toBe('the kennel')
    const place = (rank: number) => 1 / (60 + rank)
    expect(found[0]?.score).toBeCloseTo(place(1) + place(1), 6)
    expect(found.map(({ score }) => score)).toEqual(
      found.map(({ score }) => score).sort((a, b) => b - a),
    )
    expect(new Set(texts(found)).size).toBe(3)
    expect(found[0]?.highlights).toEqual([[4, 6]])
    expect(texts(await ask('dog -dog', { mode: 'both' }))).toHaveLength(3)
  })
})

test('a vector of another size, of another model, or none is refused by name', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, model } = await arrange(tx)
    await addConversation(tx, owner, ['a dog'])
    await drain(tx)
    const refused = (embedding: number[] | null, key: string | null, more: MeaningSearch = {}) =>
      refusedDetail(tx, owner, meaning('dog', embedding, key, more))
    const right = meaningOf('dog')
    expect(await refused(right, model.key)).toBe('allowed')
    expect(await refused([1, 2, 3], model.key)).toBe(
      'invalid_request: embedding: has 3 numbers, and the vectors of the organization have 4.',
    )
    expect(await refused(right, 'openrouter/other')).toMatch(/^invalid_request: embedding_model: /)
    expect(await refused(right, null)).toMatch(/^invalid_request: embedding_model: /)
    for (const none of [null, [], [0, 0, 0, 0], [NaN, 1, 1, 1], [Infinity, 1, 1, 1]]) {
      expect(await refused(none, model.key)).toMatch(/^invalid_request: embedding: must be/)
    }
    expect(await refused(right, model.key, { mode: 'words' })).toMatch(/: embedding: can come only/)
    expect(await refused(right, model.key, { mode: 'sense' })).toMatch(/: mode: must be/)
    expect(await refused(right, model.key, { after: '1|x|turn|1' })).toMatch(/: after: pages/)
    await setSearch(tx, owner, {})
    expect(await refused(right, model.key)).toMatch(
      /^invalid_request: mode: the organization makes/,
    )
  })
})

test('a search by meaning finds what its caller may select, and no guest searches', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, ask, model } = await arrange(tx)
    const member = await addMember(tx, owner.organizationId)
    const reader = await addMember(tx, owner.organizationId, 'member', ['content.read_all'])
    const guest = await addMember(tx, owner.organizationId, 'guest')
    await addConversation(tx, owner, ['dog of the owner'])
    await addConversation(tx, owner, ['dog that is shared'], 'organization')
    await addConversation(tx, member, ['dog of the member'])
    await addConversation(tx, guest, ['dog of a guest'])
    await drain(tx)
    for (const mode of ['meaning', 'both']) {
      const seen = async (actor: Member) => texts(await ask('puppy', { mode }, actor)).sort()
      const everything = [
        'dog of a guest',
        'dog of the member',
        'dog of the owner',
        'dog that is shared',
      ]
      expect(await seen(reader)).toEqual(everything)
      expect(await seen(member)).toEqual(['dog of the member', 'dog that is shared'])
      expect(await seen(owner)).toEqual([
        'dog of a guest',
        'dog of the owner',
        'dog that is shared',
      ])
      const refused = refusedDetail(
        tx,
        guest,
        meaning('puppy', meaningOf('puppy'), model.key, { mode }),
      )
      expect(await refused).toMatch(/^no_organization/)
    }
  })
})

test('what another organization holds changes no answer, score or order by meaning', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, ask } = await arrange(tx)
    const other = await arrange(tx)
    const all = ['a dog', 'a dog and a puppy', 'rain', 'an invoice for a dog', 'storm']
    await addConversation(tx, owner, all)
    await drain(tx)
    const queries = ['puppy', 'a dog', 'rain on an invoice', 'cloud']
    const answers = async () => {
      const found: unknown[] = []
      for (const query of queries) {
        for (const mode of ['meaning', 'both']) found.push(await ask(query, { mode, limit: 3 }))
      }
      return found
    }
    const alone = await answers()
    for (let n = 0; n < 5; n++) await addConversation(tx, other.owner, all)
    await drain(tx)
    await tx`analyze private.search_vectors, private.search_words`
    expect(await answers()).toEqual(alone)
    expect(await other.ask('puppy')).toHaveLength(20)
  })
})

test('an organization with more texts than are compared finds the nearest by their signs', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, model, ask } = await arrange(tx)
    const session = await addConversation(tx, owner, ['a dog'])
    await drain(tx)
    // Further texts than one search reads, all the other way.
    await tx`
      insert into public.chat_messages (organization_id, session_id, user_id, role, content)
      select ${owner.organizationId}, ${session}, ${owner.id}, 'user', 'filler ' || n
      from generate_series(1, 2500) n`
    await tx`
      insert into private.search_vectors (organization_id, item_id, model, dimension, vector)
      select organization_id, id, ${model.key}, 4, '{-0.5,-0.5,-0.5,-0.5}'
      from private.search_words w where organization_id = ${owner.organizationId} and not exists (
        select 1 from private.search_vectors v where v.item_id = w.id)`
    expect(texts(await ask('puppy', { limit: 1 }))).toEqual(['a dog'])
    expect(await ask('puppy', { limit: 100 })).toHaveLength(100)
  })
})
