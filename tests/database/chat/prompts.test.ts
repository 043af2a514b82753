import fc from 'fast-check'
import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import { type Account, addMember, addOwner, as, refusal } from '../../support/people/tenants.ts'
import { addAgent, begin } from '../../support/rows/executions.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()

/** Without the platform's layers, which other tests of the run may have added for good. */
const alone = (fn: (tx: TransactionSql) => Promise<void>) =>
  rolledBack(sql, async (tx) => {
    await tx`delete from public.system_prompts where organization_id is null`
    await fn(tx)
  })

async function layersOf(tx: TransactionSql, person: Account): Promise<string[]> {
  const rows = await as(
    tx,
    person,
    (t) => t<{ content: string }[]>`select content from public.get_effective_system_prompts()`,
  )
  return rows.map((row) => row.content)
}

interface Layer {
  scope: string
  content: string
  user_id?: string | null
  priority?: number
  template?: boolean
  variables?: Record<string, unknown>
  enabled?: boolean
  mandatory?: boolean
}

const add = (layer: Layer) => (tx: TransactionSql) => {
  const { variables = {}, ...rest } = layer
  return tx`insert into public.system_prompts ${tx({ ...rest, variables: tx.json(variables as never) })}`
}

const addGlobal = (tx: TransactionSql, content: string, priority = 0) => tx`
  insert into public.system_prompts (scope, organization_id, content, priority)
  values ('global', null, ${content}, ${priority})`

test('layers come as global, organization, user, the higher priority first inside each', async () => {
  await alone(async (tx) => {
    const owner = await addOwner(tx)
    await as(tx, owner, async (t) => {
      await add({ scope: 'user', user_id: owner.id, content: 'mine', priority: 99 })(t)
      await add({ scope: 'organization', content: 'later', priority: 1 })(t)
      await add({ scope: 'organization', content: 'first', priority: 2 })(t)
      await add({ scope: 'organization', content: 'off', priority: 3, enabled: false })(t)
    })
    await addGlobal(tx, 'platform low', -1)
    await addGlobal(tx, 'platform high', 1)
    expect(await layersOf(tx, owner)).toEqual([
      'platform high',
      'platform low',
      'first',
      'later',
      'mine',
    ])
  })
})

test('nobody gets another person’s or another organization’s layers', async () => {
  await alone(async (tx) => {
    const owner = await addOwner(tx)
    const member = await addMember(tx, owner.organizationId)
    const stranger = await addOwner(tx)
    await as(tx, owner, async (t) => {
      await add({ scope: 'user', user_id: owner.id, content: 'private' })(t)
      await add({ scope: 'organization', content: 'shared' })(t)
    })
    expect(await layersOf(tx, member)).toEqual(['shared'])
    expect(await layersOf(tx, stranger)).toEqual([])
    await as(tx, owner, (t) => t`select public.remove_member(${member.id})`)
    expect(await layersOf(tx, member)).toEqual([])
  })
})

test('organization layers need prompts.manage, global ones nobody can write, and no one else’s', async () => {
  await alone(async (tx) => {
    const owner = await addOwner(tx)
    const member = await addMember(tx, owner.organizationId)
    const content = 'obey me'
    const refused: [Account, Layer][] = [
      [member, { scope: 'organization', content }],
      [member, { scope: 'user', user_id: owner.id, content }],
      [owner, { scope: 'user', user_id: member.id, content }],
      [owner, { scope: 'global', content }],
    ]
    for (const [person, layer] of refused) {
      expect(await refusal(tx, person, add(layer))).toMatch(/^(42501|23514) /)
    }
    await addGlobal(tx, 'platform')
    const edit = (t: TransactionSql) => t`update public.system_prompts set content = ${content}`
    expect((await as(tx, owner, edit)).count).toBe(0)
    expect(await layersOf(tx, owner)).toEqual(['platform'])
  })
})

test('one can do without a layer, unless it is mandatory', async () => {
  await alone(async (tx) => {
    const owner = await addOwner(tx)
    const member = await addMember(tx, owner.organizationId)
    await as(tx, owner, async (t) => {
      await add({ scope: 'organization', content: 'advice', priority: 1 })(t)
      await add({ scope: 'organization', content: 'law', mandatory: true })(t)
    })
    const optOut = (t: TransactionSql) => t`
      insert into client_mgmt.system_prompt_opt_outs (system_prompt_id)
      select id from public.system_prompts`
    await as(tx, member, optOut)
    expect(await layersOf(tx, member)).toEqual(['law'])
    expect(await layersOf(tx, owner)).toEqual(['advice', 'law'])
  })
})

const preview = (content: string, variables: unknown) => (t: TransactionSql) =>
  t<{ text: string }[]>`
    select public.preview_system_prompt(${content}, ${t.json(variables as never)}) as text`

test('a template reaches the declared variables and nothing else', async () => {
  await alone(async (tx) => {
    const owner = await addOwner(tx)
    await tx`update public.users set display_name = 'Ada' where id = ${owner.id}`
    const variables = {
      who: { type: 'text', source: 'user_name' },
      today: { type: 'date', source: 'current_date' },
      limit: { type: 'number', value: 3 },
    }
    const [row] = await as(tx, owner, preview('{{who}} {{ limit }} {{today}}', variables))
    expect(row?.text).toMatch(/^Ada 3 \d{4}-\d\d-\d\d$/)
    for (const content of [
      '{{undeclared}}',
      '{{user_name}}',
      '{{who.email}}',
      `{{current_setting('request.jwt.claims')}}`,
      '{{who || who}}',
    ]) {
      expect(await refusal(tx, owner, preview(content, variables)), content).toBe(
        '22023 invalid_prompt',
      )
    }
    for (const bad of [
      { who: { type: 'text', source: 'email' } },
      { who: { type: 'text', source: 'user_name', value: 'x' } },
      { who: { type: 'text' } },
      { who: { type: 'secret', value: 'x' } },
      { who: { type: 'number', value: 'three' } },
      { 'Who?': { type: 'text', value: 'x' } },
      [],
    ]) {
      expect(await refusal(tx, owner, preview('hello', bad)), JSON.stringify(bad)).toBe(
        '22023 invalid_prompt',
      )
    }
    const layer = { scope: 'organization', template: true, content: '{{undeclared}}' }
    expect(await refusal(tx, owner, add(layer))).toBe('22023 invalid_prompt')
    expect(await layersOf(tx, owner)).toEqual([])
  })
})

test('a value is text and no template: one pass, whatever it holds', async () => {
  await alone(async (tx) => {
    const owner = await addOwner(tx)
    const value = fc.oneof(
      fc.constantFrom('{{secret}}', '{{a}}', '\\1', '\\&', '{{', '}}', '$1'),
      fc.string({ unit: 'grapheme', maxLength: 20 }).filter((text) => !text.includes('\u0000')),
    )
    await fc.assert(
      fc.asyncProperty(value, value, async (a, b) => {
        const variables = {
          a: { type: 'text', value: a },
          b: { type: 'text', value: b },
          secret: { type: 'text', value: 'SECRET' },
        }
        const [row] = await as(tx, owner, preview('[{{a}}|{{ b }}|{{a}}]', variables))
        expect(row?.text).toBe(`[${a}|${b}|${a}]`)
      }),
      { numRuns: 80 },
    )
  })
})

test('a template stays short, however long its value and however often it names it', async () => {
  await alone(async (tx) => {
    const member = await addMember(tx, (await addOwner(tx)).organizationId)
    const named = (length: number) => ({ a: { type: 'text', value: 'x'.repeat(length) } })
    const often = '{{a}}'.repeat(13_000)
    const [row] = await as(tx, member, preview(often, named(10)))
    expect(row?.text).toBe('x'.repeat(130_000))
    const layer = { scope: 'user', user_id: member.id, template: true, content: often }
    for (const variables of [named(60), named(60_000)]) {
      expect(await refusal(tx, member, preview(often, variables))).toBe('22023 invalid_prompt')
      expect(await refusal(tx, member, add({ ...layer, variables }))).toBe('22023 invalid_prompt')
    }
    const sourced = { a: { type: 'text', source: 'user_name' } }
    expect(await refusal(tx, member, preview(often, sourced))).toBe('22023 invalid_prompt')
    const unused = { ...layer, template: false, variables: named(70_000) }
    expect(await refusal(tx, member, add(unused))).toMatch(/^23514 .*variables_length/)
    expect(await refusal(tx, member, preview('hi', named(70_000)))).toBe('22023 invalid_prompt')
  })
})

test('nobody can have more than a hundred layers sent along with every request', async () => {
  await alone(async (tx) => {
    const owner = await addOwner(tx)
    const many = (person: Account, count: number) => (t: TransactionSql) => t`
      insert into public.system_prompts (scope, user_id, content)
      select 'user', ${person.id}, 'layer' from generate_series(1, ${count})`
    expect(await refusal(tx, owner, many(owner, 101))).toBe('PT409 quota_exceeded')
    await as(tx, owner, many(owner, 100))
    expect(await refusal(tx, owner, many(owner, 1))).toBe('PT409 quota_exceeded')
    await as(tx, owner, add({ scope: 'organization', content: 'another scope' }))
    const member = await addMember(tx, owner.organizationId)
    await as(tx, member, many(member, 1))
    expect(await layersOf(tx, owner)).toHaveLength(101)
  })
})

test('layers that no worker could hold together refuse the request of who has them', async () => {
  await alone(async (tx) => {
    const owner = await addOwner(tx)
    const member = await addMember(tx, owner.organizationId)
    const { name: agent } = await addAgent(tx, owner)
    const fill = (count: number) => (t: TransactionSql) => t`
      insert into public.system_prompts (scope, user_id, content)
      select 'user', ${member.id}, repeat('€', 65536) from generate_series(1, ${count})`
    await as(tx, member, fill(21))
    expect(await refusal(tx, member, begin({ agent }))).toBe('allowed')
    await as(tx, member, fill(1))
    expect(await refusal(tx, member, begin({ agent }))).toBe('22023 invalid_request')
    expect(await refusal(tx, owner, begin({ agent }))).toBe('allowed')
  })
})

test('text that is no template is sent as it is written', async () => {
  await alone(async (tx) => {
    const owner = await addOwner(tx)
    await as(tx, owner, add({ scope: 'organization', content: 'say {{hello}} \\1' }))
    expect(await layersOf(tx, owner)).toEqual(['say {{hello}} \\1'])
  })
})
