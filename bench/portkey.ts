import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { findDeno } from '../dev/functions/deno-binary.ts'
import { findFreePort } from '../dev/process/free-port.ts'
import { startTiedProcess, stopProcess } from '../dev/process/tied-process.ts'

/** The gateway we compare with. It is no dependency of ours: 95 packages, 25 MB. */
export const portkeyVersion = '1.15.2'

const root = fileURLToPath(new URL('..', import.meta.url))
const folder = path.join(root, 'node_modules/.cache', `portkey-${portkeyVersion}`)
const main = path.join(folder, 'node_modules/@portkey-ai/gateway/build/start-server.js')

export interface Gateway {
  url: string
  pid: number
  close(): Promise<void>
}

/**
 * Stands in for `@hono/node-server`. The version that Portkey's range admits today (1.19.19) hands
 * out the immutable headers of a fetched Response, on Node too, so that every call ends as "headers
 * are immutable"; and the runtime's own server costs less than its copy of Node's.
 */
const server = `
export const serve = ({ fetch, port }) => {
  Deno.serve({ hostname: '127.0.0.1', port }, (request) => fetch(request))
  return { on() {} }
}
`

/**
 * Starts Portkey's gateway under Deno, on the runtime's own HTTP server. Installed from npm when
 * that has not been done before.
 */
export async function startPortkey(): Promise<Gateway> {
  if (!existsSync(main)) install()
  const port = await findFreePort(undefined)
  const args = ['run', '--allow-all', '--no-lock', '--node-modules-dir=manual']
  const child = startTiedProcess(findDeno(), [...args, main, '--headless', `--port=${port}`], {
    env: { ...definedEnv(), NODE_ENV: 'production', DENO_NO_UPDATE_CHECK: '1' },
    cwd: folder,
    signal: 'SIGINT',
  })
  child.stdout?.resume()
  child.stderr?.resume()
  const url = `http://127.0.0.1:${port}`
  const close = () => stopProcess(child, 'SIGINT', 2_000)
  for (let attempt = 0; ; attempt++) {
    if (await isUp(url)) break
    if (attempt === 200) {
      await close()
      throw new Error('Portkey did not start.')
    }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return { url, pid: child.pid ?? 0, close }
}

async function isUp(url: string): Promise<boolean> {
  try {
    return (await fetch(url)).ok
  } catch {
    return false // Not listening yet.
  }
}

function install(): void {
  const standIn = path.join(folder, 'node-server')
  mkdirSync(standIn, { recursive: true })
  const named = { name: '@hono/node-server', version: '1.3.3', type: 'module', main: 'index.js' }
  writeFileSync(path.join(standIn, 'package.json'), JSON.stringify(named))
  writeFileSync(path.join(standIn, 'index.js'), server)
  const manifest = {
    private: true,
    type: 'module',
    dependencies: { '@portkey-ai/gateway': portkeyVersion },
    overrides: { '@hono/node-server': 'file:./node-server' },
  }
  writeFileSync(path.join(folder, 'package.json'), JSON.stringify(manifest))
  // Its only install script applies patches that it does not bring.
  const options = ['install', '--ignore-scripts', '--no-fund', '--no-audit']
  const { status, stderr } = spawnSync('npm', options, { cwd: folder, encoding: 'utf8' })
  if (status !== 0) throw new Error(`Portkey could not be installed: ${stderr}`)
}

function definedEnv(): Record<string, string> {
  const entries = Object.entries(process.env)
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => !!entry[1]))
}
