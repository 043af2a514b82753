import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import { addMember, addOwner, as } from '../../support/people/tenants.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()

const versionsOf = (tx: TransactionSql, userId: string) => tx<
  { prompt: number; version: number; bytes: number }[]
>`
  select system_prompt_id::integer as prompt, version, octet_length(content) as bytes
  from client_mgmt.system_prompt_versions where user_id = ${userId} order by id`

test('the last 50 versions of a prompt are kept, each once', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    await as(tx, owner, async (t) => {
      await t`
        insert into public.system_prompts (scope, user_id, content)
        values ('user', ${owner.id}, 'one'), ('user', ${owner.id}, 'two')`
      for (let n = 2; n <= 60; n++) {
        await t`update public.system_prompts set content = ${`version ${n}`} where content <> 'two'`
      }
    })
    const versions = await versionsOf(tx, owner.id)
    expect(new Set(versions.map(({ prompt }) => prompt)).size).toBe(2)
    const kept = versions.slice(1).map(({ version }) => version)
    expect(kept).toEqual(Array.from({ length: 50 }, (_, n) => n + 11))
  })
})

test('a hundred long layers that are written five times leave at most 16 MiB', async () => {
  await rolledBack(sql, async (tx) => {
    const { organizationId } = await addOwner(tx)
    const [member, other] = [
      await addMember(tx, organizationId),
      await addMember(tx, organizationId),
    ]
    await as(
      tx,
      other,
      (t) => t`
        insert into public.system_prompts (scope, user_id, content)
        values ('user', ${other.id}, 'kept')`,
    )
    await as(tx, member, async (t) => {
      await t`
        insert into public.system_prompts (scope, user_id, content, enabled)
        select 'user', ${member.id}, n::text, false from generate_series(1, 100) n`
      for (const letter of ['a', 'b', 'c', 'd', 'e']) {
        await t`
          update public.system_prompts
          set content = repeat(${letter}, 65536)
          where user_id = ${member.id}`
      }
    })
    const versions = await versionsOf(tx, member.id)
    const bytes = versions.reduce((sum, version) => sum + version.bytes, 0)
    expect(bytes).toBeLessThanOrEqual(16 * 1024 * 1024)
    // The newest are kept: the last version of each of the hundred, and the one before.
    const newest = versions.filter(({ version }) => version === 6)
    expect(newest).toHaveLength(100)
    expect(await versionsOf(tx, other.id)).toHaveLength(1)
  })
})

test('shared layers that come and go have the same bound, as the versions of one', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    await as(tx, owner, async (t) => {
      for (let n = 0; n < 4; n++) {
        await t`
          insert into public.system_prompts (scope, content)
          select 'organization', repeat('x', 65536) from generate_series(1, 100)`
        await t`delete from public.system_prompts`
      }
    })
    const versions = await tx`
      select 1 from client_mgmt.system_prompt_versions where organization_id = ${owner.organizationId}`
    // 16 MiB of 64 KiB each, beside two bytes of variables.
    expect(versions).toHaveLength(255)
  })
})

test('the texts of a personal layer go with it, and with the account; a shared layer keeps them', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const member = await addMember(tx, owner.organizationId)
    for (const { id } of [owner, member]) {
      await tx`
        insert into public.system_prompts (scope, organization_id, user_id, content)
        values ('user', ${owner.organizationId}, ${id}, 'private')`
    }
    await as(tx, owner, async (t) => {
      await t`insert into public.system_prompts (scope, content) values ('organization', 'shared')`
      await t`update public.system_prompts set content = content || '!'`
      await t`delete from public.system_prompts`
    })
    expect(await versionsOf(tx, owner.id)).toEqual([])
    expect(await versionsOf(tx, member.id)).toHaveLength(1)
    await tx`delete from auth.users where id = ${member.id}`
    const left = await tx<{ content: string }[]>`
      select content from client_mgmt.system_prompt_versions
      where organization_id = ${owner.organizationId} order by id`
    expect(left.map(({ content }) => content)).toEqual(['shared', 'shared!'])
  })
})
