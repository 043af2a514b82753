import { randomUUID } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { expect, test } from 'vitest'
import { Agents, ColloquyChatTransport } from '../../client/index.ts'
import { readFences } from '../../dev/check/fences.ts'
import { png } from '../support/agents/files.ts'
import { createAgent, invoke } from '../support/agents/invoke.ts'
import { addConfiguration } from '../support/oauth/connect.ts'
import { signUpAsMember, signUpWithOrganization } from '../support/people/people.ts'
import { openClient } from '../support/people/supabase-client.ts'
import { connectOwner } from '../support/stack/database.ts'
import { useStack } from '../support/stack/stack.ts'

const sql = connectOwner()
const docs = fileURLToPath(new URL('../../docs/', import.meta.url))
const read = (file: string) => readFileSync(`${docs}${file}`, 'utf8')

/** The statuses of the requests that each fence of a document sends, as an owner. */
const fences: readonly (readonly [document: string, fence: number, statuses: readonly number[]])[] =
  [
    ['analysis.md', 0, [200]],
    ['analysis.md', 1, [200]],
    ['analysis.md', 2, [200]],
    ['analysis.md', 3, [200]],
    ['analysis.md', 4, [200, 200]],
    ['analysis.md', 5, [200]],
    // The second fence of a page of guests follows the first.
    ['customers.md', 0, [204, 201, 201]],
    ['customers.md', 1, [204, 201, 201, 200, 200, 200, 200, 204, 200, 200, 200]],
    ['customers.md', 2, [204, 201, 201, 200, 200, 200, 200, 204, 200, 200, 200, 200]],
    ['executions.md', 0, [200]],
    ['executions.md', 1, [200, 200, 201]],
    ['executions.md', 2, [200, 204, 200, 200]],
    ['executions.md', 3, [201, 201]],
    // The session, the upload, the invocation and the address.
    ['files.md', 0, [201, 200, 200, 200]],
    // The session is there already; its organization, the upload and the address.
    ['files.md', 1, [409, 200, 200, 200]],
    ['mcp-servers.md', 0, [201]],
    ['people-answer.md', 0, [200, 200, 200, 200, 200]],
    ['search.md', 0, [200]],
    ['schedules.md', 0, [200, 200, 200, 204, 200, 204]],
    ['search.md', 1, [204, 200]],
    ['search.md', 2, [204]],
    ['tools.md', 0, [201, 201]],
    // No definition of the configuration has changed.
    ['tools.md', 1, [200, 404]],
    ['tools.md', 2, [200]],
  ]

test.each(fences)('the TypeScript of %s (%d) runs', async (document, index, expected) => {
  const code = readFences(read(document))
    .slice(document === 'customers.md' ? 0 : index, index + 1)
    .map((fence) => fence.code)
    .join('\n')
  const ann = await signUpWithOrganization('ann')
  const id = await addConfiguration(ann, 'https://mcp.example.com/mcp')
  // A person answers in the conversation of another one.
  const bob = document === 'people-answer.md' ? await signUpAsMember(sql, ann.organization) : ann
  const answered = await invoke(bob, { message: { content: 'Hi' }, stream: false })
  const { session_id: sessionId } = (await answered.json()) as { session_id: string }
  const answers: string[] = []
  const { url, publishableKey } = useStack()
  const record: typeof fetch = async (input, init) => {
    const response = await fetch(input, init)
    answers.push(`${response.status} ${await response.clone().text()}`)
    return response
  }
  const supabase = openClient(url, publishableKey, record)
  const customer = openClient(url, publishableKey, record)
  await supabase.auth.signInWithPassword(ann)
  answers.length = 0

  const proposed_hash = randomUUID().replaceAll('-', '')
  const { data: project } = await supabase
    .schema('client_mgmt')
    .from('projects')
    .insert({ name: 'Sales' })
    .select('id')
    .single()
    .throwOnError()
  const { data: block } = await supabase
    .schema('conversation')
    .from('blocks')
    .insert({ name: 'Calls', project_id: project.id })
    .select('id')
    .single()
    .throwOnError()
  const { data: lens } = await supabase
    .schema('conversation')
    .from('lens_prototypes')
    .select('id')
    .limit(1)
    .single()
    .throwOnError()
  const { data: signedIn } = await supabase.auth.getSession()
  const accessToken = async () => signedIn.session?.access_token
  await bob.client.from('chat_sessions').update({ visibility: 'organization' }).eq('id', sessionId)
  const { data: own } = await supabase.from('organizations').select('slug').single()
  answers.length = 0
  class Transport extends ColloquyChatTransport {
    constructor(options: ConstructorParameters<typeof ColloquyChatTransport>[0]) {
      super({ ...options, fetch: record })
    }
  }
  // An agent of the organization's own, whose model makes vectors.
  const agent =
    document === 'search.md' ? await createAgent(sql, ann.organization, ['openrouter']) : ''
  await sql`update public.models set capabilities = '{embeddings}' where name = 'model-1' and agent_id = (
    select id from public.agents where name = ${agent})`
  const names = {
    ColloquyChatTransport: Transport,
    url,
    publishableKey,
    supabase,
    customer,
    slug: own?.slug,
    id,
    sessionId,
    projectId: project.id,
    blockId: block.id,
    lensId: lens.id,
    Agents,
    options: { url, publishableKey, accessToken, fetch: record },
    organizationId: ann.organization.id,
    vttText: 'WEBVTT\n\n00:00.000 --> 00:02.000\n<v Ada>Hello',
    user_id: ann.id,
    proposed_hash,
  }
  const { outputText } = ts.transpileModule(
    code
      .replaceAll('support/text-embedding-3-small', `${agent}/model-1`)
      .replaceAll('mcp_configuration_id: 7', 'mcp_configuration_id: id')
      // A conversation of the customer's own.
      .replaceAll(
        "rpc('ask_for_person', { session_id: sessionId })",
        "rpc('ask_for_person', { session_id: answer.session_id })",
      )
      .replaceAll('jo@example.com', `${randomUUID()}@example.com`)
      // A page reads it from its own address.
      .replaceAll("fetch('cat.png')", `fetch('data:image/png;base64,${png.toString('base64')}')`),
    {
      compilerOptions: { target: ts.ScriptTarget.ES2023, module: ts.ModuleKind.ESNext },
    },
  )
  const module = `export default async (names) => {
    const { ${Object.keys(names).join(', ')} } = names
    {
      ${outputText}
    }
  }`
  const { default: run } = (await import(
    /* @vite-ignore */ `data:text/javascript,${encodeURIComponent(module)}`
  )) as { default: (given: object) => Promise<void> }
  await run(names)
  expect(
    answers.map((answer) => Number(answer.slice(0, 3))),
    answers.join('\n'),
  ).toEqual(expected)
})

test('every fence of TypeScript in docs/ is run here or with a client, or is a function that clients copy', () => {
  const copied = ['live-updates.md 0', 'people-answer.md 1']
  const inClients = ['api-keys.md 0']
  const there = readdirSync(docs)
    .filter((name) => name.endsWith('.md'))
    .flatMap((name) => readFences(read(name)).map((_, index) => `${name} ${index}`))
  const run = fences.map(([document, index]) => `${document} ${index}`)
  expect([...run, ...copied, ...inClients].sort()).toEqual(there.sort())
})
