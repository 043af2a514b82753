import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import { addMember, addOwner, as, type Member, refusal } from '../../support/people/tenants.ts'
import { refusedDetail } from '../../support/people/refused-detail.ts'
import { addAgent, begin, finish } from '../../support/rows/executions.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()

const store =
  (template: string, variables: unknown = {}, name = 'dunning') =>
  (tx: TransactionSql) => tx`
    insert into client_mgmt.prompts (name, template, variables)
    values (${name}, ${template}, ${tx.json(variables as never)})`

const scene = (
  fn: (tx: TransactionSql, owner: Member, member: Member, agent: string) => Promise<void>,
) =>
  rolledBack(sql, async (tx) => {
    await tx`delete from public.system_prompts where organization_id is null`
    const owner = await addOwner(tx)
    const member = await addMember(tx, owner.organizationId)
    const agent = await addAgent(tx, owner)
    await fn(tx, owner, member, agent.name)
  })

const declared = {
  customer: { type: 'text' },
  amount: { type: 'number' },
  urgent: { type: 'boolean', value: false },
  due: { type: 'date' },
  from: { type: 'text', source: 'organization_name' },
}
const template = '{{customer}} owes {{amount}} until {{due}}, urgent: {{urgent}}. {{from}}'
const given = { customer: 'Ada', amount: 12.5, due: '2026-12-01' }

test('a request fills a prompt of the library, which is the last of the system prompts', async () => {
  await scene(async (tx, owner, member, agent) => {
    const [named] = await tx<{ name: string }[]>`
      select name from public.organizations where id = ${owner.organizationId}`
    await as(tx, owner, store(template, declared))
    await as(
      tx,
      member,
      (t) => t`
        insert into public.system_prompts (scope, user_id, content)
        values ('user', ${member.id}, 'mine')`,
    )
    const ask = async (variables: object) => {
      const prompt = { name: 'dunning', variables }
      return (await as(tx, member, begin({ agent, prompt }))).system_prompts
    }
    const end = `. ${named?.name}`
    expect(await ask(given)).toEqual([
      'mine',
      `Ada owes 12.5 until 2026-12-01, urgent: false${end}`,
    ])
    expect(await ask({ ...given, urgent: true, customer: '{{amount}}' })).toEqual([
      'mine',
      `{{amount}} owes 12.5 until 2026-12-01, urgent: true${end}`,
    ])
  })
})

test('an undeclared, missing or wrongly typed variable is refused by its name, and nothing is written', async () => {
  await scene(async (tx, owner, member, agent) => {
    await as(tx, owner, store(template, declared))
    const refused: [object, string][] = [
      [{ ...given, discount: 3 }, 'discount: is no variable of the prompt.'],
      [{ amount: 1, due: '2026-12-01' }, 'customer: is required.'],
      [{ ...given, customer: 7 }, 'customer: must be a text.'],
      [{ ...given, customer: ['Ada'] }, 'customer: must be a text.'],
      [{ ...given, customer: null }, 'customer: must be a text.'],
      [{ ...given, amount: '12' }, 'amount: must be a number.'],
      [{ ...given, urgent: 'yes' }, 'urgent: must be a boolean.'],
      [{ ...given, due: '2026-02-30' }, 'due: must be a date, as YYYY-MM-DD.'],
      [{ ...given, due: 'tomorrow' }, 'due: must be a date, as YYYY-MM-DD.'],
      [{ ...given, from: 'Eve' }, 'from: has a source, so a request cannot give its value.'],
    ]
    for (const [variables, problem] of refused) {
      const ask = begin({ agent, prompt: { name: 'dunning', variables } })
      expect(await refusedDetail(tx, member, ask)).toBe(
        `invalid_request: prompt.variables.${problem}`,
      )
    }
    expect(await tx`select 1 from public.chat_sessions where user_id = ${member.id}`).toEqual([])
    expect(await refusal(tx, member, begin({ agent, prompt: { name: 'dunning' } }))).toBe(
      '22023 invalid_request',
    )
  })
})

test('a prompt has a name, and variables that are an object', async () => {
  await scene(async (tx, owner, member, agent) => {
    await as(tx, owner, store('Hello.'))
    const refused: [unknown, string][] = [
      ['dunning', 'prompt: must be an object.'],
      [{}, 'prompt.name: must be a text.'],
      [{ name: 5 }, 'prompt.name: must be a text.'],
      [{ name: 'dunning', variables: [] }, 'prompt.variables: must be an object.'],
      [{ name: 'dunning', version: 2 }, 'prompt.version: is no field of a prompt.'],
      [
        { name: 'dunning', variables: { a: 'x'.repeat(70_000) } },
        'prompt.variables: is longer than 65536 bytes.',
      ],
    ]
    for (const [prompt, problem] of refused) {
      const ask = begin({ agent, prompt: prompt as never })
      expect(await refusedDetail(tx, member, ask)).toBe(`invalid_request: ${problem}`)
    }
    expect(await refusal(tx, member, begin({ agent, prompt: { name: 'dunning' } }))).toBe('allowed')
  })
})

test('a prompt of another organization and an absent prompt are one error', async () => {
  await scene(async (tx, _, member, agent) => {
    const stranger = await addOwner(tx)
    await as(tx, stranger, store('Secret.', {}, 'theirs'))
    for (const name of ['theirs', 'absent']) {
      expect(await refusal(tx, member, begin({ agent, prompt: { name } }))).toBe(
        'PT404 prompt_not_found',
      )
    }
    expect(await refusal(tx, stranger, begin({ prompt: { name: 'theirs' } }))).toBe('allowed')
  })
})

test('a value that a template repeats makes no prompt longer than 262144 characters', async () => {
  await scene(async (tx, owner, member, agent) => {
    await as(tx, owner, store('{{a}}'.repeat(1_000), { a: { type: 'text' } }))
    const ask = (length: number) =>
      begin({ agent, prompt: { name: 'dunning', variables: { a: 'x'.repeat(length) } } })
    expect(await refusal(tx, member, ask(250))).toBe('allowed')
    expect(await refusedDetail(tx, member, ask(300))).toBe(
      'invalid_request: prompt.variables: make the prompt longer than 262144 characters.',
    )
  })
})

test('a prompt declares the variables of its template with their types, or is not stored', async () => {
  await scene(async (tx, owner, member) => {
    const refused: [string, unknown][] = [
      ['{{undeclared}}', {}],
      ['Hello', { a: {} }],
      ['Hello', { a: { type: 'json' } }],
      ['Hello', { a: { type: 'date', value: '2026-02-30' } }],
      ['Hello', { a: { type: 'text', value: 'x', source: 'user_name' } }],
      ['Hello', { a: { type: 'text', default: 'x' } }],
      ['Hello', { 'Not a name': { type: 'text' } }],
      ['Hello', { a: 'text' }],
    ]
    for (const [text, variables] of refused) {
      expect(await refusal(tx, owner, store(text, variables)), JSON.stringify(variables)).toBe(
        '22023 invalid_prompt',
      )
    }
    expect(await refusal(tx, owner, store('Hello', ['a', 7]))).toMatch(/^22023 invalid_prompt/)
    expect(await refusal(tx, member, store('Hello'))).toBe('42501 permission_denied')
    expect(await refusal(tx, owner, store('{{a}}', { a: { type: 'text' } }))).toBe('allowed')
    const spoil = (t: TransactionSql) => t`update client_mgmt.prompts set template = '{{b}}'`
    expect(await refusal(tx, owner, spoil)).toBe('22023 invalid_prompt')
  })
})

test('a queued execution fills its prompt when it starts, and keeps the prompt it named', async () => {
  await scene(async (tx, owner, member, agent) => {
    await as(tx, owner, store('For {{a}}.', { a: { type: 'text' } }))
    const prompt = { name: 'dunning', variables: { a: 'Ada' } }
    const first = await as(tx, member, begin({ agent }))
    const { session_id } = first
    const second = await as(tx, member, begin({ agent, session_id, on_busy: 'queue', prompt }))
    expect(second.status).toBe('pending')
    await as(tx, 'service_role', finish(first))
    const [started] = await as(
      tx,
      member,
      (t) => t<{ result: { status: string; system_prompts: string[] } }[]>`
        select public.start_execution(${second.execution_id}) as result`,
    )
    expect(started?.result).toMatchObject({ status: 'running', system_prompts: ['For Ada.'] })
    await as(tx, 'service_role', finish(second))
    const [kept] = await tx<{ metadata: object; prompts_hash: string | null }[]>`
      select metadata, prompts_hash from public.agent_executions where id = ${second.execution_id}`
    expect(kept?.metadata).toEqual({ prompt })
    expect(kept?.prompts_hash).toMatch(/^[0-9a-f]{64}$/)
  })
})

test('a repeated request is the same only with the same prompt', async () => {
  await scene(async (tx, owner, member, agent) => {
    await as(tx, owner, store('For {{a}}.', { a: { type: 'text' } }))
    const ask = (a: string) =>
      begin({ agent, idempotency_key: 'k', prompt: { name: 'dunning', variables: { a } } })
    const { execution_id } = await as(tx, member, ask('Ada'))
    expect((await as(tx, member, ask('Ada'))).execution_id).toBe(execution_id)
    expect(await refusal(tx, member, ask('Bob'))).toBe('23505 idempotency_conflict')
  })
})
