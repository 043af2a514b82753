import { expect, test } from 'vitest'
import { addAgent, begin } from '../../support/rows/executions.ts'
import { addOwner, as } from '../../support/people/tenants.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()

test('a route has only models with the capability that is asked for', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const { name: agent, id } = await addAgent(tx, owner, ['chat', 'vectors', 'both'])
    const set = (model: string, capabilities: string[]) => tx`
      update public.models set capabilities = ${capabilities}
      where agent_id = ${id} and name = ${model}`
    await set('vectors', ['embeddings'])
    await set('both', ['chat', 'embeddings'])
    const route = async (fields: object) => {
      const request = { agent, transient: true, ...fields }
      return (await as(tx, owner, begin(request))).route.map(({ name }) => name)
    }
    expect(await route({})).toEqual(['chat', 'both'])
    expect(await route({ capability: 'embeddings' })).toEqual(['vectors', 'both'])
    expect(await route({ capability: 'embeddings', model: 'both' })).toEqual(['both'])
    for (const [fields, problem] of [
      [{ model: 'vectors' }, /^model: .* does not chat/],
      [{ capability: 'embeddings', model: 'chat' }, /^model: makes no embeddings/],
    ] as const) {
      const error: unknown = await route(fields).catch((reason: unknown) => reason)
      expect(error).toMatchObject({ code: '22023', message: 'invalid_request' })
      expect((error as { detail: string }).detail).toMatch(problem)
    }
  })
})
