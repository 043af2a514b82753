import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import { addOwner, as, refusal } from '../../support/people/tenants.ts'
import { addBlock } from '../../support/rows/content.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()
const own = { colour: 'green', of: ['a', 1, null] }

test('the JSON that clients keep for themselves comes back where people read the row', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const { block, participant, turns } = await addBlock(tx, owner, 1)
    const json = tx.json(own)
    const written = (t: TransactionSql) => [
      t`update public.users set metadata = ${json} where id = ${owner.id}`,
      t`update public.user_sessions set session_metadata = ${json} where id = ${owner.sessionId}`,
      t`update conversation.participants set patterns_metadata = ${json} where id = ${participant}`,
      t`update conversation.blocks set metadata = ${json} where id = ${block}`,
      t`update conversation.turns set metadata = ${json} where id = ${turns[0] ?? 0}`,
      t`insert into public.chat_sessions (metadata) values (${json})`,
    ]
    const read = (t: TransactionSql) => [
      t`select auth_info as own from client_mgmt.users`,
      t`select session_metadata as own from public.list_sessions()`,
      t`select patterns_metadata as own from conversation.participant_users`,
      t`select metadata as own from conversation.project_blocks`,
      t`select metadata as own from conversation.turns`,
      t`select metadata as own from public.chat_sessions`,
    ]
    await as(tx, owner, async (t) => {
      for (const statement of written(t)) await statement
      for (const statement of read(t)) expect([...(await statement)]).toEqual([{ own }])
    })
  })
})

test('what a participant, a block and a turn are called comes back as it was written', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const { block, project, turns } = await addBlock(tx, owner, 1)
    await as(tx, owner, async (t) => {
      await t`insert into conversation.participants (name, type) values ('Robot', 'agent')`
      await t`insert into conversation.blocks (project_id, name, type) values (${project}, 'b', 'call')`
      await t`
        update conversation.turns set content = 'Hello', "timestamp" = '2020-01-01T00:00:00Z'
        where id = ${turns[0] ?? 0}`
      expect([
        ...(await t`select name, type from conversation.participants where type = 'agent'`),
      ]).toEqual([{ name: 'Robot', type: 'agent' }])
      expect([
        ...(await t`select name, type from conversation.project_blocks where type = 'call'`),
      ]).toEqual([{ name: 'b', type: 'call' }])
      expect([...(await t`select content, "timestamp" from conversation.turns`)]).toEqual([
        { content: 'Hello', timestamp: new Date('2020-01-01T00:00:00Z') },
      ])
    })
    // A result is what a model answered, so no client writes one.
    const result = (t: TransactionSql) => t`
      insert into conversation.block_lens_version (block_id, lens_id, version, result)
      select ${block}, l.id, 1, '{"a": 1}' from conversation.lens_prototypes l where l.name = 'summary'`
    expect(await refusal(tx, owner, result)).toMatch(/^42501 /)
  })
})

test('the template of a lens that names a variable is refused', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const add = (template: string) => (t: TransactionSql) => t`
      insert into conversation.lens_prototypes (name, prompt_template) values ('own', ${template})`
    expect(await refusal(tx, owner, add('Sum {{block}} up.'))).toBe('22023 invalid_prompt')
    expect(await refusal(tx, owner, add('Sum {{ A b }} up.'))).toBe('22023 invalid_prompt')
    await as(tx, owner, add('Sum it {up}.'))
    const change = (t: TransactionSql) => t`
      update conversation.lens_prototypes set prompt_template = '{{x}}' where name = 'own'`
    expect(await refusal(tx, owner, change)).toBe('22023 invalid_prompt')
    const [row] = await as(
      tx,
      owner,
      (t) => t`select prompt_template from conversation.lens_prototypes where name = 'own'`,
    )
    expect(row?.prompt_template).toBe('Sum it {up}.')
  })
})
