import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import { addMember, addOwner, as, type Member, refusal } from '../../support/people/tenants.ts'
import { addServer, definition, record } from '../../support/rows/tool-rows.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()

const tool = (description: string, field: Record<string, unknown> = {}) => ({
  name: 'search',
  description,
  input_schema: {
    type: 'object',
    properties: { q: { type: 'string', ...field }, description: { type: 'string' } },
  },
})

const trusting = (settings: string) => async (tx: TransactionSql, owner: Member) => {
  const server = await addServer(tx, owner)
  await as(tx, owner, (t) => t.unsafe(`update public.mcp_configurations set ${settings} = true`))
  return server
}

const actionsOf = async (tx: TransactionSql, { organizationId }: Member) => {
  const rows = await tx<{ action: string }[]>`
    select action from public.audit_logs
    where organization_id = ${organizationId} and resource_type = 'mcp_tool' order by sequence`
  return rows.map(({ action }) => action)
}

test('a server that may add tools has its new ones accepted, and its changed ones not', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const server = await trusting('accept_new_tools')(tx, owner)
    await record(tx, owner, server, [tool('Searches')])
    const second = await record(tx, owner, server, [tool('Searches all'), definition('new')])
    expect(second.tools.map(({ name }) => name)).toEqual(['new'])
    expect(second.quarantined).toEqual(['search'])
    expect(await actionsOf(tx, owner)).toEqual(['mcp_tool.accept', 'mcp_tool.quarantine'].sort())
  })
})

test('a server that may change its words has descriptions accepted, and nothing else', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const server = await trusting('accept_descriptions')(tx, owner)
    await record(tx, owner, server, [tool('Searches')])
    const accepted = [
      tool('Searches all'),
      tool('x', { description: 'y' }),
      tool('x', { title: 'z' }),
    ]
    for (const changed of accepted) {
      const { tools } = await record(tx, owner, server, [{ ...changed, title: 'Search' }])
      expect(tools).toMatchObject([{ definition: { description: changed.description } }])
    }
    const refused = [
      tool('x', { type: 'number' }),
      tool('x', { default: { description: 'other' } }),
      { ...tool('x'), input_schema: { type: 'object', properties: { description: {} } } },
      { ...tool('x'), description: 5 },
    ]
    for (const changed of refused) {
      const { tools, quarantined } = await record(tx, owner, server, [changed])
      expect([tools, quarantined]).toEqual([[], ['search']])
    }
    expect(await record(tx, owner, server, [definition('new')])).toMatchObject({
      quarantined: ['new'],
    })
  })
})

test('the rules are off unless set, and set by who may change the configuration', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const member = await addMember(tx, owner.organizationId)
    const server = await addServer(tx, owner)
    await record(tx, owner, server, [tool('Searches')])
    const changed = await record(tx, owner, server, [tool('Searches all'), definition('new')])
    expect(changed.quarantined).toEqual(['search', 'new'])
    const set = (t: TransactionSql) =>
      t`update public.mcp_configurations set accept_new_tools = true where id = ${server}`
    await refusal(tx, member, set)
    const [row] = await tx`
      select accept_new_tools, accept_descriptions from public.mcp_configurations where id = ${server}`
    expect(row).toEqual({ accept_new_tools: false, accept_descriptions: false })
    expect(await refusal(tx, owner, set)).toBe('allowed')
  })
})
