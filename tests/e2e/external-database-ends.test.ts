import { readFileSync } from 'node:fs'
import { beforeAll, expect, test } from 'vitest'
import type { Stack } from '../../dev/stack/stack-options.ts'
import { sharedFolder, type StackFolder } from '../support/stack/stack-folder.ts'

/** Its stack lends its PostgreSQL, and starts that again. */
const owner = sharedFolder()
const folder = sharedFolder()
let stack: Stack

beforeAll(async () => {
  for (const each of [owner, folder]) write(each)
  const { superuserUrl = '' } = await owner.start()
  stack = await folder.start({ databaseUrl: superuserUrl })
}, 60_000)

function write(each: StackFolder): void {
  each.write(
    'migrations/20260101000000_first.sql',
    'create table public.a (t text); alter table public.a enable row level security;',
  )
}

const asks = {
  rest: () => send('/rest/v1/a', {}),
  auth: () => send('/auth/v1/token?grant_type=password', { email: 'a@example.com', password: 'b' }),
}
const send = (path: string, body: object) =>
  fetch(stack.url + path, {
    method: 'POST',
    headers: { apikey: stack.secretKey, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })

async function statuses(): Promise<number[]> {
  return Promise.all(Object.values(asks).map(async (ask) => (await ask()).status))
}

test.each(['SIGINT', 'SIGKILL'] as const)(
  'a database of the developer’s that ends by %s and is started again serves as before',
  async (signal) => {
    expect(await statuses()).toEqual([201, 400])
    const pid = Number(
      readFileSync(`${owner.state}/postgres/postmaster.pid`, 'utf8').split('\n')[0],
    )
    process.kill(pid, signal)
    const refused = async () => (await asks.rest()).status
    await expect.poll(refused, { interval: 20 }).toBe(503)
    await expect.poll(statuses, { interval: 100 }).toEqual([201, 400])
  },
  60_000,
)
