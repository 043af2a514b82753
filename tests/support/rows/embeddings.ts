import type { TransactionSql } from 'postgres'
import { as, type Member } from '../people/tenants.ts'
import { addAgent } from './executions.ts'
import type { Found } from './search.ts'

/** What claim_embeddings() gives a worker. */
export interface Claimed {
  organization_id: number
  batch_id: string
  step: { provider: string; model: string; credential: string }
  texts: string[]
}

export interface EmbeddingModel {
  /** What the setting search_model names. */
  name: string
  /** What search() takes as embedding_model. */
  key: string
  /** Of the row of models. */
  id: number
}

/** A model of the organization that makes embeddings, at two US dollars a million tokens. */
export async function addEmbeddingModel(
  tx: TransactionSql,
  owner: Member,
  name = 'vectors',
): Promise<EmbeddingModel> {
  const agent = await addAgent(tx, owner, [name])
  await tx`
    update public.models set capabilities = '{embeddings}', context_tokens = 100 where agent_id = ${agent.id}`
  await tx`
    insert into client_mgmt.model_prices (organization_id, provider, model_id, input_per_million)
    values (${owner.organizationId}, 'openrouter', ${`${agent.name}/${name}`}, 2)`
  const id = agent.modelIds[0] ?? 0
  return { name: `${agent.name}/${name}`, key: `openrouter/${agent.name}/${name}`, id }
}

/** Sets the settings of search of the organization, as its owner. */
export const setSearch = (
  tx: TransactionSql,
  owner: Member,
  settings: { search_model?: string; search_language?: string },
): Promise<unknown> =>
  as(
    tx,
    owner,
    (t) => t`
      update public.organizations set settings = ${t.json(settings)} where id = ${owner.organizationId}`,
  )

export const queueEmbeddings = async (tx: TransactionSql): Promise<void> => {
  let handled = 1
  while (handled > 0) {
    const [row] = await as(
      tx,
      'service_role',
      (t) => t<{ n: number }[]>`select public.queue_embeddings(2) as n`,
    )
    handled = row?.n ?? 0
  }
}

export async function claim(tx: TransactionSql): Promise<Claimed | null> {
  const [row] = await as(
    tx,
    'service_role',
    (t) => t<{ claimed: Claimed | null }[]>`
      select public.claim_embeddings('{openrouter}') as claimed`,
  )
  return row?.claimed ?? null
}

/** Returns how many vectors were stored. */
export async function store(
  tx: TransactionSql,
  { organization_id, batch_id }: Claimed,
  vectors: readonly (readonly number[])[],
  tokens: number | null = 10,
): Promise<number> {
  const [row] = await as(
    tx,
    'service_role',
    (t) => t<{ n: number }[]>`
      select public.store_embeddings(
        ${organization_id}, ${batch_id}, ${t.json(vectors as never)}, ${tokens}) as n`,
  )
  return row?.n ?? 0
}

export const fail = (
  tx: TransactionSql,
  { organization_id, batch_id }: Claimed,
  code: string,
  fault: string,
): Promise<unknown> =>
  as(
    tx,
    'service_role',
    (t) => t`select public.fail_embeddings(${organization_id}, ${batch_id}, ${code}, ${fault})`,
  )

const topics = [
  ['dog', 'puppy', 'kennel'],
  ['invoice', 'bill', 'refund'],
  ['rain', 'storm', 'cloud'],
]

/** A vector with a number for each topic, as a model that knows these words would make. */
export const meaningOf = (text: string): number[] => [
  ...topics.map((words) => words.filter((word) => text.includes(word)).length),
  0.1,
]

/** Makes all vectors that are due; returns the texts of each call. */
export async function drain(
  tx: TransactionSql,
  meaning: (text: string) => number[] = meaningOf,
): Promise<string[][]> {
  const calls: string[][] = []
  for (let batch = await claim(tx); batch; batch = await claim(tx)) {
    calls.push(batch.texts)
    await store(tx, batch, batch.texts.map(meaning))
  }
  return calls
}

export interface MeaningSearch {
  mode?: string
  kinds?: string[]
  limit?: number
  after?: string
}

/** A statement for as(): search() by the meaning of a text. */
export const meaning =
  (text: string, embedding: readonly number[] | null, model: string | null, more: MeaningSearch) =>
  (tx: TransactionSql): Promise<Found[]> =>
    tx<Found[]>`
      select * from public.search(
        query => ${text}, kinds => ${more.kinds ?? null}, "limit" => ${more.limit ?? 20},
        after => ${more.after ?? null}, mode => ${more.mode ?? 'meaning'},
        embedding => ${embedding as never}, embedding_model => ${model}
      )`
