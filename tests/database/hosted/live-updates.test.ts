import { readFileSync } from 'node:fs'
import { beforeAll, expect, test } from 'vitest'
import { connect } from '../../../dev/postgres/database.ts'
import { actAs, rolledBack } from '../../support/stack/database.ts'
import { founder, type Person, rest } from '../../support/stack/hosted-people.ts'
import {
  deploy,
  type Hosted,
  hostedServer,
  olderDefaults,
  realtime,
  withPolicies,
} from '../../support/stack/hosted.ts'

const project = hostedServer()
const notices: string[] = []
let late: Hosted
let owner: Person

beforeAll(async () => {
  const made = await project('late', `${olderDefaults}; drop schema realtime cascade`)
  const options = {
    onnotice: ({ message = '' }: { message?: string }) => void notices.push(message),
  }
  late = { ...made, postgres: connect({ url: made.ownerUrl, options }, 2) }
  await deploy(late)
  await late.postgres.end()
  late = made
  owner = await founder(late)
}, 60_000)

/** As a member's client writes it, committed. */
async function addSession(title: string): Promise<void> {
  const [row] = await rest(
    late,
    owner,
    (tx) => tx`insert into public.chat_sessions (title) values (${title}) returning title`,
  )
  expect(row).toEqual({ title })
}

/** As Realtime asks, when a person joins a channel. */
const hears = (person: Person, topic: string) =>
  rolledBack(late.superuser, async (tx) => {
    await tx`insert into realtime.messages (topic, extension, private) values (${topic}, 'broadcast', true)`
    await actAs(tx, 'authenticated', person.claims)
    await tx`select set_config('realtime.topic', ${topic}, true)`
    return (await tx`select from realtime.messages`).length > 0
  })

test('without Realtime the migrations say live_updates_are_off, and writes work', async () => {
  expect(notices.filter((line) => line.startsWith('live_updates_are_off: '))).toHaveLength(1)
  await addSession('untold')
})

test('Realtime that comes later tells once the end of the file has run, and only who may hear', async () => {
  await late.superuser.begin((tx) => tx.unsafe(realtime))
  const list = `organization:${String(owner.claims['organization_id'])}`
  expect(await hears(owner, list)).toBe(false)

  const file = readFileSync('supabase/migrations/20261120003100_live_updates.sql', 'utf8')
  const end = file.slice(file.indexOf('-- ── Who may hear'))
  await withPolicies(late, () => late.postgres.unsafe(end).simple())
  // The rights of its owner are gone again, as on the platform.
  await addSession('told')
  const told =
    await late.superuser`select topic, payload ->> 'count' as count from realtime.messages`
  expect(told).toEqual([{ topic: `${list}:user:${owner.id}`, count: '1' }])
  const stranger = await founder(late)
  expect([await hears(owner, list), await hears(stranger, list)]).toEqual([true, false])
})
