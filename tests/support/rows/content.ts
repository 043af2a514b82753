import type { TransactionSql } from 'postgres'
import type { Member } from '../people/tenants.ts'

export interface Content {
  project: number
  participant: number
  block: number
  turns: number[]
}

/** A project with a block, and turns of one participant, which stand in no block yet. */
export async function addBlock(
  tx: TransactionSql,
  { organizationId, id: user }: Member,
  turns: number,
): Promise<Content> {
  const [made] = await tx<{ project: string; participant: string; block: string }[]>`
    with p as (
      insert into client_mgmt.projects (organization_id, name)
      values (${organizationId}, 'project ' || gen_random_uuid()) returning id
    ), b as (
      insert into conversation.blocks (organization_id, project_id, name)
      select ${organizationId}, p.id, 'block' from p returning id
    ), o as (
      insert into conversation.participants (organization_id, name, user_id)
      values (${organizationId}, 'Ann', ${user}) returning id
    )
    select p.id as project, b.id as block, o.id as participant from p, b, o`
  const participant = Number(made?.participant)
  const said = await tx<{ id: string }[]>`
    insert into conversation.turns (organization_id, participant_id, content)
    select ${organizationId}, ${participant}, 'turn ' || n from generate_series(1, ${turns}::int) n
    returning id`
  return {
    project: Number(made?.project),
    block: Number(made?.block),
    participant,
    turns: said.map(({ id }) => Number(id)),
  }
}
