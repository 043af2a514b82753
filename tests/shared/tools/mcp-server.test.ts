import { afterEach, describe, expect, it } from 'vitest'
import { createOutboundFetch } from '../../../supabase/functions/_shared/http/outbound.ts'
import { toolRequestLimits } from '../../../supabase/functions/_shared/tools/limits.ts'
import { openMcpServer } from '../../../supabase/functions/_shared/tools/mcp-server.ts'
import type { ToolDefinition } from '../../../supabase/functions/_shared/tools/types.ts'
import {
  startToolServer,
  type TestTool,
  textAnswer,
  type ToolServer,
} from '../../support/tool-server.ts'

const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

async function start(tools: Record<string, TestTool>): Promise<ToolServer> {
  const server = await startToolServer(tools)
  closing.push(() => server.close())
  return server
}

function open(endpoint: string, { allowLoopback = true } = {}) {
  const key = {
    organizationId: 1,
    userId: 'u',
    configurationId: 2,
    type: 'http',
    endpoint,
  } as const
  const server = openMcpServer(
    key,
    createOutboundFetch({ allowLoopback, allowedHosts: null, limits: toolRequestLimits }),
  )
  closing.unshift(() => server.close())
  return server
}

const never = new AbortController().signal
const definition = (name: string, more: Partial<ToolDefinition> = {}): ToolDefinition => ({
  name,
  input_schema: { type: 'object' },
  ...more,
})

describe('an MCP server', () => {
  it('lists its tools, without the annotations that nobody may rely on', async () => {
    const server = await start({
      add: { description: 'Adds.', annotations: { readOnlyHint: true } },
    })
    const { tools, refused } = await open(server.endpoint).list(never)
    expect(tools).toEqual([
      {
        name: 'add',
        description: 'Adds.',
        input_schema: expect.objectContaining({ type: 'object' }) as object,
      },
    ])
    expect(refused).toEqual([])
  })

  it('is called once, with exactly the arguments', async () => {
    const server = await start({
      add: { run: ({ a, b }) => textAnswer(`${Number(a) + Number(b)}`) },
    })
    const outcome = await open(server.endpoint).call(definition('add'), { a: 1, b: 2 }, never)
    expect(outcome).toMatchObject({ status: 'success', result: { text: '3' } })
    expect(server.calls()).toEqual([{ a: 1, b: 2 }])
  })
})
