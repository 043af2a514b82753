import type { TransactionSql } from 'postgres'
import { describe, expect, test } from 'vitest'
import { addMember, addOwner, as, type Member } from '../../support/people/tenants.ts'
import { refusedWith } from '../../support/rows/budgets.ts'
import { addAgent, begin, finish, outcomes } from '../../support/rows/executions.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

// Live updates tell of each statement, so the statements of one person are bounded.

const sql = connectOwner()

const addSession = (tx: TransactionSql, author: Member) =>
  as(tx, author, async (t) => {
    const [row] = await t<[{ id: string }]>`
      insert into public.chat_sessions (title) values ('first') returning id`
    return row.id
  })
const rename = (tx: TransactionSql, author: Member, id: string, title: string) =>
  as(tx, author, (t) => t`update public.chat_sessions set title = ${title} where id = ${id}`)

describe('the statements of one person on sessions', () => {
  const limit = 3
  async function arrange(tx: TransactionSql) {
    const owner = await addOwner(tx)
    const author = await addMember(tx, owner.organizationId)
    const id = await addSession(tx, author)
    await tx`
      update client_mgmt.organization_limits set changes_per_minute_per_user = ${limit}
      where organization_id = ${owner.organizationId}`
    return { owner, author, id }
  }

  test('are bounded in a minute: the next one is refused and changes nothing', async () => {
    await rolledBack(sql, async (tx) => {
      const { owner, author, id } = await arrange(tx)
      // The insert was the first of them.
      for (let n = 2; n <= limit; n++) await rename(tx, author, id, `title ${n}`)
      for (const statement of ['update', 'delete', 'insert'] as const) {
        const { message, hint } = await refusedWith(
          as(tx, author, (t) =>
            statement === 'update'
              ? t`update public.chat_sessions set title = 'over' where id = ${id}`
              : statement === 'delete'
                ? t`delete from public.chat_sessions where id = ${id}`
                : t`insert into public.chat_sessions (title) values ('over')`,
          ),
        )
        expect([statement, message]).toEqual([statement, 'rate_limited'])
        expect(hint).toMatchObject({ limit: 'updates_per_minute', scope: 'user', allowed: limit })
      }
      const rows = await tx`select title from public.chat_sessions where user_id = ${author.id}`
      expect(rows).toEqual([{ title: `title ${limit}` }])
      // Another person and the next minute have their own.
      await addSession(tx, owner)
      await tx`update private.change_windows set started_at = started_at - interval '1 minute'`
      await rename(tx, author, id, 'later')
    })
  })

  test('do not count what an execution changes', async () => {
    await rolledBack(sql, async (tx) => {
      const { owner, author } = await arrange(tx)
      const { name } = await addAgent(tx, owner)
      for (let n = 0; n <= limit; n++) {
        const begun = await as(tx, author, begin({ agent: name }))
        await as(tx, 'service_role', finish(begun, outcomes.fault))
      }
    })
  })
})
