import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import { type Account, addDevice, addMember, addOwner, as } from '../../support/people/tenants.ts'
import { addAgent, begin, type Begun } from '../../support/rows/executions.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()

interface Look {
  readonly status: string
  readonly batches: { seq: number; events: unknown[] }[]
  readonly readers: string[]
  readonly result: { status: string } | null
}

async function look(
  tx: TransactionSql,
  { organization_id, execution_id }: Pick<Begun, 'organization_id' | 'execution_id'>,
  sessions: string[],
  after = -1,
): Promise<Look | null> {
  const [row] = await tx<{ look: Look | null }[]>`
    select public.follow_execution(${organization_id}, ${execution_id}, ${after}, ${sessions}::uuid[]) as look`
  return row?.look ?? null
}

const mayRead = (tx: TransactionSql, who: Account, { execution_id }: Begun) =>
  as(tx, who, (t) => t`select public.read_execution(${execution_id})`).then(
    () => true,
    (error: Error) => {
      expect(error.message).toBe('execution_not_found')
      return false
    },
  )

/** Every kind of person there is, and an execution of the author. */
async function arrange(tx: TransactionSql) {
  const owner = await addOwner(tx)
  const add = (role: string, permissions?: string[]) =>
    addMember(tx, owner.organizationId, role, permissions)
  const author = await add('member')
  const people: Record<string, Account> = {
    author,
    'another device of the author': await addDevice(tx, author),
    owner,
    admin: await add('admin'),
    member: await add('member'),
    'a member with content.read_all': await add('member', ['content.read_all']),
    'an owner elsewhere': await addOwner(tx),
    'a person without an organization': { ...author, sessionId: author.id, claims: {} },
  }
  const { name } = await addAgent(tx, owner)
  return { people, begun: await as(tx, author, begin({ agent: name })) }
}

const changes: Record<string, (tx: TransactionSql, who: Account) => Promise<unknown>> = {
  nothing: async () => undefined,
  'the session is revoked': (tx, { sessionId }) =>
    tx`update public.user_sessions set revoked_at = now() where id = ${sessionId}`,
  'the session has ended': (tx, { sessionId }) =>
    tx`update public.user_sessions set expires_at = now() - interval '1 second' where id = ${sessionId}`,
  'its break-glass access has ended': (tx, { sessionId }) =>
    tx`update public.user_sessions set access_expires_at = now() - interval '1 second' where id = ${sessionId}`,
  'the account is suspended': (tx, { id }) =>
    tx`update public.users set is_active = false where id = ${id}`,
  'the organization is suspended': (tx, { id }) =>
    tx`update public.organizations o set is_active = false
       where o.id in (select organization_id from client_mgmt.client_users where user_id = ${id})`,
}

test.each(['private', 'organization'])(
  'a session follows an execution exactly when it may read it: visibility %s',
  async (visibility) => {
    await rolledBack(sql, async (tx) => {
      const { people, begun } = await arrange(tx)
      await tx`update public.chat_sessions set visibility = ${visibility} where id = ${begun.session_id}`
      const verdicts = new Set<boolean>()
      for (const [who, person] of Object.entries(people)) {
        for (const [what, change] of Object.entries(changes)) {
          await tx
            .savepoint(async (inner) => {
              await change(inner, person)
              const reads = await mayRead(inner, person, begun)
              const found = await look(inner, begun, [person.sessionId])
              expect(found?.readers, `${who}, ${what}`).toEqual(reads ? [person.sessionId] : [])
              verdicts.add(reads)
              throw new Error('undo')
            })
            .catch((error: Error) => {
              if (error.message !== 'undo') throw error
            })
        }
      }
      expect(verdicts).toEqual(new Set([true, false]))
    })
  },
)

test('one look answers for many sessions, and names the readers only', async () => {
  await rolledBack(sql, async (tx) => {
    const { people, begun } = await arrange(tx)
    const sessions = Object.values(people).map(({ sessionId }) => sessionId)
    const readers = (await look(tx, begun, sessions))?.readers
    const expected = []
    for (const person of Object.values(people)) {
      if (await mayRead(tx, person, begun)) expected.push(person.sessionId)
    }
    expect([...(readers ?? [])].sort()).toEqual(expected.sort())
    expect((await look(tx, begun, []))?.readers).toEqual([])
  })
})

test('a look finds what read_execution() finds, and the end', async () => {
  await rolledBack(sql, async (tx) => {
    const { people, begun } = await arrange(tx)
    const { organization_id, execution_id } = begun
    const say = (seq: number, events: string) => tx`
      select public.append_execution_events(${organization_id}, ${execution_id}, ${seq}, ${events})`
    await say(1, '[{"type" : "a"}]')
    await say(2, '[{"type":"b"},{"type":"c"}]')
    for (const after of [-1, 0, 1, 2, 3, Number.MAX_SAFE_INTEGER]) {
      const [own] = await as(
        tx,
        people.author as Account,
        (t) => t<{ page: Look }[]>`select public.read_execution(${execution_id}, ${after}) as page`,
      )
      const { batches, status, result } = (await look(tx, begun, [], after)) as Look
      expect({ batches, status }).toEqual({ batches: own?.page.batches, status: own?.page.status })
      expect({ status, result }).toEqual({ status: 'running', result: null })
    }
    // A worker that died: a look ends what it left, as a reader does.
    await tx`update public.agent_executions set lease_expires_at = now() where id = ${execution_id}`
    const ended = await look(tx, begun, [])
    expect(ended).toMatchObject({ status: 'failed', result: { error_code: 'interrupted' } })
  })
})

test('a look at what is gone, or in another organization, finds nothing', async () => {
  await rolledBack(sql, async (tx) => {
    const { people, begun } = await arrange(tx)
    const other = people['an owner elsewhere'] as Account & { organizationId: number }
    expect(
      await look(tx, { ...begun, organization_id: other.organizationId }, [other.sessionId]),
    ).toBeNull()
    await tx`delete from public.chat_sessions where id = ${begun.session_id}`
    expect(await look(tx, begun, [(people.author as Account).sessionId])).toBeNull()
  })
})
