import * as z from 'zod'
import { AppError } from '../errors.ts'
import { storableText, validate } from '../http/validate.ts'

export const lensRunLimit = { bytes: 4_096, path: '' } as const

const id = z.int().min(1)

/** The body of `POST /agents/lenses/:id/runs`. */
export const lensRunSchema = z
  .strictObject({
    block_id: id.optional(),
    project_id: id.optional(),
    /** Only blocks whose result is stale; those without a result are left out. */
    only: z.literal('stale').optional(),
    version: id.optional(),
    agent: storableText(63).min(1).optional(),
    model: storableText(200).min(1).optional(),
  })
  .refine(({ block_id, project_id }) => (block_id === undefined) !== (project_id === undefined), {
    path: ['block_id'],
    message: 'exactly one of block_id and project_id is required',
  })

export type LensRunRequest = z.output<typeof lensRunSchema>

const rowId = z.string().regex(/^[1-9]\d{0,17}$/)

/** @throws AppError the given code, also for what no row could be called */
export function readRowId(text: string, code: 'lens_not_found' | 'lens_run_not_found'): number {
  if (!rowId.safeParse(text).success) throw new AppError(code)
  return Number(text)
}

/** @throws AppError `invalid_request` with the path of the first wrong field */
export const readLensRun = (body: unknown): LensRunRequest => validate(lensRunSchema, body)
