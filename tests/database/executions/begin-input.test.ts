import { randomUUID } from 'node:crypto'
import postgres, { type TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import { addMember, addOwner, as, refusal } from '../../support/people/tenants.ts'
import { addAgent, begin, finish, invoke } from '../../support/rows/executions.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()

/** As a client that calls the RPC itself, past the function agents and its validation. */
const beginWith =
  (agent: string, content: unknown, params: unknown = {}) =>
  (tx: TransactionSql) =>
    tx`select public.begin_execution(${tx.json({ message: { content }, agent, params } as never)})`

async function arrange(tx: TransactionSql) {
  const owner = await addOwner(tx)
  const { name } = await addAgent(tx, owner)
  return { member: await addMember(tx, owner.organizationId), agent: name }
}

const file = { type: 'file', url: 'https://example.com/a.pdf', media_type: 'application/pdf' }

test('parts that no adapter expects are refused for every caller, and nothing is written', async () => {
  await rolledBack(sql, async (tx) => {
    const { member, agent } = await arrange(tx)
    for (const part of [
      null,
      5,
      'text',
      [],
      {},
      { type: 'text' },
      { type: 'text', text: 5 },
      { type: 'reasoning', text: 'I was told so' },
      { type: 'unknown', text: 'x' },
      { type: 'tool_call', id: 'a', name: 'b' },
      { type: 'tool_result', tool_call_id: 'a', name: 'b', content: {} },
      { ...file, media_type: undefined },
      { ...file, url: 'gs://bucket/secret.pdf' },
      { ...file, url: 'http://169.254.169.254/' },
      { ...file, url: 'file:///etc/passwd' },
      { ...file, url: 'data:text/plain;base64,AA==' },
      { ...file, url: 'https://user@example.com/' },
      { ...file, url: `https://example.com/${'a'.repeat(2_048)}` },
      { ...file, type: 'image', url: 'gs://bucket/secret.png' },
    ]) {
      const content = [{ type: 'text', text: 'look' }, part]
      expect(await refusal(tx, member, beginWith(agent, content)), JSON.stringify(part)).toBe(
        '22023 invalid_request',
      )
    }
    const long = 'x'.repeat(70_000)
    for (const params of [{ stop: [long] }, { response_format: long }]) {
      const asked = beginWith(agent, 'hi', params)
      expect(await refusal(tx, member, asked)).toBe('22023 invalid_request')
    }
    const [left] = await tx`
      select count(*)::integer as n from public.chat_sessions where user_id = ${member.id}`
    expect(left?.n).toBe(0)
  })
})

test('the parts that adapters know are stored as they came', async () => {
  await rolledBack(sql, async (tx) => {
    const { member, agent } = await arrange(tx)
    const parts = [
      { type: 'text', text: '' },
      file,
      { type: 'image', url: 'https://example.com', media_type: 'image/png' },
      { type: 'tool_call', id: 'a', name: 'pet', arguments: '{}' },
      { type: 'tool_result', tool_call_id: 'a', name: 'pet', content: 'ok', is_error: true },
    ]
    await as(tx, member, beginWith(agent, parts))
    const [row] = await tx`
      select parts from public.chat_messages where user_id = ${member.id}`
    expect(row?.parts).toEqual(parts)
  })
})

test('a message with a file that is not stored is not answered again', async () => {
  await rolledBack(sql, async (tx) => {
    const { member, agent } = await arrange(tx)
    const mark = { type: 'text', text: '[image/png, not stored]', not_stored: true }
    const again = async (content: object[]) => {
      const { begun } = await invoke(tx, member, { agent, content })
      const { session_id, message_id: regenerate } = begun
      return refusal(tx, member, begin({ agent, session_id, regenerate }))
    }
    const text = { type: 'text', text: 'What is this?' }
    expect(await again([mark, text])).toBe('22023 invalid_request')
    expect(await again([mark])).toBe('22023 invalid_request')
    expect(await again([file, text])).toBe('allowed')
  })
})

const id = randomUUID()
/** The place of the message that asks, among those beside it. */
const asking = { role: 'user' }
/** A value that each field refuses, by the path of the field, beside an otherwise good request. */
const wrong: readonly (readonly [path: string, wrong: Record<string, unknown>])[] = [
  ['message', { message: 'hi' }],
  ['message', { message: null }],
  ['message', { message: { content: 'hi' }, session_id: id, regenerate: id }],
  ['message.content', { message: {} }],
  ['message.content', { message: { content: '' } }],
  ['message.content', { message: { content: 'x'.repeat(262_145) } }],
  ['message.content', { message: { content: [{ type: 'unknown' }] } }],
  ['message.id', { message: { content: 'hi', id: 'one' } }],
  ['message.digest', { message: { content: 'hi', digest: 1 } }],
  ['message.role', { message: { content: 'hi', role: 'system' } }],
  ['agent', { agent: 1 }],
  ['model', { model: [] }],
  ['session_id', { session_id: 'one' }],
  ['session_id', { message: null, regenerate: id }],
  ['project_id', { project_id: '1' }],
  ['project_id', { project_id: -1 }],
  ['project_id', { project_id: 1e18 }],
  ['parent_id', { parent_id: {} }],
  ['parent_id', { message: null, session_id: id, regenerate: id, parent_id: id }],
  ['params', { params: [] }],
  ['params', { params: { stop: ['x'.repeat(65_536)] } }],
  ['params.response_format', { params: { response_format: 'x'.repeat(66_561) } }],
  ['params.max_output_tokens', { params: { max_output_tokens: -5 } }],
  ['on_busy', { on_busy: 'perhaps' }],
  ['regenerate', { message: null, session_id: id, regenerate: 1 }],
  ['as_root', { as_root: 'yes' }],
  ['as_root', { as_root: true, parent_id: id }],
  ['transient', { transient: 0 }],
  ['transient', { transient: true, session_id: id }],
  ['input_bytes', { input_bytes: -1 }],
  ['capability', { capability: 'pictures', transient: true }],
  ['capability', { capability: 'embeddings' }],
  ['previous', { previous: id }],
  ['previous', { previous: 1, transient: true }],
  ['previous', { previous: id, transient: true, parent_id: id }],
  ['previous', { previous: id, transient: true, as_root: true }],
  ['message.input', { message: { content: 'hi', input: [asking] } }],
  ['message.input', { message: { content: 'hi', input: {} }, transient: true }],
  ['message.input', { message: { content: 'hi', input: [] }, transient: true }],
  ['message.input', { message: { content: 'hi', input: [asking, asking] }, transient: true }],
  ['message.input', { message: { content: 'hi', input: [asking, 'x'] }, transient: true }],
  ['message.input', { message: { content: 'hi', input: [{ role: 'root' }] }, transient: true }],
  [
    'message.input',
    { message: { content: 'hi', input: [asking, { ...asking, content: 1 }] }, transient: true },
  ],
  [
    'message.input',
    { message: { content: 'hi', input: [asking, { ...asking, parts: [{}] }] }, transient: true },
  ],
  ['message.input', { message: { content: 'hi', input: [{ ...asking, id }] }, transient: true }],
  [
    'message.input',
    {
      message: { content: 'hi', input: [asking, { ...asking, content: 'x'.repeat(8_388_608) }] },
      transient: true,
    },
  ],
  ['stream', { stream: true }],
  ['idempotency_key', { idempotency_key: 'k' }],
]

test('a wrong field is refused by its name, and a field that nothing reads too', async () => {
  await rolledBack(sql, async (tx) => {
    const { member, agent } = await arrange(tx)
    const problem = async (request: unknown, key: string | null = null) => {
      const call = as(
        tx,
        member,
        (t) => t`select public.begin_execution(${t.json(request as never)}, ${key})`,
      )
      const error: unknown = await call.then(
        () => null,
        (reason: unknown) => reason,
      )
      if (!(error instanceof postgres.PostgresError)) return null
      expect(`${error.code} ${error.message}`).toBe('22023 invalid_request')
      return /^[\w.]+(?=: )/.exec(error.detail ?? '')?.[0]
    }
    for (const [path, fields] of wrong) {
      const request = { message: { content: 'hi' }, agent, ...fields }
      expect(await problem(request), JSON.stringify(fields).slice(0, 80)).toBe(path)
    }
    for (const request of [null, [], 'hi']) expect(await problem(request)).toBe('request')
    expect(await problem({ message: { content: 'hi' }, agent }, 'k'.repeat(256))).toBe(
      'idempotency_key',
    )
    expect(await problem({ message: { content: 'hi' }, agent }, 'k'.repeat(255))).toBeNull()
  })
})

test('an absent field, its default and null are one request; what changes the answer is another', async () => {
  await rolledBack(sql, async (tx) => {
    const { member, agent } = await arrange(tx)
    const again = (fields: object) => (t: TransactionSql) => {
      const request = { message: { content: 'hi' }, agent, ...fields }
      return t<{ result: { execution_id: string; replayed: boolean } }[]>`
        select public.begin_execution(${t.json(request)}, 'k') as result`
    }
    const [first] = await as(tx, member, again({ params: {} }))
    const nulls = { model: null, session_id: null, params: null, as_root: null, input_bytes: null }
    for (const fields of [{}, nulls, { as_root: false }, { on_busy: 'queue', input_bytes: 5 }]) {
      const [row] = await as(tx, member, again(fields))
      const { execution_id } = first?.result ?? {}
      expect(row?.result).toMatchObject({ execution_id, replayed: true })
    }
    for (const fields of [
      { params: { seed: null } },
      { as_root: true },
      { model: 'only' },
      { message: { content: 'hi', digest: '1' } },
    ]) {
      expect(await refusal(tx, member, again(fields))).toBe('23505 idempotency_conflict')
    }
  })
})

test('a long conversation brings its latest messages, as many as a worker can hold', async () => {
  await rolledBack(sql, async (tx) => {
    const { member, agent } = await arrange(tx)
    const { begun } = await invoke(tx, member, { agent, content: 'first' })
    const session = { organization_id: begun.organization_id, session_id: begun.session_id }
    let parent = begun.response_message_id
    for (let n = 0; n < 5; n += 1) {
      const id = randomUUID()
      const row = { ...session, id, parent_id: parent, user_id: member.id, role: 'user' }
      await tx`insert into public.chat_messages ${tx({ ...row, content: 'x'.repeat(1_000_000) })}`
      parent = id
    }
    await tx`
      update public.chat_sessions set current_message_id = ${parent} where id = ${begun.session_id}`
    const next = await as(
      tx,
      member,
      begin({ agent, session_id: begun.session_id, content: 'last' }),
    )
    expect(next.history.map(({ content }) => content.length)).toEqual([1e6, 1e6, 1e6, 1e6, 4])
  })
})

test('what a client sends beside its message is reserved, and instead of the history when transient', async () => {
  await rolledBack(sql, async (tx) => {
    const { member, agent } = await arrange(tx)
    const tokensOf = async (fields: object) => {
      const request = { message: { content: 'hi' }, agent, ...fields }
      const [row] = await as(
        tx,
        member,
        (own) => own<{ id: string }[]>`
          select public.begin_execution(${own.json(request as never)}) ->> 'execution_id' as id`,
      )
      const [stored] = await tx<{ tokens: number }[]>`
        select estimated_input_tokens::int as tokens from public.agent_executions
        where id = ${row?.id ?? null}`
      return stored?.tokens ?? NaN
    }
    const plain = await tokensOf({})
    expect(await tokensOf({ input_bytes: 4_000 })).toBe(plain + 1_000)
    const transient = { transient: true, input_bytes: 4_000 }
    const [alone, sent] = [await tokensOf({ transient: true }), await tokensOf(transient)]
    expect(sent).toBeGreaterThan(alone)
    expect(sent).toBeLessThan(alone + 1_000)
  })
})

test('an execution that waited reserves what its client sends, as one that did not', async () => {
  await rolledBack(sql, async (tx) => {
    const { member, agent } = await arrange(tx)
    const tokensOf = async (fields: { input_bytes?: number }) => {
      const first = await as(tx, member, begin({ agent }))
      const queued = { agent, session_id: first.session_id, on_busy: 'queue', ...fields } as const
      const { execution_id } = await as(tx, member, begin(queued))
      await as(tx, 'service_role', finish(first))
      await as(tx, member, (own) => own`select public.start_execution(${execution_id})`)
      const [stored] = await tx<{ status: string; tokens: number }[]>`
        select status, estimated_input_tokens::int as tokens from public.agent_executions
        where id = ${execution_id}`
      expect(stored?.status).toBe('running')
      return stored?.tokens ?? NaN
    }
    expect(await tokensOf({ input_bytes: 4_000 })).toBe((await tokensOf({})) + 1_000)
  })
})
