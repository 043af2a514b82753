import * as z from 'zod'
import type { Caller } from '../auth/access-token.ts'
import type { Arguments, Db } from '../database.ts'
import { AppError } from '../errors.ts'
import type { InvokeDependencies } from '../executions/invoke.ts'
import { storableText } from '../http/validate.ts'
import { embedTexts } from '../openai/embed.ts'
import { firstBytes } from './first-bytes.ts'

/** Of the body: a query of 10,000 characters, each of four bytes or of an escape. */
export const searchLimit = { bytes: 256 * 1024, path: 'query' } as const

const maxCharacters = 10_000
const absent = <Schema extends z.ZodType>(schema: Schema) => schema.nullish()

export const searchSchema = z.strictObject({
  query: storableText(2 * maxCharacters).refine(
    (query) => [...query].length <= maxCharacters,
    `has more than ${maxCharacters} characters`,
  ),
  mode: absent(z.enum(['words', 'meaning', 'both'])),
  kinds: absent(z.array(z.enum(['message', 'turn', 'result'])).max(3)),
  project_id: absent(z.int().positive()),
  user_id: absent(z.uuid()),
  since: absent(z.iso.datetime({ offset: true })),
  until: absent(z.iso.datetime({ offset: true })),
  limit: absent(z.int().min(1).max(100)),
  after: absent(storableText(200)),
})

type SearchRequest = z.output<typeof searchSchema>
type Mode = 'words' | 'meaning' | 'both'

/** What search_model() says. */
interface SearchModel {
  readonly model: string
  readonly embedding_model: string
  readonly max_bytes: number
}

interface Answer {
  readonly mode: Mode
  readonly model: string | null
  readonly results: unknown
}

/**
 * Searches as the caller. A query's vector is made by an execution of the caller: budget, limits and
 * ledger. Without a mode the search is by both where the organization makes vectors, else by words.
 * @throws AppError why there is no answer
 */
export async function search(
  deps: InvokeDependencies,
  caller: Caller,
  request: SearchRequest,
  signal: AbortSignal,
): Promise<Answer> {
  const db = deps.database.forCaller(caller.accessToken)
  const model = request.mode === 'words' ? null : await findModel(db)
  const mode = request.mode ?? (model === null ? 'words' : 'both')
  if (mode === 'words') return { mode, model: null, results: await find(db, request, mode) }
  // The database says what is wrong with the rest before anything is paid.
  if (model === null || request.after != null) {
    return { mode, model: null, results: await find(db, request, mode) }
  }
  // There is no vector of nothing.
  if (request.query.trim() === '') return { mode, model: null, results: [] }
  try {
    return await findNearest(deps, caller, request, mode, model, signal)
  } catch (error) {
    if (!isOtherModel(error)) throw error
    // The vectors of another model have begun to answer since.
    const next = await findModel(db)
    if (next === null || next.embedding_model === model.embedding_model) throw error
    return findNearest(deps, caller, request, mode, next, signal)
  }
}

async function findNearest(
  deps: InvokeDependencies,
  caller: Caller,
  request: SearchRequest,
  mode: Mode,
  { model, embedding_model, max_bytes }: SearchModel,
  signal: AbortSignal,
): Promise<Answer> {
  const db = deps.database.forCaller(caller.accessToken)
  const input = [firstBytes(request.query, max_bytes)]
  const embed = { input, encoding: 'float' } as const
  const { vectors } = await embedTexts(deps, caller, { model, embed }, signal)
  const embedding = [...(vectors[0] as readonly number[])]
  return { mode, model, results: await find(db, request, mode, { embedding, embedding_model }) }
}

async function findModel(db: Db): Promise<SearchModel | null> {
  const [model] = await db.call('search_model', {})
  return model ?? null
}

type Nearest = Pick<Arguments<'search'>, 'embedding' | 'embedding_model'>

function find(db: Db, request: SearchRequest, mode: Mode, nearest: Nearest = {}): Promise<unknown> {
  const { query, kinds, project_id, user_id, since, until, limit, after } = request
  return db.call('search', {
    query,
    kinds: kinds ?? undefined,
    project_id: project_id ?? undefined,
    user_id: user_id ?? undefined,
    since: since ?? undefined,
    until: until ?? undefined,
    limit: limit ?? 20,
    after: after ?? undefined,
    mode,
    ...nearest,
  })
}

const isOtherModel = (error: unknown): boolean =>
  error instanceof AppError && error.code === 'invalid_request' && error.path === 'embedding_model'
