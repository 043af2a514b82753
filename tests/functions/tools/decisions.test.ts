import { describe, expect, it } from 'vitest'
import { startAgentsWorker } from '../../support/agents/agents-worker.ts'
import {
  type Decision,
  send,
  useApprovals,
  variablesOf,
} from '../../support/agents/approval-fixture.ts'
import { callFunction, type ErrorBody } from '../../support/agents/invoke.ts'
import { callsOf } from '../../support/agents/tool-agents.ts'
import { textAnswer } from '../../support/agents/tool-server.ts'
import { signUpWithOrganization } from '../../support/people/people.ts'

const { made, decide, decided, follow, elsewhereGet } = useApprovals()
const { sql } = made
const codeOf = async (response: Response) => ((await response.json()) as ErrorBody).error.code

describe('a decision', () => {
  const waiting = async () => {
    await made.ann.addServer(made.server.endpoint, 'ask')
    made.agents.script(send, 'Done.')
    return (await made.answer()).id
  }

  it('is made once: said again it changes nothing, said otherwise it is refused', async () => {
    const id = await waiting()
    const first = await decided(id, 'approve')
    await follow(first.execution_id)
    const again = await decided(id, 'approve')
    expect(again.execution_id).toBe(first.execution_id)
    const otherwise = await decide(id, 'deny')
    expect([otherwise.status, await codeOf(otherwise)]).toEqual([409, 'tool_call_decided'])
    expect(made.server.calls()).toHaveLength(1)
  })

  it('said fifty times at once makes one call', async () => {
    const id = await waiting()
    const decisions = await Promise.all(Array.from({ length: 50 }, () => decided(id, 'approve')))
    const executions = new Set(decisions.map(({ execution_id }) => execution_id))
    expect(executions.size).toBe(1)
    for (const execution of executions) await follow(execution)
    expect(made.server.calls()).toHaveLength(1)
  })

  it('is the person’s own', async () => {
    const id = await waiting()
    const stranger = await signUpWithOrganization('stranger')
    const foreign = await decide(id, 'approve', 'call-1', stranger)
    expect([foreign.status, await codeOf(foreign)]).toEqual([404, 'execution_not_found'])
    const nobody = await callFunction(`agents/executions/${id}/approvals/call-1`, {
      token: null,
      body: { decision: 'approve' },
    })
    expect(nobody.status).toBe(401)
    expect(await callsOf(sql, id)).toMatchObject([{ status: 'pending' }])
  })

  it('names a call that waits, and says one of two things', async () => {
    const id = await waiting()
    const unknown = await decide(id, 'approve', 'call-9')
    expect([unknown.status, await codeOf(unknown)]).toEqual([404, 'tool_call_not_found'])
    for (const body of [{ decision: 'maybe' }, {}, { decision: 'approve', arguments: {} }]) {
      expect((await decide(id, body)).status).toBe(400)
    }
    const get = await elsewhereGet(`executions/${id}/approvals/call-1`)
    expect([get.status, get.headers.get('allow')]).toEqual([405, 'POST'])
    expect((await decide('no-uuid', 'approve')).status).toBe(404)
  })

  it('that comes before the stream has ended waits for it', async () => {
    await made.ann.addServer(made.server.endpoint, 'ask')
    const id = (await made.ann.person.client.from('mcp_configurations').select('id').single()).data
      ?.id
    await sql`
      insert into client_mgmt.mcp_tool_policies (organization_id, mcp_configuration_id, tool_name, policy)
      values (${made.ann.person.organization.id}, ${id ?? 0}, 'look', 'auto')`
    let early: Promise<Decision> | undefined
    made.server.tools.set('look', {
      run: async () => {
        const [row] = await sql<{ execution_id: string }[]>`
          select execution_id from conversation.tool_approvals
          where organization_id = ${made.ann.person.organization.id}`
        early = decided(row?.execution_id ?? '', 'approve')
        await new Promise((resolve) => setTimeout(resolve, 300))
        return textAnswer('seen')
      },
    })
    made.agents.script([send, { name: 'tools__look' }], 'Done.')
    await made.answer()
    const decision = await early
    expect(decision).toMatchObject({ status: 'approved' })
    await follow(decision?.execution_id ?? null)
    expect(made.server.calls()).toContainEqual({ to: 'Bob' })
  })

  it('is no, where the conversation has gone on', async () => {
    const id = await waiting()
    const [row] = await sql`select session_id from public.agent_executions where id = ${id}`
    made.agents.script('Something else.')
    await made.answer({ session_id: row?.session_id as string })
    expect(await callsOf(sql, id)).toMatchObject([
      { status: 'denied', error_code: 'tool_call_superseded' },
    ])
    const late = await decide(id, 'approve')
    expect([late.status, await codeOf(late)]).toEqual([409, 'tool_call_decided'])
    expect(made.agents.asked()[0]?.messages.map(({ role }) => role)).toEqual([
      ...['user', 'assistant', 'tool', 'user'],
    ])
  })
})

describe('a worker that dies in the middle of a call', () => {
  it('leaves it unknown: the next execution is told, and no worker makes it again', async () => {
    await made.ann.addServer(made.server.endpoint, 'auto')
    const doomed = await startAgentsWorker(variablesOf(made))
    made.server.tools.set('send', { run: () => new Promise(() => undefined) })
    made.agents.script(send, 'Let me see.')
    const { agent, person } = made.ann
    const response = await doomed.invoke(person, { agent, message: { content: 'Write' } })
    const id = response.headers.get('x-execution-id') ?? ''
    await expect.poll(() => made.server.calls()).toHaveLength(1)
    doomed.kill()
    await expect(response.text()).rejects.toThrow()
    await sql`update public.agent_executions set lease_expires_at = now() where id = ${id}`
    await follow(id)
    expect(await callsOf(sql, id)).toMatchObject([{ status: 'unknown', error_code: 'interrupted' }])
    const [row] = await sql`select session_id from public.agent_executions where id = ${id}`
    made.agents.script('I do not know whether the letter was sent.')
    await made.answer({ session_id: row?.session_id as string })
    expect(made.agents.asked()[0]?.messages).toMatchObject([
      { role: 'user' },
      { role: 'assistant' },
      { role: 'tool', content: expect.stringContaining('may have been carried out') as string },
      { role: 'user' },
    ])
    expect(made.server.calls()).toHaveLength(1)
    await doomed.close()
  })
})
