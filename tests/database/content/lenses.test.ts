import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import { addAgent } from '../../support/rows/executions.ts'
import { refusedDetail } from '../../support/people/refused-detail.ts'
import { addMember, addOwner, as, type Member, refusal } from '../../support/people/tenants.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()
const object = { type: 'object', properties: { a: { type: 'string' } }, required: ['a'] }

const add =
  (more: object = {}) =>
  (t: TransactionSql) =>
    t`insert into conversation.lens_prototypes ${t({ name: 'own', prompt_template: 'Count.', ...more })}`

const versions = (tx: TransactionSql, owner: Member) =>
  as(
    tx,
    owner,
    (t) => t`
      select v.version, v.prompt_template, v.changed_by = ${owner.id} as is_mine
      from conversation.lens_versions v where v.organization_id = ${owner.organizationId}
      order by v.version`,
  )

test('the platform has the lenses that people use, each with a schema of its own', async () => {
  const rows = await sql`
    select l.name, l.output_schema ->> 'type' as type,
      private.schema_problem(l.output_schema, '') as problem
    from conversation.lens_prototypes l where l.organization_id is null order by l.name`
  expect([...rows]).toEqual(
    ['decisions', 'sales_signals', 'sentiment', 'summary', 'support_quality', 'topics'].map(
      (name) => ({ name, type: 'object', problem: null }),
    ),
  )
})

test('a change of what a lens asks is a version, and a change of its name is none', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    await as(tx, owner, add())
    await as(tx, owner, (t) => t`update conversation.lens_prototypes set name = 'other'`)
    expect(await versions(tx, owner)).toHaveLength(1)
    await as(tx, owner, (t) => t`update conversation.lens_prototypes set prompt_template = 'Sum.'`)
    expect([...(await versions(tx, owner))]).toEqual([
      { version: 1, prompt_template: 'Count.', is_mine: true },
      { version: 2, prompt_template: 'Sum.', is_mine: true },
    ])
    const forge = (t: TransactionSql) => t`update conversation.lens_prototypes set version = 9`
    expect(await refusal(tx, owner, forge)).toMatch(/^42501 /)
  })
})

test('a lens with a template, a schema, an agent or a model that cannot work is refused by name', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const { name: agent } = await addAgent(tx, owner)
    const stranger = await addOwner(tx)
    const foreign = await addAgent(tx, stranger)
    const wrong: [object, string, string][] = [
      [{ prompt_template: '{{x}}' }, 'invalid_prompt', 'x'],
      [
        { variables: { x: { type: 'date', source: 'current_date' } } },
        'invalid_lens',
        'variables: have a value',
      ],
      [{ output_schema: { type: 'array' } }, 'invalid_lens', 'output_schema: must have the type'],
      [
        { output_schema: { ...object, additionalProperties: false, required: ['b'] } },
        'invalid_lens',
        'output_schema.required: names',
      ],
      [
        { output_schema: { ...object, properties: { a: { minimum: 2, maximum: 1 } } } },
        'invalid_lens',
        'output_schema.properties.a.minimum: is above',
      ],
      [
        { output_schema: { ...object, properties: { a: { items: { type: 'text' } } } } },
        'invalid_lens',
        'output_schema.properties.a.items.type: must be',
      ],
      [
        { output_schema: { ...object, uniqueItems: true } },
        'invalid_lens',
        'output_schema.uniqueItems: is not a supported keyword',
      ],
      [{ agent: 'nobody' }, 'invalid_lens', 'agent: the organization sees no agent'],
      [{ agent: foreign.name }, 'invalid_lens', 'agent: the organization sees no agent'],
      [{ agent, model: 'nothing' }, 'invalid_lens', 'agent: the organization sees no agent'],
    ]
    for (const [more, code, detail] of wrong) {
      expect(await refusal(tx, owner, add(more)), detail).toBe(`22023 ${code}`)
      expect(await refusedDetail(tx, owner, add(more))).toContain(detail)
    }
    const variables = { x: { type: 'text', value: 'all' } }
    await as(
      tx,
      owner,
      add({ prompt_template: 'Count {{x}}.', variables, output_schema: object, agent }),
    )
    const member = await addMember(tx, owner.organizationId)
    expect(await refusal(tx, member, add())).toBe('42501 permission_denied')
  })
})

test('a run of more blocks than one may have is refused by name, and writes nothing', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const { name: agent } = await addAgent(tx, owner)
    await as(tx, owner, add({ agent }))
    const [made] = await tx<{ project: string }[]>`
      with p as (
        insert into client_mgmt.projects (organization_id, name)
        values (${owner.organizationId}, 'large') returning id
      ), o as (
        insert into conversation.participants (organization_id, name)
        values (${owner.organizationId}, 'Ann') returning id
      ), t as (
        insert into conversation.turns (organization_id, participant_id, content)
        select ${owner.organizationId}, o.id, 'hello' from o returning id
      ), b as (
        insert into conversation.blocks (organization_id, project_id, name)
        select ${owner.organizationId}, p.id, 'block' from p, generate_series(1, 1001) returning id
      ), k as (
        insert into conversation.block_turns (organization_id, block_id, turn_id, sequence_order)
        select ${owner.organizationId}, b.id, t.id, 1 from b, t
      )
      select id as project from p`
    const begin = (t: TransactionSql) => t`
      select public.begin_lens_run(l.id, ${made?.project ?? ''}) from conversation.lens_prototypes l
      where l.name = 'own'`
    expect(await refusal(tx, owner, begin)).toBe('PT422 lens_run_too_large')
    await tx`
      delete from conversation.blocks where ctid in (
        select ctid from conversation.blocks where organization_id = ${owner.organizationId} limit 1)`
    await as(tx, owner, begin)
    const [row] = await tx`
      select count(*)::int as runs from conversation.lens_runs
      where organization_id = ${owner.organizationId}`
    expect(row).toEqual({ runs: 1 })
  })
})
