import { startRest } from '../../../../dev/api/lite.ts'
import { content } from '../../../../dev/check/scratch-database.ts'
import { openGiven } from '../../../../dev/postgres/database.ts'
import { useStack } from '../../../support/stack/stack.ts'
import type { Actor } from '../actors.ts'
import { signToken } from '../rest/clients.ts'
import type { Question } from './questions.ts'

/** All that a caller gets, as one text. */
export type Answer = string

export interface World {
  ask: (question: Question, actor: Actor) => Promise<Answer>
  close: () => Promise<void>
}

/** The local REST on a database of its own, with the stack's keys. */
export async function openRest(databaseUrl: string): Promise<World> {
  const { url, jwtSecret, publishableKey, secretKey } = useStack()
  const database = await openGiven(databaseUrl, content)
  const secrets = { jwtSecret, publishableKey, secretKey } as never
  const rest = await startRest({ database, secrets, url, log: () => undefined })
  const ask = async (question: Question, actor: Actor): Promise<Answer> => {
    const { method, path, schema, headers, body } = question
    const token = actor.role === 'anon' ? publishableKey : signToken(actor.claims)
    const response = await rest.fetch(
      new Request(`${url}/rest/v1${path}`, {
        method,
        ...(body !== undefined && { body }),
        headers: {
          apikey: publishableKey,
          authorization: `Bearer ${token}`,
          'accept-profile': schema,
          'content-profile': schema,
          'content-type': 'application/json',
          ...headers,
        },
      }),
    )
    const lines = [...response.headers].map(([name, value]) => `${name}: ${value}`).sort()
    return [String(response.status), ...lines, await response.text()].join('\n')
  }
  return { ask, close: () => rest.close() }
}
