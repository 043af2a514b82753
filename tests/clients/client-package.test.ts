import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { root, runCommand, runTool } from '../../dev/check/command.ts'
import { answerTo } from '../../dev/functions/local-answers.ts'
import { nodeOf, useNewestFolder } from '../support/clients/newest.ts'
import { bundleProgram, programFile } from '../support/clients/program.ts'
import { expoGlobals, reactNativeGlobals, runInGlobals } from '../support/clients/react-native.ts'
import { hasBrowser } from '../support/people/browser.ts'
import { openPageWith } from '../support/people/page.ts'
import { accessToken, signUpWithOrganization } from '../support/people/people.ts'
import { useStack } from '../support/stack/stack.ts'

let folder: string
let built: string

useNewestFolder()
beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'colloquy-client-'))
  const installed = path.join(folder, 'node_modules/colloquy')
  built = path.join(installed, 'dist')
  const args = ['--project', 'client/tsconfig.json', '--outDir', built]
  const { code, stdout } = await runTool('tsc', args)
  expect(stdout).toBe('')
  expect(code).toBe(0)
  cpSync(path.join(root, 'client/package.json'), path.join(installed, 'package.json'))
  cpSync(programFile, path.join(folder, 'program.mjs'))
  writeFileSync(
    path.join(folder, 'main.mjs'),
    `import process from 'node:process'
     import * as program from './program.mjs'
     const values = JSON.parse(process.argv[2])
     const said = { ...(await program.askAgents(values)), ...(await program.chat(values)) }
     console.log(JSON.stringify(said))`,
  )
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const filesOf = (ending: string) =>
  readdirSync(built, { recursive: true })
    .map(String)
    .filter((name) => name.endsWith(ending))

it('gives the files that its exports name', () => {
  const manifest = readFileSync(path.join(root, 'client/package.json'), 'utf8')
  const { exports } = JSON.parse(manifest) as { exports: Record<string, Record<string, string>> }
  const named = Object.values(exports).flatMap((each) => Object.values(each))
  expect(named.length).toBeGreaterThan(2)
  expect([...filesOf('.js'), ...filesOf('.d.ts')]).toEqual(
    expect.arrayContaining(named.map((name) => name.replace('./dist/', ''))),
  )
})

it('imports nothing at run time, and types of the AI SDK only', () => {
  const importsOf = (ending: string) =>
    filesOf(ending)
      .flatMap((name) => [
        ...readFileSync(path.join(built, name), 'utf8').matchAll(
          /(?:from|import\()\s*'([^.'][^']*)'/g,
        ),
      ])
      .map(([, specifier]) => specifier)
  expect(importsOf('.js')).toEqual([])
  expect([...new Set(importsOf('.d.ts'))]).toEqual(['ai'])
})

describe('one program, which has nothing but the package,', () => {
  const answer = (question: string) => answerTo(question, 'anthropic/claude-3-opus')
  const asked = {
    whole: answer('Whole?'),
    events: answer('Grüezi 👋?'),
    code: 'execution_not_found',
  }
  const chatted = { text: answer('Streamed?'), roles: ['user', 'assistant'] }

  async function values(): Promise<string> {
    const token = await accessToken(await signUpWithOrganization('ann'))
    const { url, publishableKey } = useStack()
    return JSON.stringify({ url, publishableKey, token, id: crypto.randomUUID() })
  }

  it.each(['', 22, 24] as const)('works under Node %s', async (major) => {
    const node = major === '' ? process.execPath : nodeOf(major)
    const args = [path.join(folder, 'main.mjs'), await values()]
    const { code, stdout, stderr } = await runCommand(node, args)
    expect([code, stderr]).toEqual([0, ''])
    expect(JSON.parse(stdout)).toEqual({ ...asked, ...chatted })
  })

  it('works under Deno', async () => {
    const map = path.join(folder, 'import-map.json')
    const imports = { 'colloquy/client': path.join(built, 'client/index.js') }
    writeFileSync(map, JSON.stringify({ imports }))
    const flags = ['--quiet', '--no-config', '--allow-net', `--import-map=${map}`]
    const args = ['run', ...flags, path.join(folder, 'main.mjs'), await values()]
    const { code, stdout, stderr } = await runTool('deno', args)
    expect([code, stderr]).toEqual([0, ''])
    expect(JSON.parse(stdout)).toEqual({ ...asked, ...chatted })
  })

  it('works under React Native without streams, and says what the chat lacks', async () => {
    const script = await bundleProgram(built, 'es2017')
    const run = (name: string, given: string) =>
      runInGlobals(reactNativeGlobals, script, `program.${name}(${given})`)
    expect(await run('askAgents', await values())).toEqual(asked)
    await expect(run('chat', await values())).rejects.toThrow('The chat needs ReadableStream')
  })

  it('works under Expo, whose `fetch` streams', async () => {
    const script = await bundleProgram(built, 'es2017')
    const run = (name: string, given: string) =>
      runInGlobals(expoGlobals, script, `program.${name}(${given})`)
    expect(await run('askAgents', await values())).toEqual(asked)
    expect(await run('chat', await values())).toEqual(chatted)
  })

  // Where CI is set a missing browser is a failure; elsewhere it counts as skipped on the last line.
  it.skipIf(!hasBrowser && !process.env.CI)(
    'works in a browser',
    { timeout: 120_000 },
    async () => {
      const page = await openPageWith(await bundleProgram(built, 'es2022'))
      const both = 'Promise.all([program.askAgents(values), program.chat(values)])'
      await page.run(`const values = ${await values()}
      ${both}.then((said) => (window.said = said), (error) => (window.said = String(error)))`)
      await page.until('window.said')
      expect(await page.run('return window.said')).toEqual([asked, chatted])
    },
  )
})
