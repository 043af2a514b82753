import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import { addMember, addOwner, as, type Member, outcome } from '../../support/people/tenants.ts'
import { refusedDetail } from '../../support/people/refused-detail.ts'
import {
  addEmbeddingModel,
  claim,
  drain,
  type EmbeddingModel,
  meaningOf,
  queueEmbeddings,
  setSearch,
  store,
} from '../../support/rows/embeddings.ts'
import { addContent, addConversation, addResult, addTurns } from '../../support/rows/search.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()

const vectors = (tx: TransactionSql, { organizationId }: Member) => tx<
  { model: string; n: number }[]
>`
  select model, count(*)::integer as n from private.search_vectors
  where organization_id = ${organizationId} group by model order by model`

/** An organization that wants vectors. */
async function wanting(tx: TransactionSql): Promise<{ owner: Member; model: EmbeddingModel }> {
  const owner = await addOwner(tx)
  const model = await addEmbeddingModel(tx, owner)
  await setSearch(tx, owner, { search_model: model.name })
  await queueEmbeddings(tx)
  return { owner, model }
}

test('an organization without the setting has no vector made, and none after it is taken back', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const model = await addEmbeddingModel(tx, owner)
    await addConversation(tx, owner, ['a dog'])
    await queueEmbeddings(tx)
    expect(await drain(tx)).toEqual([])
    await setSearch(tx, owner, { search_model: model.name })
    await queueEmbeddings(tx)
    expect(await drain(tx)).toEqual([['a dog']])
    await setSearch(tx, owner, {})
    await addConversation(tx, owner, ['a puppy'])
    await queueEmbeddings(tx)
    expect(await drain(tx)).toEqual([])
    expect(await as(tx, owner, (t) => t`select * from public.search_model()`)).toEqual([])
    const clean = () =>
      as(tx, 'service_role', (t) => t`select public.cleanup_old_embeddings() as n`)
    expect(await clean()).toEqual([{ n: 1 }])
    expect(await clean()).toEqual([{ n: 0 }])
    expect(await vectors(tx, owner)).toEqual([])
  })
})

test('the setting names an enabled model that makes embeddings, or is refused by its name', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const other = await addOwner(tx)
    const model = await addEmbeddingModel(tx, owner)
    const foreign = await addEmbeddingModel(tx, other)
    const set = (search_model: unknown) =>
      refusedDetail(
        tx,
        owner,
        (t) => t`
        update public.organizations set settings = ${t.json({ search_model } as never)}
        where id = ${owner.organizationId}`,
      )
    const refused =
      'invalid_settings: settings.search_model: must be agent/model of an enabled model that makes embeddings.'
    for (const wrong of ['droid/gpt-4', 'none/none', foreign.name]) {
      expect(await set(wrong)).toBe(refused)
    }
    for (const wrong of [7, true, '', 'x'.repeat(301)]) {
      expect(await set(wrong)).toBe('invalid_settings: settings.search_model: must be agent/model.')
    }
    expect(await set(model.name)).toBe('allowed')
    await tx`update public.models set enabled = false where id = ${model.id}`
    await setSearch(tx, owner, {})
    expect(await set(model.name)).toBe(refused)
  })
})

test('each text gets one vector: those from before the setting, and new ones; nothing is made twice', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const member = await addMember(tx, owner.organizationId, 'guest')
    const model = await addEmbeddingModel(tx, owner)
    const content = await addContent(tx, owner)
    await addConversation(tx, owner, ['a dog', 'an invoice', ' '])
    await addConversation(tx, member, ['rain'])
    await addTurns(tx, owner, content, ['a puppy'])
    await setSearch(tx, owner, { search_model: model.name })
    await queueEmbeddings(tx)
    await addResult(tx, owner, content, { summary: 'a bill' })
    const calls = await drain(tx)
    expect(calls).toHaveLength(1)
    expect([...(calls[0] ?? [])].sort()).toEqual(
      [' ', 'a bill', 'a dog', 'a puppy', 'an invoice', 'rain'].sort(),
    )
    await queueEmbeddings(tx)
    expect(await drain(tx)).toEqual([])
    expect(await vectors(tx, owner)).toEqual([{ model: model.key, n: 6 }])
    await addConversation(tx, owner, ['a storm'])
    expect(await drain(tx)).toEqual([['a storm']])
  })
})

test('a batch has 64 texts and 64 KiB at most, each cut to the window in whole characters', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner } = await wanting(tx)
    const long = '東京'.repeat(60)
    await addConversation(tx, owner, [...Array.from({ length: 69 }, (_, n) => `a dog ${n}`), long])
    const calls = await drain(tx)
    expect(calls.map((texts) => texts.length)).toEqual([64, 6])
    const cut = calls.flat().find((text) => text.startsWith('東')) ?? ''
    expect(cut).toBe(long.slice(0, 33))
    expect(Buffer.byteLength(cut)).toBe(99)
  })
  await rolledBack(sql, async (tx) => {
    const { owner, model } = await wanting(tx)
    await tx`update public.models set context_tokens = 40000 where id = ${model.id}`
    await addConversation(tx, owner, ['x'.repeat(50_000), 'y'.repeat(50_000)])
    expect((await drain(tx)).map((texts) => texts.map((text) => text.length))).toEqual([
      [40_000],
      [40_000],
    ])
  })
})

test('a changed text gets a new vector, and a batch of the old text stores none for it', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner } = await wanting(tx)
    const session = await addConversation(tx, owner, ['a dog', 'rain'])
    const batch = await claim(tx)
    expect(batch?.texts).toEqual(['a dog', 'rain'])
    await tx`
      update public.chat_messages set content = 'an invoice'
      where session_id = ${session} and content = 'a dog'`
    // The texts of the batch belong to it until its lease ends.
    const next = await claim(tx)
    expect(next?.texts).toEqual(['an invoice'])
    if (!batch || !next) throw new Error('nothing was claimed')
    expect(await store(tx, batch, batch.texts.map(meaningOf))).toBe(1)
    expect(await store(tx, next, next.texts.map(meaningOf))).toBe(1)
    expect(await store(tx, next, next.texts.map(meaningOf))).toBe(0)
    expect(await drain(tx)).toEqual([])
    await tx`update public.chat_messages set metadata = '{"a":1}' where session_id = ${session}`
    expect(await drain(tx)).toEqual([])
    await tx`delete from public.chat_sessions where id = ${session}`
    expect(await vectors(tx, owner)).toEqual([])
  })
})

test('while another model makes its vectors, those of the model before answer', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, model } = await wanting(tx)
    await addConversation(tx, owner, ['a dog', 'rain', 'a bill'])
    await drain(tx)
    const next = await addEmbeddingModel(tx, owner, 'better')
    const answering = async () => {
      const [row] = await as(
        tx,
        owner,
        (t) => t<{ model: string; dimension: number }[]>`
        select model, dimension from public.search_model()`,
      )
      return row
    }
    expect(await answering()).toEqual({ model: model.name, dimension: 4 })
    await setSearch(tx, owner, { search_model: next.name })
    expect(await answering()).toEqual({ model: model.name, dimension: 4 })
    await queueEmbeddings(tx)
    const batch = await claim(tx)
    expect(batch?.texts).toHaveLength(3)
    expect(batch?.step.model).toBe(next.name)
    expect(await answering()).toEqual({ model: model.name, dimension: 4 })
    if (!batch) throw new Error('nothing was claimed')
    await store(
      tx,
      batch,
      batch.texts.map(() => [1, 2]),
    )
    expect(await answering()).toEqual({ model: next.name, dimension: 2 })
    await as(tx, 'service_role', (t) => t`select public.cleanup_old_embeddings()`)
    expect(await vectors(tx, owner)).toEqual([{ model: next.key, n: 3 }])
  })
})

test('a model that nothing can call any more gives way at once', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, model } = await wanting(tx)
    await addConversation(tx, owner, ['a dog'])
    await drain(tx)
    const next = await addEmbeddingModel(tx, owner, 'better')
    await tx`update public.models set enabled = false where id = ${model.id}`
    await setSearch(tx, owner, { search_model: next.name })
    await queueEmbeddings(tx)
    const [row] = await as(tx, owner, (t) => t`select model, dimension from public.search_model()`)
    expect(row).toEqual({ model: next.name, dimension: null })
  })
})

test('vectors of another dimension of the same model are made again and never compared', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner } = await wanting(tx)
    await addConversation(tx, owner, ['a dog'])
    await drain(tx)
    await addConversation(tx, owner, ['a puppy'])
    expect(await drain(tx, () => [1, 2, 3])).toEqual([['a puppy']])
    await queueEmbeddings(tx)
    expect(await drain(tx, () => [1, 2, 3])).toEqual([['a dog']])
    const sizes = await tx`
      select distinct dimension from private.search_vectors where organization_id = ${owner.organizationId}`
    expect(sizes).toEqual([{ dimension: 3 }])
  })
})

test('what is no list of vectors is refused, and the batch can still end', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner } = await wanting(tx)
    await addConversation(tx, owner, ['a dog', 'rain'])
    const batch = await claim(tx)
    if (!batch) throw new Error('nothing was claimed')
    for (const wrong of [
      [[1]],
      [[1], [1, 2]],
      [[0], [0]],
      [[], []],
      [[1], [1], [1]],
      [['x'], [1]],
      [[null], [1]],
    ]) {
      expect(await outcome(store(tx, batch, wrong as number[][]))).toMatch(/^22(023|P02) /)
    }
    expect(
      await store(
        tx,
        batch,
        [1e-120, 1e120].map((n) => [n, n * 1e-40]),
      ),
    ).toBe(2)
  })
})
