import { afterAll, beforeAll, beforeEach } from 'vitest'
import { connectOwner } from '../stack/database.ts'
import {
  addTenant,
  type Chunk,
  chunksOf,
  startToolAgents,
  type Tenant,
  type ToolAgents,
} from './tool-agents.ts'
import { startToolServer, type TestTool, textAnswer, type ToolServer } from './tool-server.ts'

/** The function `agents` over a scripted model; each test has a new tenant and a new tool server. */
export class ToolFixture {
  /** As the owner of the tables. */
  readonly sql = connectOwner()
  agents!: ToolAgents
  server!: ToolServer
  ann!: Tenant

  /** Asks the tenant's agent. */
  async ask(body: object = {}, tenant = this.ann): Promise<{ response: Response; id: string }> {
    const question = { agent: tenant.agent, message: { content: 'Go on' }, ...body }
    const response = await this.agents.worker.invoke(tenant.person, question)
    return { response, id: response.headers.get('x-execution-id') ?? '' }
  }

  /** Asks, and reads to the end. */
  async answer(body: object = {}, tenant = this.ann): Promise<{ chunks: Chunk[]; id: string }> {
    const { response, id } = await this.ask(body, tenant)
    return { chunks: chunksOf(await response.text()), id }
  }
}

/** The one tool of most tests. */
export const adding: Record<string, TestTool> = {
  add: {
    description: 'Adds two numbers.',
    annotations: { readOnlyHint: true, destructiveHint: false },
    inputSchema: {
      type: 'object',
      properties: { a: { type: 'number' }, b: { type: 'number' } },
      required: ['a', 'b'],
    },
    run: ({ a, b }) => textAnswer(String(Number(a) + Number(b))),
  },
}
export const add = { name: 'tools__add', args: { a: 20, b: 22 } }

/** Registers the hooks of the fixture. @param tools of the server of each test */
export function useToolAgents(tools: Readonly<Record<string, TestTool>>): ToolFixture {
  const made = new ToolFixture()
  beforeAll(async () => {
    made.agents = await startToolAgents()
  })
  afterAll(() => made.agents.close())
  beforeEach(async () => {
    made.ann = await addTenant(made.sql)
    made.server = await startToolServer({ ...tools })
    return () => made.server.close()
  })
  return made
}
