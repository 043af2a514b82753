import { randomUUID } from 'node:crypto'
import * as z from 'zod'
import type { Stack } from '../../dev/stack/stack-options.ts'
import { createAccessTokenVerifier } from '../../supabase/functions/_shared/auth/access-token.ts'
import { createDatabase } from '../../supabase/functions/_shared/database.ts'
import { readEnv } from '../../supabase/functions/_shared/env.ts'
import { AppError } from '../../supabase/functions/_shared/errors.ts'
import { createWaitUntil } from '../../supabase/functions/_shared/http/wait-until.ts'
import { createOAuth } from '../../supabase/functions/_shared/oauth/create-oauth.ts'
import { createCredentials } from '../../supabase/functions/_shared/oauth/credentials.ts'
import { createToolServers } from '../../supabase/functions/_shared/tools/create-tool-servers.ts'
import type { ToolDefinition } from '../../supabase/functions/_shared/tools/tool-server.ts'
import { createApp } from '../../supabase/functions/oauth/app.ts'
import { callAnswering } from './answer.ts'
import { type ConformancePerson, newPerson } from './person.ts'

/** One scenario, as the suite tells its client. */
export interface Scenario {
  readonly name: string
  /** Revision of the protocol. */
  readonly version: string
  /** Address of the scenario's MCP server. */
  readonly endpoint: string
  readonly context: ScenarioContext
}

interface ScenarioContext {
  /** A client that was registered by hand. */
  readonly issuer?: string
  readonly client_id?: string
  readonly client_secret?: string
  /** Calls to make; by default every tool once. */
  readonly toolCalls?: readonly { name: string; arguments: Record<string, unknown> }[]
}

const attempts = 3
const never = new AbortController().signal

/**
 * What a person does in each scenario: connects the server by the routes of the function `oauth`
 * and uses its tools, in an organization of their own.
 */
export async function createDriver(stack: Stack): Promise<(scenario: Scenario) => Promise<void>> {
  const env = readEnv({
    ...stack.functionEnv,
    // Makes the address of the client id metadata document the one that the suite knows. Nothing is
    // ever sent there.
    OAUTH_PUBLIC_URL: 'https://conformance-test.local',
  })
  const deps = await createOAuth(env, createDatabase(env), () => undefined)
  const credentials = createCredentials(deps)
  const { allowLoopback } = deps.settings
  const openToolServer = createToolServers({ ...deps, allowLoopback })
  const verifyAccessToken = createAccessTokenVerifier(env)
  const app = createApp({
    ...deps,
    credentials,
    verifyAccessToken,
    openToolServer,
    waitUntil: createWaitUntil(deps.log),
  })

  async function call(person: ConformancePerson, method: string, path: string, body: unknown) {
    const headers = {
      'content-type': 'application/json',
      authorization: `Bearer ${person.accessToken}`,
    }
    const init = { method, headers, body: JSON.stringify(body) }
    const response = await app.request(`/oauth${path}`, init)
    const answer = (await response.json()) as Record<string, unknown>
    if (!response.ok) throw new Error(`${method} ${path}: ${JSON.stringify(answer)}`)
    return answer
  }

  /** The whole way of a person: begin, the issuer in a browser, our callback, finish. */
  async function connect(person: ConformancePerson, configurationId: number): Promise<void> {
    const begun = await call(person, 'POST', '/connections', {
      mcp_configuration_id: configurationId,
      redirect_to: 'http://127.0.0.1:3000/',
    })
    const answer = await fetch(String(begun.authorization_url), { redirect: 'manual' })
    const callback = new URL(answer.headers.get('location') ?? '')
    const page = await app.request(`/oauth${callback.pathname}${callback.search}`)
    const location = new URL(page.headers.get('location') ?? '')
    const error = location.searchParams.get('error')
    if (error !== null) throw new Error(`callback: ${error}`)
    const connection = location.searchParams.get('connection')
    await call(person, 'POST', '/connections/finish', { connection })
  }

  async function useTools(
    person: ConformancePerson,
    configurationId: number,
    { endpoint, context }: Scenario,
  ): Promise<void> {
    // As an execution does it, without the tool's policy and the model that asks.
    const server = openToolServer({
      organizationId: person.organizationId,
      userId: person.id,
      configurationId,
      type: 'http',
      endpoint,
    })
    try {
      const { tools } = await server.list(never)
      const known = new Map(tools.map((tool) => [tool.name, tool]))
      const calls = tools.map((tool) => ({
        name: tool.name,
        arguments: argumentsFor(tool, tools[0]?.input_schema),
      }))
      for (const { name, arguments: args } of context.toolCalls ?? calls) {
        const definition = known.get(name) ?? { name, input_schema: {} }
        const { status, error_code, result } = await callAnswering(server, definition, args)
        if (needsAuthorization(error_code)) throw new AppError('connection_needs_authorization')
        // What a tool answers is not judged here, only that there is an answer.
        if (status === 'unknown') throw new Error(`${name}: ${error_code} ${result.text}`)
      }
    } finally {
      await server.close()
    }
  }

  return async (scenario) => {
    const person = await newPerson(stack)
    const isAuthorization = scenario.name.startsWith('auth/')
    const { issuer, client_id, client_secret } = scenario.context
    if (issuer && client_id) {
      await call(person, 'PUT', '/clients', { issuer, client_id, client_secret })
    }
    const configurationId = await person.addConfiguration({
      name: `server-${randomUUID()}`,
      type: 'http',
      endpoint: scenario.endpoint,
      auth_type: isAuthorization ? 'oauth' : 'none',
    })
    if (isAuthorization) await connect(person, configurationId)
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await useTools(person, configurationId, scenario)
      } catch (error) {
        const code = error instanceof AppError ? error.code : undefined
        if (attempt === attempts || !needsAuthorization(code)) throw error
        await connect(person, configurationId)
      }
    }
  }
}

function needsAuthorization(code: string | undefined): boolean {
  return (
    code === 'insufficient_scope' ||
    code === 'connection_needs_authorization' ||
    code === 'authorization_server_changed'
  )
}

/**
 * A value for each property of a tool's arguments, by its type.
 * @param object for objects; one scenario wants another tool's schema back as it was sent
 */
function argumentsFor(
  { input_schema: schema }: ToolDefinition,
  object: unknown,
): Record<string, unknown> {
  const values: Record<string, unknown> = {
    ...{ number: 2, integer: 2, boolean: true, string: 'text' },
    object,
  }
  const typed = z.object({ type: z.string() })
  const properties = Object.entries(schema['properties'] ?? {})
  return Object.fromEntries(
    properties.map(([name, schema]) => {
      const type = typed.safeParse(schema).data?.type ?? ''
      return [name, values[type] ?? null]
    }),
  )
}
