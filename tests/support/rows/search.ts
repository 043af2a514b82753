import type { TransactionSql } from 'postgres'
import { type Actor, as, type Member } from '../people/tenants.ts'

export interface Found {
  kind: 'message' | 'turn' | 'result'
  id: string
  session_id: string | null
  block_id: string | null
  project_id: string | null
  user_id: string | null
  said_at: Date
  score: number
  snippet: string
  starts_at: number
  highlights: [number, number][]
  cursor: string
}

export interface Filters {
  kinds?: string[] | null
  project_id?: string
  limit?: number
  user_id?: string
  since?: string
  until?: string
  after?: string
}

/** A statement for as(): search() by the names of its arguments. */
export const searching =
  (query: string | null, filters: Filters = {}) =>
  (tx: TransactionSql): Promise<Found[]> =>
    tx<Found[]>`
      select * from public.search(
        query => ${query}, kinds => ${filters.kinds ?? null}, project_id => ${filters.project_id ?? null},
        "limit" => ${filters.limit ?? 20}, user_id => ${filters.user_id ?? null},
        since => ${filters.since ?? null}, until => ${filters.until ?? null},
        after => ${filters.after ?? null}
      )`

/** The texts around what an actor finds. */
export const snippets = async (
  tx: TransactionSql,
  actor: Actor,
  query: string,
  filters?: Filters,
): Promise<string[]> =>
  (await as(tx, actor, searching(query, filters))).map(({ snippet }) => snippet)

/** A conversation of a member with the given messages, oldest first. */
export async function addConversation(
  tx: TransactionSql,
  { organizationId, id: user }: Member,
  texts: readonly string[],
  visibility = 'private',
  project: string | null = null,
): Promise<string> {
  const [session] = await tx<{ id: string }[]>`
    insert into public.chat_sessions (organization_id, user_id, visibility, project_id)
    values (${organizationId}, ${user}, ${visibility}, ${project}) returning id`
  const id = session?.id ?? ''
  await tx`
    insert into public.chat_messages (organization_id, session_id, user_id, role, content)
    select ${organizationId}, ${id}, ${user}, 'user', t from unnest(${[...texts]}::text[]) t`
  return id
}

export interface Content {
  project: string
  persona: string
  block: string
}

/** A project with a block and a persona, which may be a member's. */
export async function addContent(
  tx: TransactionSql,
  { organizationId }: Member,
  name = 'Research',
  user: string | null = null,
): Promise<Content> {
  const [project] = await tx<{ id: string }[]>`
    insert into client_mgmt.projects (organization_id, name) values (${organizationId}, ${name})
    returning id`
  const [persona] = await tx<{ id: string }[]>`
    insert into conversation.participants (organization_id, name, user_id)
    values (${organizationId}, ${name}, ${user}) returning id`
  const [block] = await tx<{ id: string }[]>`
    insert into conversation.blocks (organization_id, project_id, name)
    values (${organizationId}, ${project?.id ?? ''}, ${name}) returning id`
  return { project: project?.id ?? '', persona: persona?.id ?? '', block: block?.id ?? '' }
}

/** Turns of the persona, appended to the block in order. */
export async function addTurns(
  tx: TransactionSql,
  { organizationId }: Member,
  { persona, block }: Content,
  texts: readonly string[],
  at: string | null = null,
): Promise<string[]> {
  const rows = await tx<{ id: string }[]>`
    insert into conversation.turns (organization_id, participant_id, content, timestamp)
    select ${organizationId}, ${persona}, t.text, coalesce(${at}::timestamptz, now())
    from unnest(${[...texts]}::text[]) with ordinality t(text, place) order by t.place
    returning id`
  const ids = rows.map(({ id }) => id)
  await tx`
    insert into conversation.block_turns (organization_id, block_id, turn_id, sequence_order)
    select ${organizationId}, ${block}, t.id, t.place + (
      select count(*) from conversation.block_turns b where b.block_id = ${block})
    from unnest(${ids}::bigint[]) with ordinality t(id, place)`
  return ids
}

/** A result of a lens over the block. */
export async function addResult(
  tx: TransactionSql,
  { organizationId }: Member,
  { block }: Content,
  result: object,
): Promise<string> {
  const [lens] = await tx<{ id: string }[]>`
    insert into conversation.lens_prototypes (organization_id, name, prompt_template)
    values (${organizationId}, ${`lens of ${block}`}, 'Sum up.') returning id`
  const [row] = await tx<{ id: string }[]>`
    insert into conversation.block_lens_version
      (organization_id, run_id, block_id, lens_id, version, result, input_hash, execution_ids)
    values (
      ${organizationId}, 1, ${block}, ${lens?.id ?? ''}, 1, ${tx.json(result as never)}, '', '{}'
    ) returning id`
  return row?.id ?? ''
}
