import { afterAll, beforeAll, beforeEach } from 'vitest'
import { type ScriptedModel, startScriptedModel } from '../agents/scripted-model.ts'
import { addTenant, type Tenant } from '../agents/tool-agents.ts'
import { startToolServer, textAnswer, type ToolServer } from '../agents/tool-server.ts'
import { connectOwner } from '../stack/database.ts'
import { openDevice } from './plain-chat.ts'

/** Chats of a person whose agent may send letters, a tool of an MCP server, over a scripted model. */
export interface ToolChat {
  readonly scripted: ScriptedModel
  readonly server: ToolServer
  /** A device of the person, with a new chat or the one of this id. */
  readonly open: (id?: string) => ReturnType<typeof openDevice>
}

/**
 * Prepares one for each test of a file. Its members are those of the test that runs.
 * @param policy of the tool
 */
export function prepareToolChat(policy: 'auto' | 'ask'): ToolChat {
  const sql = connectOwner()
  let scripted: ScriptedModel
  let server: ToolServer
  let ann: Tenant
  beforeAll(async () => {
    scripted = await startScriptedModel()
  })
  afterAll(() => scripted.close())
  beforeEach(async () => {
    ann = await addTenant(sql)
    const run = ({ to }: Record<string, unknown>) => textAnswer(`sent to ${String(to)}`)
    server = await startToolServer({ send: { description: 'Sends a letter.', run } })
    await ann.addServer(server.endpoint, policy)
    return () => server.close()
  })
  return {
    get scripted() {
      return scripted
    },
    get server() {
      return server
    },
    open: (id) =>
      openDevice(ann.person, {
        agent: ann.agent,
        functions: scripted.baseURL.replace(/\/v1$/, ''),
        ...(id !== undefined && { id }),
      }),
  }
}
