import type { TransactionSql } from 'postgres'

import type { Actor } from '../actors.ts'
import type { World } from '../world.ts'

/** A transaction with what was planted, and ways to act in it. */
export interface Scene {
  tx: TransactionSql
  world: World
  /** Runs a statement as someone; gives its rows, or the SQLSTATE and message it was refused with. */
  as: (name: string, statement: string) => Promise<Answer>
}

type Answer = { rows: Record<string, unknown>[]; error?: never } | { error: string; rows?: never }

/** @returns what is wrong, in words; empty when the rule holds */
export type Check = (scene: Scene) => Promise<string[]>

export const wrong = (is: boolean, text: string): string[] => (is ? [text] : [])

/** Thrown to undo a savepoint. */
export class Undo extends Error {}

export function ignoreUndo(error: unknown): void {
  if (!(error instanceof Undo)) throw error
}

export function actorNamed(world: World, name: string): Actor {
  const actor = world.actors.find((one) => one.name === name)
  if (actor === undefined) throw new Error(`nobody is called ${name}`)
  return actor
}

export const actIn =
  (tx: TransactionSql, world: World): Scene['as'] =>
  async (name, statement) => {
    const { role, claims } = actorNamed(world, name)
    const become = (to: string, text: string) =>
      tx`select set_config('role', ${to}, true), set_config('request.jwt.claims', ${text}, true)`
    try {
      // What it did stays, unless it was refused.
      const rows = await tx.savepoint(async (inner) => {
        await become(role, JSON.stringify(claims))
        return inner.unsafe<Record<string, unknown>[]>(statement)
      })
      return { rows: [...rows] }
    } catch (error) {
      if (!(error instanceof Error && 'code' in error)) throw error
      return { error: `${String(error.code)} ${error.message}` }
    } finally {
      await become('none', '')
    }
  }
