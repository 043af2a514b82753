import * as z from 'zod'
import { AppError } from '../../errors.ts'
import { validate } from '../../http/validate.ts'

const uuid = z.uuid()

/** @throws AppError `execution_not_found`, also for what no execution could be called */
export function readExecutionId(text: string): string {
  const id = uuid.safeParse(text)
  if (!id.success) throw new AppError('execution_not_found')
  return id.data
}

const eventId = z
  .string()
  .regex(/^\d{1,15}$/, 'is not the id of an event')
  .optional()
const resumption = z.object({ 'Last-Event-ID': eventId, after: eventId })

/**
 * The id of the last event that a client has; 0 for none. The header wins over the parameter
 * `after`: an EventSource keeps the header up to date while its address stays as it was.
 * @throws AppError `invalid_request`
 */
export function readLastEventId({ headers, url }: Request): number {
  const given = validate(resumption, {
    'Last-Event-ID': headers.get('last-event-id') || undefined,
    after: new URL(url).searchParams.get('after') ?? undefined,
  })
  return Number(given['Last-Event-ID'] ?? given.after ?? 0)
}
