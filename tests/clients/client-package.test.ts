import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { root, runCommand, runTool } from '../../dev/check/command.ts'
import { answerTo } from '../../dev/functions/model-server.ts'
import { accessToken, signUpWithOrganization } from '../support/people/people.ts'
import { useStack } from '../support/stack/stack.ts'

let folder: string
let built: string

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'colloquy-client-'))
  built = path.join(folder, 'dist')
  writeFileSync(path.join(folder, 'package.json'), '{ "type": "module" }')
  const args = ['--project', 'client/tsconfig.json', '--outDir', built]
  const { code, stdout } = await runTool('tsc', args)
  expect(stdout).toBe('')
  expect(code).toBe(0)
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

/** A program that has nothing but the package. */
const program = (values: object) => `
import { Agents, ColloquyChatTransport, ColloquyError } from './dist/client/index.js'
const { token, id, ...options } = ${JSON.stringify(values)}
const connection = { ...options, accessToken: async () => token }
const agents = new Agents(connection)
const { message } = await agents.invoke({ agent: 'droid', message: { content: 'Whole?' } })
const transport = new ColloquyChatTransport({ ...connection, settings: { agent: 'droid' } })
const parts = [{ type: 'text', text: 'Streamed?' }]
const messages = [{ id: 'a', role: 'user', parts }]
const trigger = 'submit-message'
const stream = await transport.sendMessages({ chatId: id, messages, trigger })
let text = ''
for await (const chunk of stream) text += chunk.type === 'text-delta' ? chunk.delta : ''
const roles = (await transport.loadMessages(id)).map(({ role }) => role)
const error = await agents.cancel('none').catch((thrown) => thrown)
console.log(JSON.stringify({
  whole: message.content, text, roles, code: error instanceof ColloquyError && error.code,
}))
`

it.each(['node', 'deno'] as const)('works under %s with nothing beside it', async (runtime) => {
  const ann = await signUpWithOrganization('ann')
  const { url, publishableKey } = useStack()
  const token = await accessToken(ann)
  const file = path.join(folder, `${runtime}.js`)
  writeFileSync(file, program({ url, publishableKey, token, id: crypto.randomUUID() }))
  const { code, stdout, stderr } =
    runtime === 'node'
      ? await runCommand(process.execPath, [file])
      : await runTool('deno', ['run', '--quiet', '--no-config', '--allow-net', file])
  expect([code, stderr]).toEqual([0, ''])
  expect(JSON.parse(stdout)).toEqual({
    whole: answerTo('Whole?', 'anthropic/claude-3-opus'),
    text: answerTo('Streamed?', 'anthropic/claude-3-opus'),
    roles: ['user', 'assistant'],
    code: 'execution_not_found',
  })
})
