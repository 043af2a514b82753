import { readdir, readFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { runCommand } from './command.ts'

/** Home directories of anyone, and servers that hand out packages: true of one machine only. */
const foreignNames = [
  /(?<![\w.}])\/(?:home|Users)\/[\w.-]+/,
  /(?<![\w.}])\/root\/[\w.-]+/,
  /\bregistry\.(?:npmjs|yarnpkg|npmmirror)\.\w+/,
  /\bhttps?:\/\/[\w.-]*(?:artifactory|nexus|verdaccio|npm-proxy)[\w.-]*/i,
  /"resolved": ?"/,
]

/** Names of this very machine: where the checkout and the home directory are, its package server. */
export async function namesOfThisMachine(root: string): Promise<string[]> {
  const checkout = path.resolve(root)
  const names = [checkout, `${os.homedir()}/`]
  const registry = await runCommand('npm', ['config', 'get', 'registry'], { cwd: root })
  if (registry.code === 0) names.push(new URL(registry.stdout.trim()).hostname)
  // A checkout in /tmp or / does not make every mention of those a leak, nor does a local server.
  const above = path.dirname(checkout)
  if (above !== os.tmpdir() && above !== path.parse(above).root) names.push(`${above}/`)
  return names.filter((name) => name.length > 4 && !/^(localhost|127\.[\d.]+)$/.test(name))
}

/** @returns one line per file and name that is true of one machine only */
export async function findMachineNames(
  root: string,
  files: readonly string[],
  own: readonly string[],
): Promise<string[]> {
  const problems: string[] = []
  for (const file of files) {
    const text = await readFile(path.join(root, file), 'utf8')
    const found = [
      ...own.filter((name) => text.includes(name)),
      ...foreignNames
        .map((pattern) => pattern.exec(text)?.[0])
        .filter((name) => name !== undefined),
    ]
    problems.push(...found.map((name) => `${file} names ${name}`))
  }
  return problems
}

/** Every file below `root` that .gitignore does not name; needs no git, so also in an archive. */
export async function listProjectFiles(root: string): Promise<string[]> {
  const ignored = (await readFile(path.join(root, '.gitignore'), 'utf8'))
    .split('\n')
    .map((line) => line.trim().replace(/\/$/, ''))
    .filter((line) => line !== '' && !line.startsWith('#'))
  const skipped = new Set(['.git', ...ignored])
  const files: string[] = []
  const walk = async (folder: string): Promise<void> => {
    for (const entry of await readdir(path.join(root, folder), { withFileTypes: true })) {
      const name = path.posix.join(folder, entry.name)
      if (skipped.has(entry.name) || skipped.has(name)) continue
      if (entry.isDirectory()) await walk(name)
      else if (entry.isFile()) files.push(name)
    }
  }
  await walk('')
  return files
}
