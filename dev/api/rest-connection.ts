import type { AnyAST, ConnectionContextOptions, VarsContext } from '@supabase/lite'
import { sql } from 'kysely'
import pg from 'pg'
import type { Database } from '../postgres/database.ts'
import { PooledConnection } from './pooled-connection.ts'
import { readPreRequest } from './pre-request.ts'
import { RestError, toRestError } from './rest-errors.ts'
import { DefaultRows, readRows } from './rest-inserts.ts'
import { jsonRows } from './json-rows.ts'
import { currentRequest } from './rest-request.ts'

/**
 * lite's database connection for REST, on a login that may only become one of the API roles. It
 * reads the schema over another one, the owner's: the catalog views it uses show a role only what
 * that role may use.
 */
export class RestConnection extends PooledConnection {
  readonly #catalog: PooledConnection
  #preRequest: string | undefined

  constructor(database: Database) {
    super(database.rest, 20, jsonRows)
    this.kysely = this.kysely.withPlugin(new DefaultRows())
    this.#catalog = new PooledConnection({ url: database.ownerUrl, options: {} }, 1)
    // By default lite grants ALL on every table of a schema with row-level security to anon,
    // authenticated and service_role at the first request (0.10.0, ensureRlsContext), which undoes
    // every column grant. This state makes lite believe that it has done so. Its login holds no
    // grant option, so a version that ignores the state fails instead.
    Reflect.set(this, 'rlsState', 'active')
  }

  /**
   * One transaction with the caller's role and claims, set by one statement as in PostgREST. lite
   * itself sets eleven settings with one statement each, and waits for each.
   */
  override async withContext<Result>(
    context: VarsContext | undefined,
    work: (transaction: PooledConnection['kysely']) => Promise<Result>,
    options?: ConnectionContextOptions,
  ): Promise<Result> {
    const isPlain = context !== undefined && !options?.transaction && !options?.forceRollback
    if (!isPlain) return super.withContext(context, work, options)
    const settings = settingsOf(context, options?.rpc)
    const check = this.#preRequest
    return this.kysely.transaction().execute(async (transaction) => {
      const calls = Object.entries(settings).map(
        ([name, value]) => `set_config(${literal(name)}, ${literal(value)}, true)`,
      )
      // One text without parameters is one round trip. The second statement needs the first one's
      // role, so they cannot be one statement.
      const statements = [`select ${calls.join(', ')}`, ...(check ? [`select ${check}()`] : [])]
      // The comment keeps it from being asked for as JSON, which one statement alone can be.
      await sql.raw(`/* settings */ ${statements.join('; ')}`).execute(transaction)
      return work(transaction)
    })
  }

  override introspect(options?: { useCache?: boolean }) {
    return this.#catalog.introspect(options)
  }

  override async onPostgrestAST(ast: AnyAST): Promise<AnyAST> {
    refuseUnfiltered(ast)
    return readRows(await super.onPostgrestAST(ast))
  }

  override normalizeDbError(error: unknown): unknown {
    return toRestError(error)
  }

  override async close(): Promise<void> {
    await Promise.all([super.close(), this.#catalog.close()])
  }

  /** Reads the schema and the settings once, so that the first request does not wait for them. */
  async readSchema(): Promise<void> {
    // App.init gives a cache to the connection it knows.
    if (this.config.schemaCache !== undefined) {
      this.#catalog.config.schemaCache = this.config.schemaCache
    }
    const { tables } = await this.introspect({ useCache: true })
    if (tables.length === 0) throw new Error('lite could not read the schema of the database')
    this.#preRequest = await readPreRequest(this.#catalog)
  }
}

/** The platform loads safeupdate for PostgREST's role, which wants a filter. */
function refuseUnfiltered({ type, where }: AnyAST): void {
  if (type !== 'update' && type !== 'delete') return
  if (where !== undefined && Object.keys(where).length > 0) return
  const message = `${type.toUpperCase()} requires a WHERE clause`
  throw new RestError({ code: '21000', message })
}

/** The claims that lite found in the request's token, as its signer wrote them. */
interface Auth {
  readonly role?: unknown
  readonly uid?: unknown
  readonly jwt?: unknown
}

function literal(value: string): string {
  if (!value.includes('\0')) return pg.escapeLiteral(value)
  // Within a text without parameters a zero byte would end the text.
  throw new RestError({ code: '22021', message: 'invalid byte sequence for encoding "UTF8": 0x00' })
}

const asText = (value: unknown): string =>
  typeof value === 'string' ? value : JSON.stringify(value)

/** What lite sets for a request, by name. */
function settingsOf(
  context: VarsContext,
  rpc: ConnectionContextOptions['rpc'],
): Record<string, string> {
  const { uid, jwt, role = 'anon' } = (context['auth'] ?? {}) as Auth
  return {
    role: asText(role),
    'request.jwt.claim.sub': asText(uid ?? ''),
    'request.jwt.claim.role': asText(role),
    ...(jwt !== null && typeof jwt === 'object' && { 'request.jwt.claims': JSON.stringify(jwt) }),
    ...currentRequest(),
    ...(rpc && {
      'response.status': '',
      'response.headers': '',
      ...(rpc.readOnly && { transaction_read_only: 'on' }),
    }),
  }
}
