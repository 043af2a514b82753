import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import { addMember, addOwner, as, type Member, refusal } from '../../support/people/tenants.ts'
import { addAgent, begin } from '../../support/rows/executions.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()

const makeSchema = (name: string | null) => (tx: TransactionSql) =>
  tx<
    { id: string; schema_name: string }[]
  >`select id, schema_name from public.create_client_schema(${name})`

/** Sets a preference in a set of the organization, by default its first. */
const prefer = (preference: string, value: string, schema?: string) => (tx: TransactionSql) => tx`
  insert into public.client_schema_preferences
    (client_schema_id, preference_type_id, preference_value)
  select c.id, t.id, ${value} from public.preference_types t, public.client_schemas c
  where t.name = ${preference}
    and c.id = coalesce(${schema ?? null}::bigint, (select min(f.id) from public.client_schemas f))
  on conflict (organization_id, client_schema_id, preference_type_id)
    do update set preference_value = excluded.preference_value`

test('a preference has a value of its type, or is refused when it is written', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    await tx`
      insert into public.preference_types (name, value_type) values
        ('greeting', 'text'), ('share', 'number'), ('loud', 'boolean'), ('theme', 'json')`
    const cases: [string, string[], string[]][] = [
      ['greeting', ['', 'Hi'], []],
      ['share', ['0', '-2.5', '1000'], ['', 'x', '1e5', 'NaN', '1 ', '"1"', '9'.repeat(16)]],
      ['loud', ['true', 'false'], ['', 'yes', 'True', '1', 'null']],
      ['theme', ['{"a": 1}', 'null', '[]', '"x"'], ['', '{"x":', 'x', '"\\u0000"']],
    ]
    for (const [name, good, bad] of cases) {
      for (const value of good) {
        expect(await refusal(tx, owner, prefer(name, value)), `${name} ${value}`).toBe('allowed')
      }
      for (const value of bad) {
        const problem = await refusal(tx, owner, prefer(name, value))
        expect(problem, `${name} ${value}`).toBe('22023 invalid_preference')
      }
    }
  })
})

test('a default agent or model is one that the organization sees', async () => {
  await rolledBack(sql, async (tx) => {
    const [owner, other] = [await addOwner(tx), await addOwner(tx)]
    const agent = await addAgent(tx, owner, ['own-model'])
    const foreign = await addAgent(tx, other, ['foreign-model'])
    const tried = async (name: string, value: string) => refusal(tx, owner, prefer(name, value))
    for (const value of ['Droid', foreign.name, '', '{"x":']) {
      expect(await tried('default_agent', value), value).toBe('22023 invalid_preference')
    }
    for (const value of ['{"x":', 'foreign-model', '']) {
      expect(await tried('default_model', value), value).toBe('22023 invalid_preference')
    }
    expect(await tried('default_agent', 'droid')).toBe('allowed')
    expect(await tried('default_agent', agent.name)).toBe('allowed')
    expect(await tried('default_model', 'own-model')).toBe('allowed')
  })
})

test('a default agent that was disabled since is passed over, and explain shows a model that lacks', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const [preferred, other] = [await addAgent(tx, owner, ['a']), await addAgent(tx, owner, ['b'])]
    await as(tx, owner, prefer('default_agent', preferred.name))
    await as(tx, owner, prefer('default_model', 'b'))
    const chosen = async () => (await as(tx, owner, begin())).route.map(({ name }) => name)
    expect(await chosen()).toEqual(['a'])
    const layers = await as(
      tx,
      owner,
      (t) => t`select layer, model_name, is_winner, left_out from public.explain_effective_llm()`,
    )
    expect([...layers]).toEqual([
      {
        layer: 'schema_preference',
        model_name: 'b',
        is_winner: false,
        left_out: 'model_not_found',
      },
      { layer: 'agent', model_name: 'a', is_winner: true, left_out: null },
    ])
    await tx`update public.agents set enabled = false where id = ${preferred.id}`
    expect(await chosen()).toEqual(['b'])
    expect(other.name).not.toBe(preferred.name)
  })
})

test('an organization has several sets of preferences, and a project chooses one', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const agent = await addAgent(tx, owner, ['first', 'second', 'third'])
    const [made] = await as(tx, owner, makeSchema('shop'))
    expect(made?.schema_name).toBe(`organization_${owner.organizationId}_shop`)
    await as(tx, owner, prefer('default_model', 'second'))
    await as(tx, owner, prefer('default_model', 'third', made?.id))
    const [project] = await as(
      tx,
      owner,
      (t) => t<{ id: string }[]>`
        insert into client_mgmt.projects (name, client_schema_id) values ('p', ${made?.id ?? null})
        returning id`,
    )
    const first = async (project_id?: string) =>
      (await as(tx, owner, begin({ agent: agent.name, ...(project_id && { project_id }) })))
        .route[0]?.name
    expect(await first()).toBe('second')
    expect(await first(project?.id)).toBe('third')
  })
})

test('create_client_schema() refuses reserved, malformed and taken names, and who may not', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const tried = async (name: string | null, actor: Member = owner) =>
      refusal(tx, actor, makeSchema(name))
    const reserved = ['public', 'private', 'auth', 'storage', 'pg_catalog', 'pg_x', 'client_mgmt']
    for (const name of [...reserved, 'information_schema', 'organization', 'default', null]) {
      expect(await tried(name), String(name)).toBe('22023 invalid_request')
    }
    for (const name of ['', 'A', '1a', 'a-b', 'a b', 'a"b', 'a'.repeat(31), 'ä', 'a\nb', 'a\n']) {
      expect(await tried(name), name).toBe('22023 invalid_request')
    }
    expect(await tried('a'.repeat(30))).toBe('allowed')
    await as(tx, owner, makeSchema('shop'))
    expect(await tried('shop')).toBe('23505 conflict')
    // Another organization's name tells nothing.
    expect(await tried('shop', await addOwner(tx))).toBe('allowed')
    const member = await addMember(tx, owner.organizationId)
    expect(await tried('mine', member)).toBe('42501 permission_denied')
    const manager = await addMember(tx, owner.organizationId, 'member', ['agents.manage'])
    expect(await tried('mine', manager)).toBe('allowed')
  })
})
