import { describe, expect, it, vi } from 'vitest'
import { AppError } from '../../../supabase/functions/_shared/errors.ts'
import type {
  ExecutionServer,
  ListedTool,
  ToolServer,
  ToolServerKey,
} from '../../../supabase/functions/_shared/tools/tool-server.ts'
import { openToolbox } from '../../../supabase/functions/_shared/tools/toolbox.ts'
import { fakeAdmin, fakeLog, fakeServer, listed } from '../../support/agents/tool-fakes.ts'

const never = new AbortController().signal

const row = (
  id: number,
  server: string,
  changes: Partial<ExecutionServer> = {},
): ExecutionServer => ({
  mcp_configuration_id: id,
  server,
  type: 'http',
  endpoint: `https://${server}.example.com/mcp`,
  tools: null,
  quarantined: [],
  ...changes,
})

async function open(
  tools: ExecutionServer[],
  { server = fakeServer(), recorded = [] }: { server?: ToolServer; recorded?: ListedTool[] } = {},
) {
  const opened: ToolServerKey[] = []
  const { admin, argsOf } = fakeAdmin({
    record_mcp_tools: () => ({ tools: recorded, quarantined: [] }),
  })
  const { log, entries } = fakeLog()
  const openToolServer = (key: ToolServerKey) => {
    opened.push(key)
    return server
  }
  const execution = { organization_id: 7, execution_id: 'e', user_id: 'u', tools }
  const toolbox = await openToolbox({ admin, openToolServer, log }, execution, never)
  return { toolbox, opened, argsOf, entries }
}

const namesOf = ({ tools }: { tools: readonly { name: string }[] }) => tools.map(({ name }) => name)

describe('the tools of an execution', () => {
  it('come from stored listings, without a word to the server', async () => {
    const { toolbox, opened } = await open([row(1, 'a', { tools: [listed('x')] })])
    expect(toolbox.tools).toEqual([
      { name: 'a__x', description: 'Does x', parameters: { type: 'object', properties: {} } },
    ])
    expect(opened).toEqual([])
  })

  it('are asked for where no listing holds, in the name of the person, and recorded', async () => {
    const definition = { name: 'x', input_schema: {} }
    const server = fakeServer({
      list: async () => ({
        tools: [definition],
        refused: ['y', 'z'].map((name) => ({ name, code: 'tool_unusable', reason: 'is odd' })),
        incomplete: 'the cursor does not advance',
        ttl: 5,
        era: 'older',
      }),
    })
    const { toolbox, opened, argsOf } = await open([row(1, 'a')], {
      server,
      recorded: [listed('x')],
    })
    expect(namesOf(toolbox)).toEqual(['a__x'])
    expect(opened).toEqual([
      {
        organizationId: 7,
        userId: 'u',
        configurationId: 1,
        type: 'http',
        endpoint: 'https://a.example.com/mcp',
      },
    ])
    expect(argsOf('record_mcp_tools')).toEqual([
      {
        organization_id: 7,
        user_id: 'u',
        mcp_configuration_id: 1,
        endpoint: 'https://a.example.com/mcp',
        tools: [definition],
        ttl_seconds: 5,
      },
    ])
    expect(toolbox.notices).toEqual([
      { server: 'a', code: 'tool_unusable', reason: 'is odd', tools: ['y', 'z'] },
      { server: 'a', code: 'tool_listing_incomplete', reason: 'the cursor does not advance' },
    ])
  })

  it('are those of the other servers where one fails, and the client is told why', async () => {
    const server = fakeServer({ list: () => Promise.reject(new AppError('server_unreachable')) })
    const { toolbox, entries } = await open([row(1, 'a'), row(2, 'b', { tools: [listed('x')] })], {
      server,
    })
    expect(namesOf(toolbox)).toEqual(['b__x'])
    expect(toolbox.notices).toEqual([{ server: 'a', code: 'server_unreachable' }])
    expect(entries).toMatchObject([{ event: 'tools_not_listed', code: 'server_unreachable' }])
  })

  it('never come from a stdio server, which is told of', async () => {
    const { toolbox, opened } = await open([row(1, 'a', { type: 'stdio', endpoint: null })])
    expect(toolbox.tools).toEqual([])
    expect(toolbox.notices).toEqual([{ server: 'a', code: 'mcp_stdio_not_supported' }])
    expect(opened).toEqual([])
    expect(toolbox.serverOf(row(1, 'a', { type: 'stdio' }))).toBeUndefined()
  })

  it('leave out what is quarantined, and tell of it', async () => {
    const { toolbox } = await open([row(1, 'a', { tools: [], quarantined: ['x'] })])
    expect(toolbox.notices).toEqual([{ server: 'a', code: 'tool_changed', tools: ['x'] }])
  })

  it('are no more than a model can be given', async () => {
    const many = (server: string) =>
      row(server.charCodeAt(0), server, {
        tools: Array.from({ length: 100 }, (_, n) => listed(`t${n}`)),
      })
    const { toolbox } = await open([many('b'), many('a')])
    expect(toolbox.tools).toHaveLength(128)
    expect(namesOf(toolbox).filter((name) => name.startsWith('a__'))).toHaveLength(100)
    expect(toolbox.notices).toHaveLength(72)
    const long = {
      ...listed('x'),
      definition: { name: 'x', description: 'd'.repeat(300_000), input_schema: {} },
    }
    expect((await open([row(1, 'a', { tools: [long] })])).toolbox.tools).toEqual([])
  })

  it('open a server once, and close it', async () => {
    const close = vi.fn(() => Promise.resolve())
    const { toolbox, opened } = await open([row(1, 'a')], { server: fakeServer({ close }) })
    toolbox.serverOf(row(1, 'a'))
    toolbox.serverOf(row(1, 'a'))
    await toolbox.close()
    expect(opened).toHaveLength(1)
    expect(close).toHaveBeenCalledTimes(1)
  })
})
