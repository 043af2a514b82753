import pg, { type Connection, type QueryResult as PgResult } from 'pg'

import { type ArrayTypes, ownType, writeValue } from './pg-values.ts'

/** What a statement answered. */
export type QueryResult = PgResult<Record<string, unknown>>

interface Description {
  dataTypeIDs: number[]
}

/** What pg's own query does at each message; its type declarations leave these methods out. */
interface Handlers {
  handleError(error: Error, connection: Connection): void
}

/**
 * A statement whose values are written for the types PostgreSQL gives its parameters. pg asks only
 * for the types of the result, and so writes every list as an array, in a jsonb column too.
 */
class DescribedQuery extends pg.Query {
  readonly #text: string
  readonly #values: readonly unknown[]
  readonly #arrays: ArrayTypes
  #onDescription: ((description: Description) => void) | undefined

  constructor(
    text: string,
    values: readonly unknown[],
    arrays: ArrayTypes,
    callback: (error: Error | undefined, result: QueryResult) => void,
  ) {
    super(text, [...values], callback as never)
    this.#text = text
    this.#values = values
    this.#arrays = arrays
  }

  /** Called by pg when the connection is free, for a statement with values. */
  prepare(connection: Connection): void {
    const types = this.#values.map(ownType)
    this.#onDescription = ({ dataTypeIDs }) => {
      this.#onDescription = undefined
      this.#execute(connection, dataTypeIDs)
    }
    connection.once('parameterDescription', this.#onDescription)
    connection.parse({ name: '', text: this.#text, types: types as never }, true)
    connection.describe({ type: 'S', name: '' }, true)
    connection.flush()
  }

  #execute(connection: Connection, types: number[]): void {
    try {
      const values = this.#values.map((value, index) =>
        writeValue(value, types[index] ?? 0, this.#arrays),
      )
      connection.bind({ values }, true)
      connection.execute({}, true)
    } catch (error) {
      // Thrown here, in a listener of the socket, it would end the process.
      ;(this as unknown as Handlers).handleError(new UnusableValue(error), connection)
    }
    connection.sync()
  }

  handleError(error: Error, connection: Connection): void {
    if (this.#onDescription !== undefined) {
      // The statement was refused before its values were sent; only a Sync ends such an exchange.
      connection.off('parameterDescription', this.#onDescription)
      this.#onDescription = undefined
      connection.sync()
    }
    ;(pg.Query.prototype as unknown as Handlers).handleError.call(this, error, connection)
  }
}

/** A value that cannot be written as text: nested deeper than Node.js follows, for instance. */
export class UnusableValue extends Error {
  override name = 'UnusableValue'

  constructor(cause: unknown) {
    super('a value of the statement cannot be written', { cause })
  }
}

/** Runs one statement on a connection of the pool. */
export function runQuery(
  client: pg.ClientBase,
  text: string,
  values: readonly unknown[],
  arrays: ArrayTypes,
): Promise<QueryResult> {
  return new Promise((resolve, reject) => {
    const done = (error: Error | undefined, result: QueryResult | QueryResult[]) => {
      if (error) reject(error)
      // Several statements in one text give several results; the last is the answer.
      else resolve(Array.isArray(result) ? (result.at(-1) as QueryResult) : result)
    }
    client.query(new DescribedQuery(text, values, arrays, done as never))
  })
}
