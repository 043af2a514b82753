import type { Caller } from '../auth/access-token.ts'
import { type AppError, toEnvelope } from '../errors.ts'
import type { InvokeDependencies } from '../executions/invoke.ts'
import type { LensRunRequest } from './lens-request.ts'
import { type ClaimedBlock, readBlock } from './read-block.ts'

/** Blocks that one request reads at once. */
const atOnce = 4
/** Milliseconds after which a request begins no further call; what runs then still ends. */
export const timeForCalls = 60_000

/**
 * Begins a run of a lens over a block or a project, and works on it.
 * @throws AppError why it was refused; nothing is written then
 */
export async function runLens(
  deps: InvokeDependencies,
  caller: Caller,
  lens_id: number,
  { only, ...request }: LensRunRequest,
): Promise<Response> {
  const since = deps.clock.now()
  const db = deps.database.forCaller(caller.accessToken)
  const run_id = await db.call('begin_lens_run', {
    lens_id,
    project_id: request.project_id,
    block_id: request.block_id,
    stale_only: only === 'stale',
    version: request.version,
    agent: request.agent,
    model: request.model,
    providers: [...deps.models.providers],
  })
  return workOn(deps, caller, Number(run_id), since)
}

/**
 * Works on a run for a while, and answers how far it is. A client that leaves does not stop it; a run that
 * is not at its end goes on with the next request.
 * @throws AppError `lens_run_not_found`
 */
export async function workOn(
  deps: InvokeDependencies,
  caller: Caller,
  run_id: number,
  since = deps.clock.now(),
): Promise<Response> {
  const db = deps.database.forCaller(caller.accessToken)
  const { admin } = deps.database
  const { organizationId: organization_id } = caller
  let stopped: AppError | undefined
  const hasTime = () => stopped === undefined && deps.clock.now() - since < timeForCalls
  const work = async () => {
    while (hasTime()) {
      const block = (await db.call('claim_lens_block', { run_id })) as ClaimedBlock | null
      if (block === null) return
      const reading = await readBlock(deps, { caller, db, since }, block, hasTime)
      stopped ??= reading.stopped
      const { block_id } = block
      await admin.call('finish_lens_block', {
        organization_id,
        run_id,
        block_id,
        outcome: reading.outcome,
      })
    }
  }
  const done = Promise.all(Array.from({ length: atOnce }, work))
  deps.waitUntil(done)
  await done
  const progress = (await db.call('lens_run_state', { run_id })) as object
  return Response.json({ ...progress, ...(stopped && { stopped: toEnvelope(stopped).error }) })
}
