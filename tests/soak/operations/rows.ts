import { markerOf } from '../markers.ts'
import type { OwnRow, RowState, WriteEnd } from '../acknowledged.ts'
import { callAgents, readBody } from '../talk.ts'
import type { Conversation, SoakClient, World } from '../world.ts'

interface Answer {
  readonly status: number
  readonly data?: unknown
}

/** What an answer promises: below 300 the write is kept, below 500 it did not happen. */
export function endOf({ status }: Answer): WriteEnd {
  if (status >= 200 && status < 300) return 'done'
  return status >= 400 && status < 500 ? 'refused' : 'unknown'
}

/** A table that is known by its name only. */
interface AnyTable {
  insert(row: object): PromiseLike<Answer>
  update(row: object): { match(key: object): PromiseLike<Answer> }
  delete(): { match(key: object): PromiseLike<Answer> }
}

function table(client: SoakClient, { schema, table }: Pick<OwnRow, 'schema' | 'table'>): AnyTable {
  const device = client.random.pick(client.devices)
  const open = device.schema(schema as 'public').from(table as 'chat_sessions')
  return open
}

export function insertRow(
  world: World,
  client: SoakClient,
  row: Pick<OwnRow, 'schema' | 'table' | 'key'>,
  state: NonNullable<RowState>,
): Promise<{ row: OwnRow; end: WriteEnd }> {
  const { acknowledged } = world
  const kept = acknowledged.add({ ...row, organizationId: client.organization.id }, null)
  const send = async () => endOf(await table(client, row).insert({ ...row.key, ...state }))
  return acknowledged.write(kept, state, send).then((end) => ({ row: kept, end }))
}

export function updateRow(world: World, client: SoakClient, row: OwnRow, state: RowState) {
  return world.acknowledged.write(row, state, async () =>
    endOf(
      await table(client, row)
        .update({ ...state })
        .match(row.key),
    ),
  )
}

export function deleteRow(world: World, client: SoakClient, row: OwnRow) {
  return world.acknowledged.write(row, null, async () =>
    endOf(await table(client, row).delete().match(row.key)),
  )
}

/** Begins a conversation; undefined when nobody knows whether it did. */
export async function newConversation(
  world: World,
  client: SoakClient,
): Promise<Conversation | undefined> {
  const id = client.random.uuid()
  const title = `${client.organization.marker} talk ${id.slice(0, 8)}`
  const key = { schema: 'public', table: 'chat_sessions', key: { id } } as const
  const { row, end } = await insertRow(world, client, key, { title })
  if (end !== 'done') return undefined
  const conversation = { id, row, asked: [] }
  client.conversations.push(conversation)
  return conversation
}

export async function renamed(world: World, client: SoakClient, { row, id }: Conversation) {
  if (row.abandoned) return 'abandoned'
  const title = `${client.organization.marker} ${id.slice(0, 4)} ${client.random.integer(1, 1e6)}`
  return updateRow(world, client, row, { title })
}

export async function deleted(world: World, client: SoakClient, { row, id }: Conversation) {
  if (row.abandoned) return 'abandoned'
  const end = await deleteRow(world, client, row)
  const index = client.conversations.findIndex((other) => other.id === id)
  if (end === 'done') client.conversations.splice(index, 1)
  return end
}

/** Inserts, changes or deletes a row of its own, in one of the tables that clients write. */
export async function wrote(world: World, client: SoakClient): Promise<string> {
  const { random, rows, organization } = client
  const own = rows.filter(({ abandoned }) => !abandoned)
  const value = { value: `${organization.marker} ${random.integer(1, 1e9)}` }
  if (own.length < 3 || random.chance(0.3)) {
    const name = `${organization.marker} ${random.uuid()}`
    const { row, end } = random.chance(0.5)
      ? await insertRow(world, client, { ...projects, key: { name } }, { settings: value })
      : await insertRow(
          world,
          client,
          { ...participants, key: { name } },
          { type: 'person', patterns_metadata: value },
        )
    if (end === 'done') rows.push(row)
    return `insert ${end}`
  }
  const row = random.pick(own)
  if (random.chance(0.3)) {
    const end = await deleteRow(world, client, row)
    if (end === 'done') rows.splice(rows.indexOf(row), 1)
    return `delete ${end}`
  }
  const column = row.table === 'projects' ? 'settings' : 'patterns_metadata'
  return `update ${await updateRow(world, client, row, { [column]: value })}`
}

const projects = { schema: 'client_mgmt', table: 'projects' } as const
const participants = { schema: 'conversation', table: 'participants' } as const

/** Reads what its organization shows it; every text is inspected on its way. */
export async function read(_world: World, client: SoakClient): Promise<string> {
  const device = client.random.pick(client.devices)
  const answers: Answer[] = await Promise.all([
    device.from('v_recent_sessions').select('*', { count: 'exact' }).limit(20),
    device.from('chat_messages').select('*').order('created_at', { ascending: false }).limit(50),
    device.from('agent_executions').select('*').limit(20),
    device.schema('client_mgmt').from('projects').select('*', { count: 'exact' }).limit(50),
    device.schema('client_mgmt').from('usage_ledger').select('*', { count: 'exact' }).limit(5),
    device.from('organizations').select('*'),
  ])
  return [...new Set(answers.map(endOf))].sort().join(', ')
}

/** Reaches for another organization: nothing is there. */
export async function trespassed(world: World, client: SoakClient): Promise<string> {
  const foreign = world.organizations.filter(({ id }) => id !== client.organization.id)
  const others = world.asked.filter(
    ({ by, executionId }) => foreign.includes(by.organization) && executionId !== null,
  )
  if (others.length === 0) return 'nothing to reach for'
  const asked = client.random.pick(others)
  const { conversation, executionId } = asked
  const own = `${client.organization.marker} reached for ${markerOf(asked.by.organization.number)}`
  for (const [method, path] of [
    ['GET', 'stream'],
    ['POST', 'cancel'],
  ] as const) {
    const response = await callAgents(world, client, `executions/${executionId}/${path}`, {
      method,
    })
    if (response === null) continue
    await readBody(world, client, response)
    if (response.ok) world.answers.foreign.push(`${own}: ${path} answered ${response.status}`)
  }
  const [device] = client.devices
  const seen = await Promise.all([
    device
      .from('chat_sessions')
      .update({ title: client.organization.marker })
      .match({ id: conversation.id })
      .select('id'),
    device.from('chat_messages').select('id').match({ session_id: conversation.id }),
    device.from('chat_sessions').delete().match({ id: conversation.id }).select('id'),
  ])
  for (const { data } of seen) {
    if ((data ?? []).length > 0) world.answers.foreign.push(`${own}: ${JSON.stringify(data)}`)
  }
  return 'nothing'
}
