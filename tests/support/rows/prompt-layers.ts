import type { Sql, TransactionSql } from 'postgres'
import { addMember, addOwner, as, type Member } from '../people/tenants.ts'
import { rolledBack } from '../stack/database.ts'
import { addAgent, begin, type BeginArguments } from './executions.ts'

export type Layer = Record<string, string | number | boolean | null>
export const add =
  (...layers: Layer[]) =>
  async (tx: TransactionSql) => {
    for (const layer of layers) await tx`insert into public.system_prompts ${tx(layer)}`
  }

export interface Explained {
  layer: string
  scope: string
  mandatory: boolean
  left_out: string | null
  content: string
}
export const explain =
  (session: string | null = null, agent: string | null = null, project: string | null = null) =>
  (tx: TransactionSql) =>
    tx<Explained[]>`
      select * from public.explain_effective_prompts(${session}, ${agent}, ${project})`

export interface Scene {
  owner: Member
  member: Member
  agent: { name: string; id: number }
  project: string
  other: string
}

/** An organization with an agent, two projects and no layer, without the platform's layers. */
export const layerScene = (sql: Sql) => (fn: (tx: TransactionSql, made: Scene) => Promise<void>) =>
  rolledBack(sql, async (tx) => {
    await tx`delete from public.system_prompts where organization_id is null`
    const owner = await addOwner(tx)
    const member = await addMember(tx, owner.organizationId)
    const agent = await addAgent(tx, owner)
    const projects = await as(
      tx,
      owner,
      (t) => t<{ id: string }[]>`
        insert into client_mgmt.projects (name) values ('one'), ('other') returning id`,
    )
    const [project = '', other = ''] = projects.map(({ id }) => id)
    await fn(tx, { owner, member, agent, project, other })
  })

export const instruct =
  ({ agent }: Scene, instructions: string | null) =>
  (tx: TransactionSql) =>
    tx`update public.agents set instructions = ${instructions} where id = ${agent.id}`

export const openSession =
  (context: string, project: string | null) => async (tx: TransactionSql) => {
    const [row] = await tx<{ id: string }[]>`
    insert into public.chat_sessions (context, project_id) values (${context}, ${project})
    returning id`
    return row?.id ?? ''
  }

export async function sent(
  tx: TransactionSql,
  { member, agent }: Scene,
  args: BeginArguments = {},
) {
  const begun = await as(tx, member, begin({ agent: agent.name, ...args }))
  return begun.system_prompts
}
