import { expect, test } from 'vitest'
import { addMember, addOwner, as } from '../../support/people/tenants.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()

test('what a configuration says of its server reaches the person who uses it', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const member = await addMember(tx, owner.organizationId)
    const local = {
      name: 'local',
      type: 'stdio',
      command: 'npx',
      args: ['a', 'b'],
      env: { A: 'b' },
    }
    await as(tx, owner, async (t) => {
      const [args, env] = [t.json(local.args), t.json(local.env)]
      await t`
        insert into public.mcp_configurations (user_id, name, type, command, args, env)
        values (null, ${local.name}, ${local.type}, ${local.command}, ${args}, ${env})`
      await t`
        insert into public.mcp_configurations (user_id, name, type, endpoint, auth_type, oauth_provider)
        values (null, 'far', 'http', 'https://mcp.example.com/', 'oauth', 'example')`
    })
    const [far, near] = await as(
      tx,
      member,
      (t) => t`
        select name, type, command, args, env, auth_type, oauth_provider
        from public.effective_mcp_configurations order by name`,
    )
    expect(near).toMatchObject(local)
    expect(far).toMatchObject({ auth_type: 'oauth', oauth_provider: 'example' })
  })
})
