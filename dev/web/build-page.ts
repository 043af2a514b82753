import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readdir, readFile, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import { errorCode, firstLine, StartError } from '../process/start-error.ts'

/** What the page is made of: a change of any of it makes another page. */
const sources = ['web', 'client', 'package-lock.json', 'tsconfig.json']

/**
 * Builds the page in `web/` with Vite, unless these sources were built before.
 * @returns the folder of the built page
 * @throws StartError when the page does not build
 */
export async function buildPage(root: string, log: (line: string) => void): Promise<string> {
  const cache = path.join(root, 'node_modules/.cache/web')
  const name = await hashSources(root)
  const folder = path.join(cache, name)
  if (existsSync(folder)) return folder
  log('Building the page (only after a change) …')
  // Two processes may build at once: each has a folder of its own until the page is whole.
  const unfinished = `${folder}.${process.pid}`
  await runVite(root, unfinished)
  await rename(unfinished, folder).catch(async (error: unknown) => {
    if (!['ENOTEMPTY', 'EEXIST'].includes(errorCode(error) ?? '')) throw error
    await rm(unfinished, { recursive: true })
  })
  const older = (await readdir(cache)).filter((one) => !one.startsWith(name))
  await Promise.all(older.map((one) => rm(path.join(cache, one), { recursive: true, force: true })))
  return folder
}

async function runVite(root: string, outDir: string): Promise<void> {
  const vite = path.join(root, 'node_modules/vite/bin/vite.js')
  const build = ['build', 'web', '--outDir', outDir, '--emptyOutDir', '--logLevel', 'warn']
  // A process of its own: Vite sets NODE_ENV for all of its process.
  const env = { ...process.env, NODE_ENV: 'production' }
  try {
    await promisify(execFile)(process.execPath, [vite, ...build], { cwd: root, env })
  } catch (error) {
    await rm(outDir, { recursive: true, force: true })
    const { stderr } = error as { stderr?: string }
    const reason = stderr?.split('\n').find((line) => line.trim() !== '') ?? firstLine(error)
    throw new StartError(`The page in web/ does not build: ${reason}`)
  }
}

async function hashSources(root: string): Promise<string> {
  const hash = createHash('sha256')
  for (const file of (await Promise.all(sources.map((one) => listFiles(root, one)))).flat()) {
    const text = await readFile(path.join(root, file))
    hash.update(`${file}\0${text.length}\0`).update(text)
  }
  return hash.digest('hex').slice(0, 16)
}

async function listFiles(root: string, place: string): Promise<string[]> {
  if (place.includes('.')) return [place]
  const entries = await readdir(path.join(root, place), { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)))
    .filter((file) => !file.startsWith(path.join(place, 'dist')))
    .sort()
}
