import fc from 'fast-check'

import type { Routine } from '../catalog.ts'
import { invitationKinds, invitationToken } from '../plant/special.ts'
import type { Row, Value } from '../rules.ts'
import type { World } from '../world.ts'
import { absentId, absentUuid, hostile } from './values.ts'

/** Values of both organizations and of none, by the name of the argument. */
export function argumentPools(world: World): Readonly<Record<string, readonly Value[]>> {
  const ids = (table: string, column = 'id'): Value[] => {
    const rows = world.rows.get(table) ?? []
    const take = (tenant: number) =>
      rows
        .filter((row) => row.organization_id === tenant)
        .slice(0, 3)
        .map((row: Row) => row[column] ?? null)
    return [...take(world.a.organizationId), ...take(world.b.organizationId)]
  }
  const people = [...world.a.people.slice(0, 4), ...world.b.people]
  const keys = [...world.a.people, ...world.b.people].filter(({ chosen }) => chosen !== undefined)
  const permissions = ['content.read_all', 'billing.manage', 'members.manage']
  const pools: Record<string, readonly Value[]> = {
    organization_id: [world.a.organizationId, world.b.organizationId, absentId],
    user_id: [...people.map(({ id }) => id), absentUuid],
    session_id: [
      ...people.map(({ sessionId }) => sessionId),
      ...keys.map(({ sessionId }) => sessionId),
      ...ids('public.chat_sessions'),
      absentUuid,
      null,
    ],
    user_session_id: [...people.map(({ sessionId }) => sessionId), absentUuid],
    execution_id: [...ids('public.agent_executions'), absentUuid],
    id: [
      ...ids('client_mgmt.invitations'),
      ...ids('client_mgmt.access_grants'),
      ...ids('public.mcp_configurations'),
      ...ids('public.mcp_oauth_tokens'),
      absentId,
    ],
    agent_id: [...ids('public.agents'), 1, absentId],
    model_id: [...ids('public.models'), 1, absentId],
    project_id: [null, ...ids('client_mgmt.projects'), absentId],
    mcp_configuration_id: [...ids('public.mcp_configurations'), absentId],
    parent_id: [null, ...ids('public.chat_messages'), absentUuid],
    regenerate: [null, ...ids('public.chat_messages'), absentUuid],
    token: [
      ...['a', 'b'].flatMap((tenant) =>
        invitationKinds.map((kind) => invitationToken(tenant, kind)),
      ),
      'no such token',
    ],
    email: [
      ...people.slice(0, 2).map(({ email }) => email),
      world.b.people[0]?.email ?? '',
      'fresh@example.com',
      'no address',
    ],
    role: ['owner', 'admin', 'member', 'guest', 'superuser'],
    permissions: [null, [], ...permissions.map((permission) => [permission]), ['everything']],
    query: ['canary', 'canary or a', '-canary', '', ...ids('public.chat_messages', 'content')],
    kinds: [null, ['message'], ['turn', 'result'], ['everything']],
    limit: [100, 1, 0],
    permission: ['members.manage', 'everything'],
    name: ['Fresh', ...ids('public.organizations', 'name'), ''],
    slug: [
      'fresh-slug',
      ...(world.rows.get('public.organizations') ?? []).map((row) => row.slug ?? null),
      'Not A Slug',
    ],
    reason: ['Looking into a reported fault', 'short'],
    scope: ['configuration', 'content', 'everything'],
    hours: [1, 24, 25, -1],
    is_active: [true, false],
    agent: [null, 'droid', ...ids('public.agents', 'name'), 'absent'],
    model: [null, 'gpt-4', ...ids('public.models', 'name'), 'absent'],
    provider: ['openrouter', 'vertex-ai', 'nobody'],
    providers: [null, ['openrouter'], []],
    message: [
      { content: 'hello' },
      { content: [{ type: 'text', text: 'hello' }] },
      null,
      { content: 5 },
      ...ids('public.chat_messages').map((id) => ({ id, content: 'hello' })),
    ],
    params: [{}, { max_output_tokens: 5 }, null, []],
    idempotency_key: [null, ...ids('public.agent_executions', 'idempotency_key'), 'fresh'],
    on_busy: ['refuse', 'queue', 'perhaps'],
    handle: ['0'.repeat(64), 'not hexadecimal'],
    issuer: [
      'https://issuer.example.com',
      ...ids('client_mgmt.oauth_clients', 'issuer'),
      'nowhere',
    ],
    content: ['Hello', '{{organization_name}}', ''],
    prompt: [
      null,
      ...ids('client_mgmt.prompts', 'name').map((name) => ({ name })),
      { name: 'absent', variables: { a: 1 } },
      [],
    ],
    variables: [{}, { organization_name: { type: 'text', source: 'organization_name' } }, []],
    after_sequence: [0, -1, 5],
    max_rows: [10, 0, 2000],
    after_seq: [-1, 0, 3],
    max_batches: [10, 0],
    claim: ['sub', 'organization_id', 'role'],
    batch: [10, -1],
    input_bytes: [null, 0, 100_000_000],
    as_root: hostile('boolean'),
    transient: hostile('boolean'),
    capability: ['chat', 'embeddings', 'pictures'],
    previous: [null, ...ids('public.agent_executions'), absentUuid],
    end_user: [null, 'ada', '', 5],
    refers: [...ids('public.agent_executions').map((id) => [id]), [absentUuid], ['1'], 'no list'],
    key_hash: ['0'.repeat(64), 'no hash', null],
    call: ['available_models', 'create_api_key', ''],
    expires_at: [null, '2000-01-01', 'infinity'],
    old_works_until: [null, '2000-01-01', 'infinity'],
  }
  return { ...pools, request: invocations(pools) }
}

const fields = [
  'message',
  'agent',
  'model',
  'session_id',
  'project_id',
  'parent_id',
  'params',
  'on_busy',
  'regenerate',
  'as_root',
  'transient',
  'input_bytes',
  'previous',
  'end_user',
  'refers',
  'capability',
  'prompt',
]

/** Requests of begin_execution(): every field through its values, and the same combinations always. */
function invocations(pools: Readonly<Record<string, readonly Value[]>>): Value[] {
  const base = { message: { content: 'hello' }, agent: 'droid' }
  const varied = fields.flatMap((field) =>
    (pools[field] ?? []).map((value) => ({ ...base, [field]: value })),
  )
  const some = (names: readonly string[], required: readonly string[]) =>
    fc.record(
      Object.fromEntries(names.map((name) => [name, fc.constantFrom(...(pools[name] ?? []))])),
      { requiredKeys: [...required] },
    )
  const again = ['session_id', 'regenerate']
  const followed = (pools['previous'] ?? []).map((previous) => {
    return { ...base, transient: true, previous }
  })
  return [
    base,
    ...varied,
    ...followed,
    ...fc.sample(some(fields, []), { seed: 3, numRuns: 15 }),
    ...fc.sample(some(again, again), { seed: 3, numRuns: 15 }),
    ...[null, [], {}, { ...base, unknown: 1 }],
  ]
}

/** One set of arguments, and what it differs in from the base. */
export interface Call {
  args: Readonly<Record<string, Value>>
  note: string
}

/**
 * The base, every argument through its values while the others stay, and random combinations; the
 * same ones in every run.
 */
export function argumentSets(
  routine: Routine,
  base: Readonly<Record<string, Value>>,
  pools: Readonly<Record<string, readonly Value[]>>,
  { combinations, each }: { combinations: number; each: number },
): Call[] {
  const names = routine.arguments.map(({ name }) => name)
  // An API key is named by the session that it is.
  const poolNames = (name: string, type: string) =>
    name === 'id' && type === 'uuid' ? 'session_id' : name
  const poolOf = ({ name, type }: { name: string; type: string }) =>
    pools[poolNames(name, type)] ?? hostile(type)
  const start: Record<string, Value> = {}
  const hasExample = Object.keys(base).length > 0
  for (const argument of routine.arguments) {
    const given = argument.name in base
    if (given) start[argument.name] = base[argument.name] ?? null
    // An example leaves out what has a default, which the function behind it does not know.
    else if (!argument.optional)
      start[argument.name] = hasExample ? null : (poolOf(argument)[0] ?? null)
  }
  const calls: Call[] = [{ args: start, note: 'base' }]
  for (const argument of routine.arguments) {
    // A request is tried by its fields, as if each were an argument.
    const most = argument.name === 'request' ? each * fields.length : each
    for (const value of poolOf(argument).slice(0, most)) {
      calls.push({
        args: { ...start, [argument.name]: value },
        note: `${argument.name} = ${JSON.stringify(value)?.slice(0, 60)}`,
      })
    }
  }
  if (names.length < 2) return calls
  const lists = routine.arguments.map((argument) => poolOf(argument))
  if (combinations > 0 && lists.reduce((product, list) => product * list.length, 1) <= 100) {
    return [...calls, ...everyCombination(names, lists)]
  }
  const arbitrary = fc.tuple(
    ...routine.arguments.map((argument) => fc.constantFrom(...poolOf(argument))),
  )
  for (const values of fc.sample(arbitrary, { seed: 3, numRuns: combinations })) {
    const args = Object.fromEntries(names.map((name, index) => [name, values[index] ?? null]))
    calls.push({ args, note: `a combination, ${JSON.stringify(args).slice(0, 120)}` })
  }
  return calls
}

function everyCombination(names: readonly string[], lists: readonly (readonly Value[])[]): Call[] {
  let sets: Record<string, Value>[] = [{}]
  lists.forEach((list, index) => {
    sets = sets.flatMap((set) => list.map((value) => ({ ...set, [names[index] ?? '']: value })))
  })
  return sets.map((args) => ({ args, note: `together, ${JSON.stringify(args).slice(0, 120)}` }))
}
