import type { Db } from '../database.ts'
import { AppError } from '../errors.ts'
import { modelId } from './chat-completion.ts'

/** The target of a request: an agent, and one of its models when the request names one. */
export interface Target {
  readonly agent: string
  readonly model?: string
}

interface AvailableModel {
  readonly agent: string
  readonly model: string
  readonly owned_by: string
  readonly created_at: string
}

/** A model in OpenAI's list. */
export interface ListedModel {
  readonly id: string
  readonly object: 'model'
  /** Seconds since the epoch. */
  readonly created: number
  readonly owned_by: string
}

/**
 * What the caller's organization may use, by the ids that a request may name: each agent, which
 * stands for its own route of models, and each model of an agent.
 * @param providers names of the providers that can be called
 */
export async function listModels(db: Db, providers: readonly string[]): Promise<ListedModel[]> {
  const models = await availableModels(db, providers)
  const listed = new Map<string, ListedModel>()
  const add = (id: string, { created_at, owned_by }: AvailableModel) => {
    const created = Math.floor(Date.parse(created_at) / 1000)
    if (!listed.has(id)) listed.set(id, { id, object: 'model', created, owned_by })
  }
  for (const each of models) {
    add(each.agent, each)
    add(modelId(each.agent, each.model), each)
  }
  return [...listed.values()]
}

/**
 * One model of the list, also by its own name where only one agent has it.
 * @throws AppError `model_not_found`, or `invalid_request` for a name that several agents have
 */
export async function findModel(
  db: Db,
  id: string,
  providers: readonly string[],
): Promise<ListedModel> {
  const { agent, model } = await resolveModel(db, id)
  const listed = await listModels(db, providers)
  const found = listed.find((each) => each.id === modelId(agent, model))
  if (!found) throw new AppError('model_not_found')
  return { ...found, id }
}

/**
 * The meaning of a model id: `agent/model`, else an agent, else a model that only one agent has.
 * Providers without a key count: the invocation reports that it cannot call them.
 * @throws AppError `model_not_found`, or `invalid_request` for a name that several agents have
 */
export async function resolveModel(db: Db, id: string): Promise<Target> {
  const models = await availableModels(db)
  const exact = models.find(({ agent, model }) => modelId(agent, model) === id)
  if (exact) return { agent: exact.agent, model: exact.model }
  if (models.some(({ agent }) => agent === id)) return { agent: id }
  const [first, ...others] = models.filter(({ model }) => model === id)
  if (!first) throw new AppError('model_not_found')
  if (others.length > 0) {
    const message = 'model: Several agents have a model of this name. Name it as agent/model.'
    throw new AppError('invalid_request', { path: 'model', message })
  }
  return { agent: first.agent, model: first.model }
}

async function availableModels(db: Db, providers?: readonly string[]): Promise<AvailableModel[]> {
  const list = providers && { providers: [...providers] }
  return await db.call('available_models', { ...list })
}
