import * as ask from './operations/ask.ts'
import * as people from './operations/people.ts'
import * as rows from './operations/rows.ts'
import { waitBefore } from './talk.ts'
import type { Conversation, SoakClient, World } from './world.ts'

type InConversation = (world: World, client: SoakClient, at: Conversation) => Promise<string>
type Alone = (world: World, client: SoakClient) => Promise<string>

const inConversation = {
  streamed: ask.streamed,
  whole: ask.whole,
  queued: ask.queued,
  twice: ask.twice,
  resumed: ask.resumed,
  left: ask.left,
  followed: ask.followed,
  cancelled: ask.cancelled,
  regenerated: ask.regenerated,
  repeated: ask.repeated,
  renamed: rows.renamed,
  deleted: rows.deleted,
} satisfies Record<string, InConversation>
const alone = {
  wrote: rows.wrote,
  read: rows.read,
  trespassed: rows.trespassed,
  'signed in': people.signedIn,
  refreshed: people.refreshed,
  introduced: people.introduced,
} satisfies Record<string, Alone>
const ofOwner = { visited: people.visited, raised: people.raised } satisfies Record<string, Alone>

/** How often a client does what, in relation. */
const weights: Record<keyof typeof inConversation | keyof typeof alone, number> = {
  streamed: 16,
  whole: 10,
  queued: 3,
  twice: 5,
  resumed: 9,
  left: 5,
  followed: 5,
  cancelled: 5,
  regenerated: 5,
  repeated: 5,
  renamed: 5,
  deleted: 3,
  wrote: 14,
  read: 10,
  trespassed: 3,
  'signed in': 1,
  refreshed: 1,
  introduced: 2,
}
const ownerWeights = { ...weights, visited: 1.5, raised: 1.5 }

/** One client, from one operation to the next, until the clients stop. */
export async function runClient(world: World, client: SoakClient): Promise<void> {
  const isOwner = client.organization.owner === client
  while (!world.stopping.aborted) {
    const name = client.random.weighted(isOwner ? ownerWeights : weights)
    const end = await operate(world, client, name)
    const entry = `${name}: ${end}`
    world.operations.set(entry, (world.operations.get(entry) ?? 0) + 1)
    await waitBefore(world, client, 1_500)
  }
}

async function operate(
  world: World,
  client: SoakClient,
  name: keyof typeof ownerWeights,
): Promise<string> {
  if (name in ofOwner) return ofOwner[name as keyof typeof ofOwner](world, client)
  if (name in alone) return alone[name as keyof typeof alone](world, client)
  const open = client.conversations.filter(({ row }) => !row.abandoned)
  const conversation =
    open.length < 2 || client.random.chance(0.15)
      ? await rows.newConversation(world, client)
      : client.random.pick(open)
  if (conversation === undefined) return 'no conversation'
  return inConversation[name as keyof typeof inConversation](world, client, conversation)
}
