import OpenAI from 'openai'
import { beforeEach } from 'vitest'
import {
  accessToken,
  type Organization,
  type Person,
  signUpWithOrganization,
} from '../people/people.ts'
import { connectOwner } from '../stack/database.ts'
import { useStack } from '../stack/stack.ts'

export const hello = { messages: [{ role: 'user' as const, content: 'Who are you?' }] }

export const baseURL = (): string => `${useStack().url}/functions/v1/agents/v1`
export const clientWith = (apiKey: string): OpenAI =>
  new OpenAI({ apiKey, baseURL: baseURL(), maxRetries: 0 })
export const clientOf = async (person: Person): Promise<OpenAI> =>
  clientWith(await accessToken(person))

interface OpenAIFixture {
  /** As the owner of the tables. */
  readonly sql: ReturnType<typeof connectOwner>
  ann: Person & { organization: Organization }
}

/** Registers the hook that makes a new person with an organization for each test of the file. */
export function useOpenAI(): OpenAIFixture {
  const made = { sql: connectOwner() } as OpenAIFixture
  beforeEach(async () => {
    made.ann = await signUpWithOrganization('ann')
  })
  return made
}

/** The error of the SDK that the work ends with. */
export async function failure(
  work: Promise<unknown>,
): Promise<InstanceType<typeof OpenAI.APIError>> {
  const error: unknown = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  )
  if (error instanceof OpenAI.APIError) return error
  throw new Error(`not an error of the API: ${String(error)}`)
}
