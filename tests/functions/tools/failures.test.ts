import { describe, expect, it, vi } from 'vitest'
import { StreamReader } from '../../support/agents/chat-stream.ts'
import { callsOf, chunksOf, executionOf, ofType } from '../../support/agents/tool-agents.ts'
import { add, adding, useToolAgents } from '../../support/agents/tool-fixture.ts'
import { textAnswer } from '../../support/agents/tool-server.ts'

const made = useToolAgents(adding)
const { sql } = made

describe('what goes wrong on the way', () => {
  it('is an answer of which the model reads a part when it is huge', async () => {
    await made.ann.addServer(made.server.endpoint, 'auto')
    made.server.tools.set('add', {
      ...made.server.tools.get('add'),
      run: () => textAnswer('x'.repeat(500_000)),
    })
    await sql`delete from client_mgmt.mcp_tool_listings`
    made.agents.script(add, 'Much.')
    const { chunks, id } = await made.answer()
    expect(ofType(chunks, 'tool-output-available')).toMatchObject([{ output: { truncated: true } }])
    const last = made.agents.asked().at(-1)?.messages.at(-1)
    expect(String(last?.content).length).toBeLessThan(50_000)
    const [row] = await sql<{ size: number }[]>`
      select octet_length(result::text) as size from conversation.tool_calls where execution_id = ${id}`
    expect(row?.size).toBeLessThan(120_000)
  })

  it('leaves a call unknown when the server goes down in the middle, and the model is told', async () => {
    await made.ann.addServer(made.server.endpoint, 'auto')
    made.server.intercept = ({ method }, _request, response) => {
      if (method !== 'tools/call') return false
      response.socket?.resetAndDestroy()
      return true
    }
    made.agents.script(add, 'I do not know.')
    const { chunks, id } = await made.answer()
    expect(await callsOf(sql, id)).toMatchObject([
      { status: 'unknown', error_code: 'tool_answer_lost' },
    ])
    expect(made.server.calls(), 'made once').toHaveLength(1)
    expect(String(ofType(chunks, 'tool-output-error')[0]?.errorText)).toMatch(/^tool_answer_lost: /)
    expect(made.agents.asked()[1]?.messages.at(-1)).toMatchObject({
      role: 'tool',
      content: expect.stringContaining('it may have been carried out') as string,
    })
  })

  it('is a cancel: the server is told, the call is unknown, the execution cancelled', async () => {
    await made.ann.addServer(made.server.endpoint, 'auto')
    const told = vi.fn<() => void>()
    made.server.tools.set('wait', {
      run: (_args, { signal }) => {
        signal.addEventListener('abort', () => told())
        return new Promise(() => undefined)
      },
    })
    made.agents.script({ name: 'tools__wait' })
    const { response, id } = await made.ask()
    const reader = new StreamReader(response)
    await reader.until('tool-input-available')
    await expect.poll(() => made.server.calls()).toHaveLength(1)
    await made.agents.worker.request(made.ann.person, `executions/${id}/cancel`, { method: 'POST' })
    expect(chunksOf(await reader.toEnd()).at(-1)).toMatchObject({ type: 'abort' })
    expect(await callsOf(sql, id)).toMatchObject([
      { status: 'unknown', error_code: 'execution_cancelled' },
    ])
    expect(await executionOf(sql, id)).toMatchObject({
      status: 'cancelled',
      parts: [{ type: 'tool_call' }, { type: 'tool_result', is_error: true }],
    })
    await expect.poll(() => told).toHaveBeenCalled()
  })

  it('is a budget that does not cover another step', async () => {
    await made.ann.addServer(made.server.endpoint, 'auto')
    await sql`
      insert into client_mgmt.budgets (organization_id, period, limit_tokens)
      values (${made.ann.person.organization.id}, 'day', 6000)`
    made.agents.script(add)
    const { chunks, id } = await made.answer()
    expect(await executionOf(sql, id)).toMatchObject({
      status: 'failed',
      error_code: 'budget_exceeded',
      parts: [{ type: 'tool_call' }, { type: 'tool_result', content: '42' }],
    })
    expect(String(chunks.at(-1)?.errorText)).toMatch(/^budget_exceeded: /)
    expect(made.agents.asked()).toHaveLength(1)
    const [counter] = await sql`
      select reserved_tokens::int, settled_tokens::int from client_mgmt.budget_counters
      where organization_id = ${made.ann.person.organization.id}`
    expect(counter).toEqual({ reserved_tokens: 0, settled_tokens: 15 })
  })
})
