import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { objectsFolder } from './api/object-files.ts'
import { locateData } from './postgres/postgres-data.ts'
import { loadSecrets } from './postgres/secrets.ts'
import { externalDatabase } from './process/external-database.ts'
import { takeLock } from './process/lock-file.ts'
import { StartError } from './process/start-error.ts'
import { startStack } from './stack/stack.ts'

/**
 * `npm run db:reset`: deletes the embedded database and the files of Storage, and builds the database
 * from migrations and seed.
 */
async function main(): Promise<void> {
  if (externalDatabase(process.env.DATABASE_URL) !== undefined) {
    throw new StartError(
      'DATABASE_URL is set, and only the embedded database is reset. Unset it, or empty that database yourself.',
    )
  }
  const root = dirname(dirname(fileURLToPath(import.meta.url)))
  const directory = resolve(process.env.COLLOQUY_DIRECTORY || join(root, '.colloquy'))
  const log = (line: string) => console.log(line)
  mkdirSync(directory, { recursive: true })
  const lock = takeLock(directory, log)
  try {
    const { path } = locateData(directory, log)
    for (const each of [path, objectsFolder(directory)].filter(existsSync)) {
      rmSync(each, { recursive: true })
      log(`Deleted ${each}.`)
    }
    await dropDamagedSecrets(directory)
  } finally {
    lock.release()
  }
  const durable = process.env.COLLOQUY_DURABLE !== 'false'
  const stack = await startStack({
    port: 0,
    directory,
    durable,
    functionsDirectory: directory,
    log,
  })
  await stack.close()
  log('Built a new database from the migrations and the seed. Accounts and tokens are gone.')
}

async function dropDamagedSecrets(directory: string): Promise<void> {
  try {
    await loadSecrets(directory)
  } catch (error) {
    if (!(error instanceof StartError)) throw error
    rmSync(join(directory, 'secrets.json'))
    console.log('Deleted the damaged secrets.json.')
  }
}

main().catch((error: unknown) => {
  console.error(error instanceof StartError ? `npm run db:reset: ${error.message}` : error)
  process.exit(1)
})
