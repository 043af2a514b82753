import { describe, expect, expectTypeOf, it } from 'vitest'
import type * as z from 'zod'
import {
  Agents,
  type BegunConnection,
  type ConnectionOptions,
  type Decision,
  type EndedConnection,
  type HeaderKey,
  type IssuerClient,
  type LensRunRequest,
  type McpConnection,
  McpServers,
  type PolledExecution,
  type RefreshedConnection,
  type StoredIssuerClient,
  type StoredProviderKey,
  type TestedServer,
} from '../../../client/index.ts'
import openApi from '../../../client/openapi.json' with { type: 'json' }
import { type Operation, operations } from '../../../dev/check/openapi-routes.ts'
import type * as decide from '../../../supabase/functions/_shared/executions/decide-tool-call.ts'
import type * as reading from '../../../supabase/functions/_shared/executions/read-execution.ts'
import type { lensRunSchema } from '../../../supabase/functions/_shared/lenses/lens-request.ts'
import type * as begin from '../../../supabase/functions/_shared/oauth/begin-authorization.ts'
import type { Credential } from '../../../supabase/functions/_shared/oauth/credentials.ts'
import type * as end from '../../../supabase/functions/_shared/oauth/disconnect.ts'
import type * as finish from '../../../supabase/functions/_shared/oauth/finish-authorization.ts'
import type { headerKeySchema } from '../../../supabase/functions/_shared/oauth/set-header-key.ts'
import type * as clients from '../../../supabase/functions/_shared/oauth/set-preregistered-client.ts'
import type * as keys from '../../../supabase/functions/_shared/provider-keys/store-key.ts'
import type * as tested from '../../../supabase/functions/_shared/tools/test-server.ts'

/** Operations without a method, and who calls them. */
const elsewhere: readonly (readonly [operations: RegExp, callers: string])[] = [
  [/^\w+ \/agents\/v1\//, 'OpenAI’s clients'],
  [/^get \/\w+\/health$/, 'monitors'],
  [/^get \/oauth\/callback\//, 'the browser, sent by an issuer'],
  [/^get \/oauth\/client-metadata\.json$/, 'issuers'],
]

const execution = '019ac8a0-0000-7000-8000-000000000001'

/** A use of each method. */
const agentsUses: Record<Exclude<keyof Agents, symbol>, (agents: Agents) => Promise<unknown>> = {
  invoke: (agents) => agents.invoke({ message: { content: 'Hi' } }),
  stream: (agents) => agents.stream({ message: { content: 'Hi' } }),
  follow: (agents) => agents.follow(execution),
  read: (agents) => agents.read(execution),
  cancel: (agents) => agents.cancel(execution),
  decide: (agents) => agents.decide(execution, 'call/1', 'approve'),
  answer: (agents) =>
    agents.answer(
      { execution_id: execution, tool_call_id: 'call/1', round: 1 },
      { q: { action: 'accept', content: { name: 'Ann' } } },
    ),
  search: (agents) => agents.search({ query: 'dog', mode: 'both', limit: 5 }),
  runLens: (agents) => agents.runLens(1, { project_id: 2, only: 'stale' }),
  continueLensRun: (agents) => agents.continueLensRun(3),
  setProviderKey: (agents) => agents.setProviderKey('openrouter', 'sk-or-v1-key'),
  removeProviderKey: (agents) => agents.removeProviderKey('vertex-ai'),
}
const serversUses: Record<keyof McpServers, (servers: McpServers) => Promise<unknown>> = {
  test: (servers) => servers.test(1),
  connect: (servers) => servers.connect(1, 'https://app.example.com/connected'),
  finish: (servers) => servers.finish('h'.repeat(43)),
  refresh: (servers) => servers.refresh(1),
  disconnect: (servers) => servers.disconnect(1),
  setBearerToken: (servers) => servers.setBearerToken(1, 'token', 'https://mcp.example.com'),
  removeBearerToken: (servers) => servers.removeBearerToken(1),
  setHeaderKey: (servers) => servers.setHeaderKey(1, 'x-api-key', { value: 'v', owner: 'me' }),
  removeHeaderKey: (servers) => servers.removeHeaderKey(1, 'x-api-key', 'organization'),
  setClient: (servers) => servers.setClient({ issuer: 'https://a.example.com', client_id: 'c' }),
}

interface Sent {
  readonly method: string
  readonly url: URL
  readonly body: unknown
}

async function sentBy(use: (options: ConnectionOptions) => Promise<unknown>): Promise<Sent> {
  const sent: Sent[] = []
  await use({
    url: 'https://project.example.com',
    publishableKey: 'key',
    accessToken: async () => 'token',
    async fetch(target, init) {
      const body: unknown = typeof init?.body === 'string' ? JSON.parse(init.body) : undefined
      sent.push({ method: init?.method ?? 'GET', url: new URL(target as string), body })
      return Response.json({})
    },
  })
  const [only, ...others] = sent
  if (!only || others.length > 0) throw new Error('a method sends one request')
  return only
}

const uses = [
  ...Object.entries(agentsUses).map(([name, use]) => [
    `Agents.${name}`,
    (options: ConnectionOptions) => use(new Agents(options)),
  ]),
  ...Object.entries(serversUses).map(([name, use]) => [
    `McpServers.${name}`,
    (options: ConnectionOptions) => use(new McpServers(options)),
  ]),
] as [string, (options: ConnectionOptions) => Promise<unknown>][]

const nameOf = ({ method, path }: Operation) =>
  `${method.toLowerCase()} ${path.replaceAll(/:(\w+)(?:\{[^}]*\})?\??/g, '{$1}')}`

/** The operation that a request is for. */
function operationOf({ method, url }: Sent): Operation | undefined {
  return operations.find((operation) => {
    const pattern = operation.path.replaceAll(/:\w+(?:\{[^}]*\})?\??/g, '[^/]+')
    const path = new RegExp(`^/functions/v1${pattern}$`)
    return operation.method === method && path.test(url.pathname)
  })
}

describe('the methods of the client', () => {
  it.each(uses)('%s sends what openapi.json says', async (_, use) => {
    const sent = await sentBy(use)
    const operation = operationOf(sent)
    expect(operation).toBeDefined()
    const { body, query = {} } = operation ?? {}
    if (body) expect(body.safeParse(sent.body)).toMatchObject({ success: true })
    else expect(sent.body).toBeUndefined()
    expect(Object.keys(query)).toEqual([...sent.url.searchParams.keys()])
  })

  it('are all tried here', () => {
    const methodsOf = (type: typeof Agents | typeof McpServers) =>
      Object.getOwnPropertyNames(type.prototype).filter((name) => name !== 'constructor')
    expect(Object.keys(agentsUses)).toEqual(methodsOf(Agents))
    expect(Object.keys(serversUses)).toEqual(methodsOf(McpServers))
  })

  it('cover each operation of openapi.json, except those of other callers', async () => {
    const covered = new Set<string>()
    for (const [, use] of uses) {
      const operation = operationOf(await sentBy(use))
      if (operation) covered.add(nameOf(operation))
    }
    const all = Object.entries(openApi.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method} ${path}`),
    )
    const callersOf = (name: string) => elsewhere.filter(([operations]) => operations.test(name))
    expect(all.filter((name) => callersOf(name).length === 0).sort()).toEqual([...covered].sort())
    for (const [operations, callers] of elsewhere) {
      expect([callers, all.filter((name) => operations.test(name))]).not.toEqual([callers, []])
    }
  })

  it('have the types of what the functions take and answer', () => {
    expectTypeOf<HeaderKey>().toExtend<z.input<typeof headerKeySchema>>()
    expectTypeOf<IssuerClient>().toExtend<z.input<typeof clients.preregisteredClientSchema>>()
    expectTypeOf<reading.PolledExecution>().toExtend<PolledExecution>()
    expectTypeOf<LensRunRequest>().toExtend<z.input<typeof lensRunSchema>>()
    expectTypeOf<decide.Decision>().toExtend<Decision>()
    expectTypeOf<begin.BegunAuthorization>().toExtend<BegunConnection>()
    expectTypeOf<finish.FinishedConnection>().toExtend<McpConnection>()
    expectTypeOf<end.Disconnected>().toExtend<EndedConnection>()
    expectTypeOf<Credential['expiresAt']>().toExtend<RefreshedConnection['expires_at']>()
    expectTypeOf<tested.TestedServer>().toExtend<TestedServer>()
    expectTypeOf<clients.PreregisteredClient>().toExtend<StoredIssuerClient>()
    expectTypeOf<keys.StoredProviderKey>().toExtend<StoredProviderKey>()
  })
})
