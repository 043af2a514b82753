import type { Sql, TransactionSql } from 'postgres'
import { type Actor, as } from '../people/tenants.ts'
import type { Begun } from './executions.ts'

export interface ScheduleArguments {
  name?: string | null
  agent?: string | null
  message?: string | null
  cron?: string | null
  time_zone?: string | null
  prompt?: unknown
}

export interface MadeSchedule {
  id: string
  next_due_at: Date
}

/** A statement for as() or committedAs(): makes a schedule of each morning. */
export const makeSchedule =
  (given: ScheduleArguments) =>
  async (tx: TransactionSql): Promise<MadeSchedule> => {
    const { name, agent, message, cron, time_zone, prompt } = {
      name: 'Report',
      agent: 'droid',
      message: 'Write the report.',
      cron: '0 8 * * *',
      time_zone: 'Europe/Berlin',
      prompt: null,
      ...given,
    }
    const [made] = await tx<MadeSchedule[]>`
      select * from public.create_schedule(
        ${name}, ${agent}, ${message}, ${cron}, ${time_zone}, ${tx.json(prompt as never)})`
    if (made === undefined) throw new Error('create_schedule answered nothing')
    return made
  }

/** Makes a schedule due: its earliest due time was so many minutes ago. */
export const makeDue = (tx: Sql | TransactionSql, id: string, minutes = 1) => tx`
  update private.schedules
  set next_due_at = date_trunc('minute', clock_timestamp()) - make_interval(mins => ${minutes}),
    wake_at = date_trunc('minute', clock_timestamp()) - make_interval(mins => ${minutes})
  where id = ${id}`

export interface DueSchedule {
  schedule_id: string
  due_at: string
  execution?: Begun
  error_code?: string
}

/** A statement for as(): what a worker asks for. */
export const beginDue = async (tx: TransactionSql): Promise<DueSchedule | null> => {
  const [row] = await tx<{ due: DueSchedule | null }[]>`select public.begin_due_schedule() as due`
  return row?.due ?? null
}

export interface ListedSchedule {
  id: string
  message: string | null
  prompt: unknown
  next_due_at: Date | null
  paused_reason: string | null
  last_due_at: Date | null
  last_execution_id: string | null
  last_error_code: string | null
}

export const listSchedules = (tx: TransactionSql, actor: Actor): Promise<ListedSchedule[]> =>
  as(tx, actor, (t) => t<ListedSchedule[]>`select * from public.list_schedules()`)
