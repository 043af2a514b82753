import { randomUUID } from 'node:crypto'
import type { Sql } from 'postgres'
import { useStack } from '../stack/stack.ts'
import { type Client, openClient } from './supabase-client.ts'

export type { Client }

export interface Person {
  id: string
  email: string
  password: string
  /** Signed in, as the person's browser would be. */
  client: Client
}

export interface Organization {
  id: number
  name: string
  slug: string
}

/** A supabase-js client for one device: sessions are kept in memory and not shared. */
export function newClient(key?: string, url?: string): Client {
  return openClient(url ?? useStack().url, key ?? useStack().publishableKey)
}

/** Signs a new person up. They belong to no organization yet. */
export async function signUp(label = 'person'): Promise<Person> {
  const email = `${label}-${randomUUID()}@example.com`
  const password = randomUUID()
  const client = newClient()
  const { data, error } = await client.auth.signUp({ email, password })
  if (error !== null) throw error
  if (data.user === null) throw new Error('signing up gave no user')
  return { id: data.user.id, email, password, client }
}

/** Signs the person in on another device. */
export async function signInAgain(person: Person): Promise<Person> {
  const client = newClient()
  const { email, password } = person
  const { error } = await client.auth.signInWithPassword({ email, password })
  if (error !== null) throw error
  return { ...person, client }
}

/** Makes an organization that the person owns, and a token that carries it. */
export async function createOrganization(person: Person, label = 'org'): Promise<Organization> {
  const slug = `${label}-${randomUUID().slice(0, 18)}`
  const { data, error } = await person.client.rpc('create_organization', { name: label, slug })
  if (error !== null) throw error
  await refreshSession(person)
  return data as unknown as Organization
}

/** A person who owns a new organization, signed in to it. */
export async function signUpWithOrganization(
  label = 'person',
): Promise<Person & { organization: Organization }> {
  const person = await signUp(label)
  const organization = await createOrganization(person, label)
  return { ...person, organization }
}

/** A new person who is a member of the organization, signed in to it. */
export async function signUpAsMember(
  sql: Sql,
  { id }: Pick<Organization, 'id'>,
  label = 'member',
): Promise<Person> {
  const person = await signUp(label)
  await sql`insert into client_mgmt.client_users (organization_id, user_id, role)
    values (${id}, ${person.id}, 'member')`
  await sql`update public.users set organization_id = ${id} where id = ${person.id}`
  await refreshSession(person)
  return person
}

/** Exchanges the refresh token, so that the access token carries the current claims. */
export async function refreshSession(person: Person): Promise<void> {
  const { error } = await person.client.auth.refreshSession()
  if (error !== null) throw error
}

export async function accessToken(person: Person): Promise<string> {
  const { data, error } = await person.client.auth.getSession()
  if (error !== null) throw error
  if (data.session === null) throw new Error('the person is not signed in')
  return data.session.access_token
}

/** The payload of the person's access token, not verified. */
export async function claimsOf(person: Person): Promise<Record<string, unknown>> {
  const [, payload] = (await accessToken(person)).split('.')
  const json = Buffer.from(payload ?? '', 'base64url').toString()
  return JSON.parse(json) as Record<string, unknown>
}
