import { type Person, signUp } from '../people/people.ts'

/** A new member, without further permissions, of the person's organization, signed in to it. */
export async function joinOrganization(owner: Person): Promise<Person> {
  const colleague = await signUp('colleague')
  const { data, error } = await owner.client.rpc('invite_member', { email: colleague.email })
  if (error !== null) throw error
  const { token } = data as { token: string }
  await colleague.client.rpc('accept_invitation', { token })
  await colleague.client.auth.refreshSession()
  return colleague
}
