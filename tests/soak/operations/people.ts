import { openDevice, waitBefore } from '../talk.ts'
import { receive } from '../receive.ts'
import type { SoakClient, World } from '../world.ts'
import { newRequest } from './ask.ts'
import { endOf, newConversation, updateRow } from './rows.ts'

const patience = 15

/** Asks for something that must come true, again and again while the answer is none of its own. */
export async function insist<Answer extends { error: unknown }>(
  world: World,
  client: SoakClient,
  send: () => PromiseLike<Answer>,
  isEnough: (answer: Answer) => boolean = ({ error }) => error === null,
): Promise<Answer | null> {
  for (let attempt = 0; attempt < patience && !world.over.aborted; attempt += 1) {
    if (attempt > 0) await waitBefore(world, client, Math.min(200 * 2 ** attempt, 4_000))
    const answer = await send()
    if (isEnough(answer)) return answer
  }
  return null
}

/** A new device takes the place of an old one. */
export async function signedIn(world: World, client: SoakClient): Promise<string> {
  const device = openDevice(world.stack, world.answers, () => client.organization.marker)
  const { email, password } = client
  const answer = await insist(world, client, () =>
    device.auth.signInWithPassword({ email, password }),
  )
  if (answer === null) return 'given up'
  client.devices[client.random.integer(0, 1)] = device
  return 'signed in'
}

export async function refreshed(world: World, client: SoakClient): Promise<string> {
  const { error } = await client.random.pick(client.devices).auth.refreshSession()
  // A refresh whose answer is lost costs the session, as with any rotation: a new sign-in then.
  return error === null ? 'refreshed' : signedIn(world, client)
}

/** Signs up and joins the organization of `owner` by invitation; null when it came to nothing. */
export async function joinOrganization(
  world: World,
  owner: SoakClient,
  random: SoakClient['random'],
): Promise<SoakClient | null> {
  const { organization } = owner
  const device = () => openDevice(world.stack, world.answers, () => organization.marker)
  const email = `${random.uuid()}@example.com`
  const password = random.uuid()
  const joining: SoakClient = {
    id: '',
    email,
    password,
    devices: [device(), device()],
    organization,
    random,
    conversations: [],
    rows: [],
  }
  const [first, second] = joining.devices
  // When the first answer was lost, the address is taken: the person signs in.
  const entered = await insist(world, joining, async () => {
    const signedUp = await first.auth.signUp({ email, password })
    return signedUp.error === null ? signedUp : first.auth.signInWithPassword({ email, password })
  })
  const id = entered?.data.user?.id
  if (id === undefined) return null
  const accepted = await insist(world, joining, async () => {
    const invited = await owner.devices[0].rpc('invite_member', { email, role: 'admin' })
    if (invited.error !== null) return invited
    return first.rpc('accept_invitation', { token: invited.data.token ?? '' })
  })
  if (accepted === null) return null
  for (const open of [first, second]) {
    const ended = await insist(world, joining, () =>
      open.auth.signInWithPassword({ email, password }),
    )
    if (ended === null) return null
  }
  return { ...joining, id }
}

/** Someone joins, asks, and is removed in the middle of the answer: from then on nothing is theirs. */
export async function visited(world: World, owner: SoakClient): Promise<string> {
  const visitor = await joinOrganization(world, owner, owner.random.fork())
  if (visitor === null) return 'did not join'
  const conversation = await newConversation(world, visitor)
  if (conversation === undefined) return 'began nothing'
  const asked = newRequest(world, visitor, conversation)
  await receive(world, asked, { leaveAfter: 200 })
  const removed = await insist(
    world,
    owner,
    () => owner.devices[0].rpc('remove_member', { user_id: visitor.id }),
    // After a lost answer the member is gone already.
    ({ error }) => error === null || error.message === 'member_not_found',
  )
  if (removed === null) return 'was not removed'
  const seen = await insist(
    world,
    visitor,
    () => visitor.devices[0].from('chat_messages').select('id'),
    ({ error }) => error === null,
  )
  if ((seen?.data ?? []).length > 0) {
    world.answers.foreign.push(`a removed member still reads ${seen?.data?.length} messages`)
  }
  return 'came and went'
}

/** Raises a budget that was hit. */
export async function raised(world: World, owner: SoakClient): Promise<string> {
  const { budget } = owner.organization
  if (budget === null || budget.row.abandoned) return 'nothing to raise'
  const limit = budget.limit + owner.random.integer(2_000, 6_000)
  const end = await updateRow(world, owner, budget.row, { limit_tokens: limit })
  if (end === 'done') budget.limit = limit
  return end
}

/** Changes one's own name. */
export async function introduced(_world: World, client: SoakClient): Promise<string> {
  const display_name = `${client.organization.marker} ${client.random.integer(1, 1e6)}`
  return endOf(await client.devices[0].from('users').update({ display_name }).eq('id', client.id))
}
