import { mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { withTokenHook } from '../api/auth.ts'
import type { LiteOptions, LiteServer } from '../api/lite.ts'
import { type Realtime, startRealtime } from '../api/realtime.ts'
import { functionEnv } from '../functions/function-env.ts'
import { startFunctions } from '../functions/functions.ts'
import { startModelServer } from '../functions/model-server.ts'
import {
  type Content,
  type Database,
  migrate,
  openEmbedded,
  openGiven,
} from '../postgres/database.ts'
import { loadSecrets, type Secrets } from '../postgres/secrets.ts'
import { takeLock } from '../process/lock-file.ts'
import { readPage } from '../web/page.ts'
import { allEnded, Cleanup } from './cleanup.ts'
import { openGateway } from './gateway.ts'
import { startSchedule } from './schedule.ts'
import { defaultCleanupIntervalMs, type Stack, type StackOptions } from './stack-options.ts'

export type { Stack, StackOptions }

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/**
 * Starts the local stack and resolves when every part answers. After a failure it stops every part
 * that had started.
 * @throws StartError when the developer can put it right: the message is one line that says how
 */
export async function startStack(options: StackOptions = {}): Promise<Stack> {
  const directory = resolve(options.directory ?? join(ROOT, '.colloquy'))
  const log = options.log ?? (() => undefined)
  const cleanup = new Cleanup()
  try {
    return await compose({ ...options, directory, log }, cleanup)
  } catch (error) {
    await cleanup.close()
    throw error
  }
}

type Options = StackOptions & Required<Pick<StackOptions, 'directory' | 'log'>>

async function compose(options: Options, cleanup: Cleanup): Promise<Stack> {
  const { directory, log, env = {} } = options
  mkdirSync(directory, { recursive: true, mode: 0o755 })
  const lock = takeLock(directory, log)
  cleanup.add(() => lock.release())

  // The port first: when it is taken, nothing else has to be undone.
  const gateway = await openGateway(options.port ?? 54321, options.requestTimeoutMs)
  cleanup.add(() => gateway.close())
  const { url } = gateway
  lock.publish(url)

  const secrets = await loadSecrets(directory)
  const [database, modelServer, lite, pageFolder] = await allEnded(
    openDatabase(options, secrets, cleanup),
    startModelServer({ serviceAccountKey: secrets.serviceAccountKey }).then((server) => {
      cleanup.add(() => server.close())
      return server
    }),
    readLite(),
    options.buildPage?.() ?? Promise.resolve(undefined),
  )
  const variables = functionEnv({ url, database: database, secrets, modelServer, env })
  const starting = startFunctions({
    directory: options.functionsDirectory ?? join(ROOT, 'supabase/functions'),
    env: variables,
    watch: options.watch ?? false,
    log,
  })
  const [{ rest, auth, realtime, storage }, functions] = await allEnded(
    startApi(lite, { database, secrets, url, log, directory }, contentOf(options), cleanup).finally(
      () => {
        // Closed before REST, whichever starts first: functions ask it to the end.
        cleanup.add(() => starting.then((started) => started.close(), noFunctions))
      },
    ),
    starting,
  )
  const { publishableKey } = secrets
  const page = pageFolder === undefined ? undefined : await readPage(pageFolder, { publishableKey })
  gateway.serve({
    rest: rest.fetch,
    auth: auth.fetch,
    storage: storage.fetch,
    realtime,
    functions,
    page,
  })
  const { cleanupIntervalMs: intervalMs = defaultCleanupIntervalMs } = options
  if (intervalMs > 0 && functions.names.includes('session-cleanup')) {
    const schedule = startSchedule({
      url: `${url}/functions/v1/session-cleanup`,
      cleanupKey: secrets.cleanupKey,
      intervalMs,
      log,
    })
    cleanup.add(() => schedule.close())
  }
  return {
    url,
    publishableKey: secrets.publishableKey,
    secretKey: secrets.secretKey,
    cleanupKey: secrets.cleanupKey,
    databaseUrl: database.ownerUrl,
    superuserUrl: database.superuserUrl,
    jwtSecret: secrets.jwtSecret,
    modelServerUrl: modelServer.url,
    functions: functions.names,
    functionEnv: variables,
    close: () => cleanup.close(),
  }
}

async function openDatabase(
  options: Options,
  secrets: Secrets,
  cleanup: Cleanup,
): Promise<Database> {
  const content = contentOf(options)
  const { databaseUrl, directory, port = 54321, log } = options
  const database =
    databaseUrl === undefined
      ? await openEmbedded(
          {
            directory,
            log,
            passwords: secrets.passwords,
            durable: options.durable ?? true,
            preferredPort: port === 0 ? undefined : port + 1,
          },
          content,
        )
      : await openGiven(databaseUrl, content)
  cleanup.add(() => database.close())
  return database
}

function noFunctions(): void {
  // A part that did not start has nothing to close, and its failure was reported.
}

type Lite = Awaited<ReturnType<typeof readLite>>

/** A large module: read while the database starts. */
async function readLite() {
  return { ...(await import('../api/lite.ts')), ...(await import('../api/storage.ts')) }
}

/** Schema auth, then the migrations, which refer to it, then REST, which reads what they made. */
async function startApi(
  { startAuth, startRest, startStorage }: Lite,
  options: LiteOptions & { readonly directory: string },
  content: Content,
  cleanup: Cleanup,
): Promise<{ rest: LiteServer; auth: LiteServer; storage: LiteServer; realtime: Realtime }> {
  const plain = await startAuth(options)
  cleanup.add(() => plain.close())
  await migrate(options.database, content)
  const [auth, rest, storage, realtime] = await allEnded(
    withTokenHook(plain, options).then((server) => {
      cleanup.add(() => server.close())
      return server
    }),
    startRest(options).then((server) => {
      cleanup.add(() => server.close())
      return server
    }),
    startStorage(options).then((server) => {
      cleanup.add(() => server.close())
      return server
    }),
    startRealtime(options).then((server) => {
      cleanup.add(() => server.close())
      return server
    }),
  )
  return { auth, rest, storage, realtime }
}

function contentOf(options: Options): Content {
  return {
    migrationsDirectory: options.migrationsDirectory ?? join(ROOT, 'supabase/migrations'),
    seedFile: options.seedFile ?? join(ROOT, 'supabase/seed.sql'),
  }
}
