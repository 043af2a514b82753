import type { ISql } from 'postgres'

import { type PlantedPerson, people as everyone, type Person } from '../actors.ts'
import type { Names } from './names.ts'

/** Makes the account of a person; through the API or directly. */
export type MakeAccount = (person: Person, names: Names) => Promise<PlantedPerson>

/** An account as auth would make it, for a database without an auth server. */
export const accountDirectly =
  (sql: ISql): MakeAccount =>
  async (person, names) => {
    const planted = {
      ...person,
      id: names.uuid(),
      sessionId: names.uuid(),
      email: `${names.text()}@example.com`,
    }
    await sql`
      insert into auth.users (id, email, email_confirmed_at)
      values (${planted.id}, ${planted.email}, now())`
    await sql`insert into auth.sessions (id, user_id) values (${planted.sessionId}, ${planted.id})`
    return planted
  }

/** People of elsewhere who have to do with a tenant. */
export interface Guests {
  /** Address of a person who is invited. */
  invited: string
  /** Account of a former member who left rows. */
  veteran?: string
  /** Account of a member of A who is one of B too. */
  both?: string
}

export async function joinOnly(sql: ISql, organizationId: number, user: string): Promise<void> {
  await sql`insert into client_mgmt.client_users (organization_id, user_id, role)
    values (${organizationId}, ${user}, 'member')`
}

/** A membership, a profile and a session for each, as the triggers of the database derive them. */
export async function plantMemberships(
  sql: ISql,
  people: readonly PlantedPerson[],
  organizationId: number,
  names: Names,
): Promise<void> {
  for (const { id, sessionId, rank, permissions, ended, chosen } of people) {
    await sql`
      insert into client_mgmt.client_users (organization_id, user_id, role, permissions)
      values (${organizationId}, ${id}, ${rank ?? 'member'}, ${[...(permissions ?? [])]})`
    await sql`
      update public.users set organization_id = ${organizationId}, display_name = ${names.text()},
        metadata = ${sql.json({ canary: names.text() })} where id = ${id}`
    await sql`
      insert into public.user_sessions
        (organization_id, id, user_id, workspace_path, system_prompt, session_metadata)
      values (${organizationId}, ${sessionId}, ${id}, ${names.text()}, ${names.text()},
        ${sql.json({ canary: names.text() })})
      on conflict (id) do update set organization_id = excluded.organization_id,
        workspace_path = excluded.workspace_path, system_prompt = excluded.system_prompt,
        session_metadata = excluded.session_metadata`
    if (chosen !== undefined) {
      // In the place of the sign-in.
      await sql`delete from auth.sessions where id = ${sessionId}`
      await sql`delete from public.user_sessions where id = ${sessionId}`
      await sql`
        insert into public.user_sessions (organization_id, id, user_id, key_permissions, expires_at)
        values (${organizationId}, ${sessionId}, ${id}, ${[...chosen]}, '2099-01-01')`
      await sql`
        insert into private.api_keys (organization_id, id, user_id, name)
        values (${organizationId}, ${sessionId}, ${id}, ${names.text()})`
      await sql`
        insert into private.api_key_secrets (organization_id, api_key_id, secret_hash, prefix)
        values (${organizationId}, ${sessionId}, sha256(${names.text()}::bytea), ${names.text()})`
    }
    if (ended === true) {
      await sql`update client_mgmt.client_users set ended_at = now()
        where organization_id = ${organizationId} and user_id = ${id}`
    }
  }
}

/** People of no tenant: someone who is invited, and those who run the platform. */
export async function plantPlatform(sql: ISql, makeAccount: MakeAccount, names: Names) {
  // Two: the planted preferences have the last, and further rows the first.
  for (const type of [1, 2]) {
    await sql`
      insert into public.preference_types (name, description)
      values (${names.text()}, ${`${names.text()} ${type}`})`
  }
  await sql`
    insert into public.system_prompts (scope, organization_id, user_id, content, created_by)
    values ('global', null, null, ${names.text()}, null)`
  const people: PlantedPerson[] = []
  for (const person of everyone.filter(({ tenant }) => tenant === 'none')) {
    const planted = await makeAccount(person, names)
    people.push(planted)
    if (person.platform === undefined) continue
    await sql`
      insert into public.platform_admins (user_id, email, name)
      values (${planted.id}, ${planted.email}, ${names.text()})`
  }
  return people
}

/** Puts the platform administrators who are under a grant to work in an organization. */
export async function plantGrants(
  sql: ISql,
  people: readonly PlantedPerson[],
  organizationId: number,
): Promise<void> {
  for (const { id, sessionId, platform } of people) {
    if (platform !== 'configuration' && platform !== 'content') continue
    await sql`
      with granted as (
        insert into client_mgmt.access_grants (organization_id, admin_user_id, reason, scope, expires_at)
        values (${organizationId}, ${id}, 'Proving who sees what', ${platform}, now() + interval '20 hours')
        returning id
      )
      insert into public.user_sessions (organization_id, id, user_id, access_grant_id)
      select ${organizationId}, ${sessionId}, ${id}, granted.id from granted`
  }
}
