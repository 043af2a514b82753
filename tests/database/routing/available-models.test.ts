import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import { addAccount, addMember, addOwner, as, refusal } from '../../support/people/tenants.ts'
import { addAgent } from '../../support/rows/executions.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()

const list = (providers: string[] | null) => async (tx: TransactionSql) => {
  const rows = await tx<{ agent: string; model: string }[]>`
    select agent, model from public.available_models(${providers})`
  return rows.map(({ agent, model }) => `${agent}/${model}`)
}

test('members see what an invocation would find: their own agents first, each in order of its route', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const own = await addAgent(tx, owner, ['b', 'a'])
    const other = await addOwner(tx)
    const foreign = await addAgent(tx, other, ['foreign'])
    // Nor does another's agent hide the platform's.
    await tx`update public.agents set name = 'droid' where id = ${foreign.id}`
    const member = await addMember(tx, owner.organizationId)
    const ids = await as(tx, member, list(null))
    expect(ids.slice(0, 2)).toEqual([`${own.name}/b`, `${own.name}/a`])
    expect(ids).toContain('droid/gpt-4')
    expect(ids.filter((id) => id.endsWith('/foreign'))).toEqual([])
  })
})

test('an agent of one’s own hides the platform’s of the same name, unless it is disabled', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const { id } = await addAgent(tx, owner, ['mine'])
    await tx`update public.agents set name = 'droid' where id = ${id}`
    const droids = (ids: string[]) => ids.filter((each) => each.startsWith('droid/'))
    expect(droids(await as(tx, owner, list(null)))).toEqual(['droid/mine'])
    await tx`update public.agents set enabled = false where id = ${id}`
    expect(droids(await as(tx, owner, list(null)))).toEqual(['droid/claude-3-opus', 'droid/gpt-4'])
  })
})

test('two organizations add a model of one name to the platform’s agent, and neither sees the other’s', async () => {
  await rolledBack(sql, async (tx) => {
    const [droid] = await tx`select id from public.agents where name = 'droid'`
    const owners = [await addOwner(tx), await addOwner(tx)]
    for (const owner of owners) {
      await as(
        tx,
        owner,
        (t) => t`
          insert into public.models (agent_id, name, display_name, provider, model_id)
          values (${droid?.id as string}, 'ours', 'Ours', 'openrouter', 'a/b')`,
      )
    }
    for (const owner of owners) {
      const ids = await as(tx, owner, list(null))
      expect(ids.filter((id) => id === 'droid/ours')).toHaveLength(1)
    }
  })
})

test('models that are disabled or whose provider nobody has a key for are left out', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const { name, modelIds } = await addAgent(tx, owner, ['on', 'off'])
    await tx`update public.models set enabled = false where id = ${modelIds[1] ?? 0}`
    const own = (ids: string[]) => ids.filter((each) => each.startsWith(name))
    expect(own(await as(tx, owner, list(['openrouter'])))).toEqual([`${name}/on`])
    expect(await as(tx, owner, list(['vertex-ai']))).toEqual([
      'ccrouter/gemini-1.5-pro',
      'ccrouter/gemini-1.5-flash',
    ])
    expect(await as(tx, owner, list([]))).toEqual([])
    await as(
      tx,
      'service_role',
      (t) => t`
        select public.store_provider_credential(
          ${owner.organizationId}, ${owner.id}, 'openrouter', 'v1.key.nonce.text', '1234')`,
    )
    expect(own(await as(tx, owner, list([])))).toEqual([`${name}/on`])
    const other = await addOwner(tx)
    expect(await as(tx, other, list([]))).toEqual([])
  })
})

test('a caller without an organization is refused', async () => {
  await rolledBack(sql, async (tx) => {
    const nobody = await addAccount(tx)
    expect(await refusal(tx, nobody, list(null))).toBe('42501 no_organization')
    expect(await refusal(tx, 'anon', list(null))).toMatch(/^42501 permission denied/)
  })
})
