import { createHash } from 'node:crypto'
import type { TransactionSql } from 'postgres'
import { type Actor, as } from '../people/tenants.ts'

export interface IssuedKey {
  id: string
  key: string
  prefix: string
  name: string
  permissions: string[]
  expires_at: string
  old_works_until: string | null
}

export interface KeyOptions {
  name?: string | null
  permissions?: string[]
  expires_at?: string | null
}

/** A statement for as(): makes an API key. */
export const makeKey =
  ({ name = 'server', permissions = ['agents.invoke'], expires_at = null }: KeyOptions = {}) =>
  async (tx: TransactionSql): Promise<IssuedKey> => {
    const [row] = await tx<{ issued: IssuedKey }[]>`
      select to_jsonb(public.create_api_key(${name}, ${permissions}, ${expires_at}::text::timestamptz)) as issued`
    if (row === undefined) throw new Error('create_api_key answered nothing')
    return row.issued
  }

export const hashOf = (key: string): string => createHash('sha256').update(key).digest('hex')

/** A statement for as(): what a function asks for with a key, as the service role. */
export const actWith =
  (key: string, call: string, args: Record<string, unknown> = {}) =>
  async (tx: TransactionSql): Promise<unknown> => {
    const [row] = await tx<{ answer: unknown }[]>`
      select public.act_with_api_key(${hashOf(key)}, ${call}, ${tx.json(args as never)}) as answer`
    return row?.answer
  }

/** Whether a key works now: what a harmless act of it comes to. */
export async function keyWorks(
  tx: TransactionSql,
  key: string,
  actor: Actor = 'service_role',
): Promise<unknown> {
  return as(tx, actor, actWith(key, 'available_models'))
}
