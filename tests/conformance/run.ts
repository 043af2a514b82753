import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { arch, platform, tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { startStack } from '../../dev/stack/stack.ts'
import { makeDirectory } from '../support/stack/directory.ts'
import { createDriver, type Scenario } from './driver.ts'

/**
 * `npm run test:conformance`: the MCP project's own client scenarios, against our flow on a stack of
 * its own. The suite needs Node 22, so npm fetches one where this is an older one.
 */
const suite = '@modelcontextprotocol/conformance@0.2.0-alpha.12'
const node22 = `node-${platform()}-${arch()}@22.23.3`
const revisions = ['2026-07-28', '2025-11-25'] as const

const here = fileURLToPath(new URL('.', import.meta.url))

async function main(): Promise<number> {
  const directory = makeDirectory()
  const results = mkdtempSync(join(tmpdir(), 'conformance-'))
  const lines: string[] = []
  const log = (line: string) => lines.push(line)
  const stack = await startStack({ port: 0, directory, durable: false, log }).catch(
    (error: unknown) => {
      console.error(lines.join('\n'))
      throw error
    },
  )
  const { server, url } = await serve(await createDriver(stack))
  try {
    let failed = 0
    for (const revision of revisions) {
      console.log(`\n== client scenarios that ${revision} requires`)
      if ((await runSuite(revision, results, url)) !== 0) failed += 1
    }
    return failed === 0 ? 0 : 1
  } finally {
    server.closeAllConnections()
    server.close()
    await stack.close()
    for (const path of [directory, results]) rmSync(path, { recursive: true, force: true })
  }
}

/** The suite starts all its scenarios at once; so many of them run at a time. */
const concurrent = 4
/** Milliseconds that a scenario has, its turn included. */
const patience = 300_000

/** Takes the scenarios from the suite's clients, and gives each its turn. */
async function serve(
  drive: (scenario: Scenario) => Promise<void>,
): Promise<{ server: Server; url: string }> {
  let running = 0
  const waiting: (() => void)[] = []
  const inTurn = async (scenario: Scenario) => {
    if (running >= concurrent) await new Promise<void>((resolve) => waiting.push(resolve))
    running += 1
    try {
      await drive(scenario)
    } finally {
      running -= 1
      waiting.shift()?.()
    }
  }
  const server = createServer((request, response) => {
    text(request)
      .then((body) => inTurn(JSON.parse(body) as Scenario))
      .then(
        () => response.writeHead(204).end(),
        (error: unknown) => {
          response.writeHead(500).end(error instanceof Error ? (error.stack ?? '') : String(error))
        },
      )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('the driver has no port')
  return { server, url: `http://127.0.0.1:${address.port}` }
}

function runSuite(revision: string, results: string, driver: string): Promise<number | null> {
  const packages = Number(process.versions.node.split('.')[0]) < 22 ? [suite, node22] : [suite]
  const child = spawn(
    'npm',
    [
      'exec',
      '--yes',
      ...packages.map((name) => `--package=${name}`),
      '--',
      'conformance',
      'client',
      '--requirements',
      revision,
      '--command',
      `${process.execPath} ${join(here, 'client.js')}`,
      '--expected-failures',
      join(here, `expected-failures-${revision}.yaml`),
      '--timeout',
      String(patience),
      '--output-dir',
      join(results, revision),
    ],
    {
      env: { ...process.env, CONFORMANCE_DRIVER: driver },
      stdio: ['ignore', 'inherit', 'inherit'],
    },
  )
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
}

process.exitCode = await main()
