import { allEnded } from '../../dev/stack/cleanup.ts'
import { markerOf } from './markers.ts'
import { joinOrganization } from './operations/people.ts'
import { insertRow } from './operations/rows.ts'
import type { Random } from './random.ts'
import { openDevice } from './talk.ts'
import { toolServerName } from './tools.ts'
import type { SoakClient, SoakOrganization, World } from './world.ts'

/** Tokens that a small budget allows at first: some requests. */
const smallBudget = 4_000
const atOnce = 5

/** Founds the organizations and lets every client join one, before anything is disturbed. */
export async function setUp(
  world: World,
  random: Random,
  counts: { clients: number; organizations: number },
): Promise<void> {
  const numbers = Array.from({ length: counts.organizations }, (_, index) => index + 1)
  for (let first = 0; first < numbers.length; first += atOnce) {
    const some = numbers.slice(first, first + atOnce)
    await allEnded(...some.map((number) => found(world, random.fork(), number)))
  }
  for (let left = counts.clients - counts.organizations; left > 0; left -= atOnce) {
    const joining = Array.from({ length: Math.min(left, atOnce) }, (_, index) => {
      const { owner } = must(world.organizations[(left - index) % counts.organizations])
      return joinOrganization(world, owner, random.fork())
    })
    for (const client of await allEnded(...joining)) world.clients.push(must(client))
  }
}

async function found(world: World, random: Random, number: number): Promise<void> {
  const marker = markerOf(number)
  const device = () => openDevice(world.stack, world.answers, () => marker)
  const email = `${random.uuid()}@example.com`
  const password = random.uuid()
  const devices: SoakClient['devices'] = [device(), device()]
  const [first, second] = devices
  const { data, error } = await first.auth.signUp({ email, password })
  if (error !== null) throw error
  const slug = `soak-${random.uuid().slice(0, 18)}`
  const founded = await first.rpc('create_organization', { name: marker, slug })
  if (founded.error !== null) throw founded.error
  for (const open of [first, second]) {
    const { error } = await open.auth.signInWithPassword({ email, password })
    if (error !== null) throw error
  }
  const agent = await addAgent(first)
  const organization: Mutable<SoakOrganization> = {
    id: Number((founded.data as { id: number }).id),
    number,
    marker,
    agent,
    owner: undefined as never,
    budget: null,
  }
  organization.owner = {
    id: must(data.user).id,
    email,
    password,
    devices,
    organization,
    random,
    conversations: [],
    rows: [],
  }
  // Also of two organizations one has tools and one has a budget.
  if (number % 3 === 2) await addTools(first, world.tools.server.endpoint)
  if (number % 5 === 1) organization.budget = await addBudget(world, organization)
  world.organizations.push(organization)
  world.clients.push(organization.owner)
}

type Mutable<Type> = { -readonly [Key in keyof Type]: Type[Key] }

/** An agent of the organization alone, with two models: the second is tried after the first. */
async function addAgent(device: SoakClient['devices'][0]): Promise<string> {
  const name = 'soak'
  const { data, error } = await device
    .from('agents')
    .insert({ name, type: 'openrouter' } as never)
    .select('id')
    .single()
  if (error !== null) throw error
  for (const [priority, model] of ['soak/first', 'soak/second'].entries()) {
    const row = { name: model, display_name: model, provider: 'openrouter', model_id: model }
    const added = await device
      .from('models')
      .insert({ ...row, agent_id: data.id, priority } as never)
    if (added.error !== null) throw added.error
  }
  return name
}

/** A server of the organization whose tools are called without a question. */
async function addTools(device: SoakClient['devices'][0], endpoint: string): Promise<void> {
  const row = { user_id: null, name: toolServerName, type: 'http', endpoint, auth_type: 'none' }
  const { data, error } = await device
    .from('mcp_configurations')
    .insert(row as never)
    .select('id')
    .single()
  if (error !== null) throw error
  const policy = { mcp_configuration_id: data.id, tool_name: null, policy: 'auto' }
  const allowed = await device.schema('client_mgmt').from('mcp_tool_policies').insert(policy)
  if (allowed.error !== null) throw allowed.error
}

async function addBudget(world: World, { owner }: SoakOrganization) {
  const row = { schema: 'client_mgmt', table: 'budgets', key: { period: 'day' } } as const
  const kept = await insertRow(world, owner, row, { limit_tokens: smallBudget })
  if (kept.end !== 'done') throw new Error('the budget was not made')
  return { row: kept.row, limit: smallBudget }
}

/** @throws Error before the soak has begun to disturb anything: then nothing may fail */
export function must<Value>(value: Value | null | undefined): Value {
  if (value === null || value === undefined) throw new Error('the soak could not be set up')
  return value
}
