import { AsyncLocalStorage } from 'node:async_hooks'
import { App, setExperimental } from '@supabase/lite'
import { explaining, explainRest } from '../postgres/database-trouble.ts'
import { appConfig, type LiteOptions, type LiteServer, withoutUserLookup } from './lite.ts'
import { ObjectFiles, objectsFolder, removeObjectFile } from './object-files.ts'
import { PooledConnection } from './pooled-connection.ts'
import { toStorageAnswer, toStorageRequest } from './storage-forms.ts'

/** What one request did so far. */
interface Doing {
  /** Files of the request, which stay only when the database took their rows. */
  readonly written: string[]
  /** What the database refused last. */
  refusal?: Refusal
}

interface Refusal {
  readonly code: string
  readonly message: string
}

const doing = new AsyncLocalStorage<Doing>()

/** lite's database connection for Storage, as the owner of its tables, which becomes the caller. */
class StorageConnection extends PooledConnection {
  constructor(...options: ConstructorParameters<typeof PooledConnection>) {
    super(...options)
    // As for REST: lite must not grant everything to the API roles.
    Reflect.set(this, 'rlsState', 'active')
  }

  override normalizeDbError(error: unknown): unknown {
    const current = doing.getStore()
    if (current && isRefusal(error)) current.refusal = { code: error.code, message: error.message }
    return super.normalizeDbError(error)
  }
}

function isRefusal(error: unknown): error is Refusal {
  return error instanceof Error && 'code' in error && typeof error.code === 'string'
}

/** Storage over `/storage/v1`, after the migrations; the bytes are files of `<directory>/objects`. */
export async function startStorage(
  options: LiteOptions & { readonly directory: string },
): Promise<LiteServer> {
  // Only here, and not by a variable: when its first part starts, which is Auth, lite prints a warning about its
  // own cloud for each part that it calls experimental.
  setExperimental('storage', true)
  const connection = new StorageConnection(options.database.storage, 6)
  const app = new App({
    ...appConfig(options),
    storage: { enabled: true },
    connection,
    options: { server: { admin: false, middlewares: [withoutUserLookup] } },
  })
  app._storageAdapter = new ObjectFiles(objectsFolder(options.directory), (path) =>
    doing.getStore()?.written.push(path),
  )
  try {
    await app.init()
  } catch (error) {
    await connection.close()
    throw error
  }
  const answer = (request: Request) => {
    const current: Doing = { written: [] }
    return doing.run(current, async () => {
      const form = await toStorageRequest(request)
      if (form instanceof Response) return form
      const response = await app.fetch(form.request)
      if (response.ok) return toStorageAnswer(response, form)
      await Promise.all(current.written.map(removeObjectFile))
      return current.refusal ? refused(response, current.refusal) : response
    })
  }
  return { fetch: explaining(answer, explainRest), close: () => connection.close() }
}

/** lite answers one sentence to every refusal of the database; Storage answers the database's own. */
function refused(response: Response, { code, message }: Refusal): Response {
  if (code !== '42501') return response
  return Response.json({ statusCode: '403', error: 'Unauthorized', message }, { status: 400 })
}
