import type { ReservedSql, Sql } from 'postgres'
import { timeOf } from './support.ts'

const dimension = 256
const model = 'bench/model'

/** Of one size of organization: how many of the nearest ten are found, and in which time. */
export interface Recall {
  readonly texts: number
  readonly recall: number
  /** Milliseconds, medians. */
  readonly search: number
  readonly exact: number
}

/** A text of a topic: the topic and as much noise. `spread` 0 leaves only the noise. */
const vectorOf = (topic: string, spread: number) => `private.to_vector(array(
  select ${spread} * hashint4((${topic})::integer * 1000 + d) / 2147483648.0
    + (random() + random() + random() + random() - 2) * 0.5 + 0 * (${topic})
  from generate_series(1, ${dimension}) d))`

/** Gives the messages of an organization vectors, of topics with 50 texts each. */
async function plant(sql: Sql, organization: number, spread: number): Promise<void> {
  await sql`insert into private.search_models (organization_id, model, dimension, wanted, answers)
    values (${organization}, ${model}, ${dimension}, false, true)
    on conflict on constraint search_models_pkey do nothing`
  await sql`delete from private.search_vectors where organization_id = ${organization}`
  await sql.unsafe(`
    insert into private.search_vectors (organization_id, item_id, model, dimension, vector)
    select w.organization_id, w.id, '${model}', ${dimension},
      ${vectorOf('w.n / 50', spread)}
    from (
      select s.organization_id, s.id, row_number() over (order by s.id) as n
      from private.search_words s where s.organization_id = ${organization}
    ) w`)
  await sql`analyze private.search_vectors`
}

const median = (numbers: number[]) => numbers.sort((a, b) => a - b)[numbers.length >> 1] ?? NaN

/**
 * Searches an organization by meaning as its owner, against the cosine of all its vectors.
 * @param actAs makes the rest of a transaction a member's
 */
export async function measureRecall(
  sql: Sql,
  one: ReservedSql,
  actAs: (organization: number) => Promise<void>,
  organization: number,
  spread: number,
): Promise<Recall> {
  await plant(sql, organization, spread)
  const [row] = await sql<{ n: number }[]>`
    select count(*)::integer as n from private.search_vectors where organization_id = ${organization}`
  const texts = row?.n ?? 0
  const found: number[] = []
  const times = { search: [] as number[], exact: [] as number[] }
  for (let n = 0; n < 15; n++) {
    const topic = Math.floor((n / 15) * (texts / 50))
    const [query] = await sql.unsafe<{ vector: number[] }[]>(
      `select ${vectorOf(String(topic), spread)}::float8[] as vector`,
    )
    const vector = query?.vector ?? []
    let exact: { id: string }[] = []
    times.exact.push(
      await timeOf(async () => {
        exact = await sql<{ id: string }[]>`
          select w.message_id as id from private.search_vectors v
          join private.search_words w on w.organization_id = v.organization_id and w.id = v.item_id
          where v.organization_id = ${organization}
          order by private.cosine(v.vector, private.to_vector(${vector as never})) desc limit 10`
      }),
    )
    await one`begin`
    await actAs(organization)
    let nearest: { id: string }[] = []
    times.search.push(
      await timeOf(async () => {
        nearest = await one<{ id: string }[]>`
          select id from public.search(
            'x', mode => 'meaning', embedding => ${vector as never}, embedding_model => ${model},
            "limit" => 10)`
      }),
    )
    await one`rollback`
    const ids = new Set(nearest.map(({ id }) => id))
    found.push(exact.filter(({ id }) => ids.has(id)).length / 10)
  }
  const recall = found.reduce((sum, share) => sum + share, 0) / found.length
  return { texts, recall, search: median(times.search), exact: median(times.exact) }
}
