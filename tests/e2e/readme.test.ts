import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { lastAssistantMessageIsCompleteWithApprovalResponses } from 'ai'
import ts from 'typescript'
import { describe, expect, test } from 'vitest'
import { ColloquyChatTransport } from '../../client/index.ts'
import { answerTo } from '../../dev/functions/local-answers.ts'
import { PlainChat } from '../support/clients/plain-chat.ts'
import { signUpWithOrganization } from '../support/people/people.ts'
import { useStack } from '../support/stack/stack.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const readText = (file: string) => readFileSync(`${root}${file}`, 'utf8')
const exists = (path: string) => existsSync(`${root}${path}`)
const readme = readText('README.md')

/** The first block of code in a language. */
function blockOf(language: string): string {
  const block = new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\``, 'm').exec(readme)?.[1]
  if (block === undefined) throw new Error(`README.md has no block of ${language}`)
  return block
}

type ChatOptions = ConstructorParameters<typeof PlainChat>[0]

describe('what the README says', () => {
  test('runs: the example of supabase-js', async () => {
    const { url, publishableKey } = useStack()
    const values = {
      email: `${randomUUID()}@example.com`,
      password: randomUUID(),
      slug: `readme-${randomUUID().slice(0, 18)}`,
    }
    const script = [
      blockOf('js').replace(
        '\n\n',
        `\n\nconst { email, password, slug } = ${JSON.stringify(values)}\n`,
      ),
      'console.log(JSON.stringify({ answer, messages }))',
      'process.exit()',
    ].join('\n')
    const { stdout } = await promisify(execFile)(
      process.execPath,
      // Node.js has a WebSocket, which supabase-js wants, from version 22 without this flag.
      ['--experimental-websocket', '--input-type=module', '--eval', script],
      {
        cwd: root,
        env: {
          PATH: process.env.PATH,
          SUPABASE_URL: url,
          SUPABASE_PUBLISHABLE_KEY: publishableKey,
        },
      },
    )
    const text = answerTo('Who are you?', 'anthropic/claude-3-opus')
    expect(JSON.parse(stdout)).toMatchObject({
      answer: { message: { role: 'assistant', content: text }, finish_reason: 'stop' },
      messages: [
        { role: 'user', content: 'Who are you?' },
        { role: 'assistant', content: text },
      ],
    })
  })

  test('runs: the transport for useChat, over two turns of one session and a reload', async () => {
    const ann = await signUpWithOrganization('ann')
    const { url, publishableKey } = useStack()
    // The README's code without its types, with the names it takes from its surroundings.
    const { outputText } = ts.transpileModule(blockOf('ts'), {
      compilerOptions: { target: ts.ScriptTarget.ES2023 },
    })
    const names = {
      ColloquyChatTransport,
      supabase: ann.client,
      url,
      publishableKey,
      sessionId: randomUUID(),
      lastAssistantMessageIsCompleteWithApprovalResponses,
    }
    const module = `export default async (names) => {
      const { ${Object.keys(names).join(', ')} } = names
      ${outputText}
      return chat
    }`
    const { default: build } = (await import(
      /* @vite-ignore */ `data:text/javascript,${encodeURIComponent(module)}`
    )) as { default: (given: object) => Promise<ChatOptions> }
    const chat = new PlainChat(await build(names))

    await chat.sendMessage({ text: 'First' })
    await chat.sendMessage({ text: 'Second' })

    expect(chat.error).toBeUndefined()
    const { data: sessions } = await ann.client.from('v_recent_sessions').select('message_count')
    expect(sessions).toEqual([{ message_count: 4 }])
    expect(chat.messages.map(({ role }) => role)).toEqual([
      'user',
      'assistant',
      'user',
      'assistant',
    ])
    expect(chat.text()).toContain('Second')
    const reloaded = await build(names)
    expect(reloaded.messages?.map(({ parts }) => parts.length)).toEqual([1, 1, 1, 1])
  })

  test('exists: every command of npm and every path it names', () => {
    const { scripts } = JSON.parse(readText('package.json')) as { scripts: Record<string, string> }
    for (const file of ['README.md', 'CONTRIBUTING.md']) {
      const text = readText(file)
      const commands = [...text.matchAll(/npm (?:run ([\w:]+)|(start|test)\b)/g)]
      expect(commands.length).toBeGreaterThan(3)
      for (const [, run, short] of commands) expect(scripts).toHaveProperty([run ?? short ?? ''])
      const paths = [
        ...text.matchAll(/`((?:supabase|dev|ops|docs|examples|tests|bench)\/[\w./-]*)`/g),
      ]
      expect(paths.length).toBeGreaterThan(3)
      for (const [, path = ''] of paths) expect(exists(path), `${file} names ${path}`).toBe(true)
    }
  })

  test('leads somewhere: every link in the documents', () => {
    const documents = readdirSync(root)
      .concat(readdirSync(`${root}docs`, { recursive: true }).map((name) => `docs/${String(name)}`))
      .filter((name) => name.endsWith('.md'))
    const links = documents.flatMap((file) =>
      [...readText(file).matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(([, target = '']) => ({
        file,
        path: posix.join(posix.dirname(file), target),
      })),
    )
    expect(links.length).toBeGreaterThan(8)
    for (const { file, path } of links) expect(exists(path), `${file} links to ${path}`).toBe(true)
  })

  test('is what npm start prints: every message it explains', () => {
    const sources = readdirSync(`${root}dev`, { recursive: true })
      .map(String)
      .filter((file) => file.endsWith('.ts'))
      .map((file) => readText(`dev/${file}`))
      .join('\n')
    const start = readme.indexOf('`npm start` says')
    const table = readme.slice(start, readme.indexOf('A client gets'))
    const messages = [...table.matchAll(/^\| (`.*?`) +\|/gm)].map(([, message]) => message ?? '')
    expect(messages.length).toBeGreaterThan(5)
    for (const message of messages) {
      // The longest piece without what varies: numbers, and what stands for something else (…).
      const [piece = ''] = message
        .split(/[`…\d]+/)
        .map((text) => text.trim())
        .sort((one, other) => other.length - one.length)
      expect(piece.length, message).toBeGreaterThan(10)
      expect(sources.includes(piece), message).toBe(true)
    }
  })
})
