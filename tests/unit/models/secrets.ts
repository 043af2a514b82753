import { inspect } from 'node:util'
import { expect } from 'vitest'
import type { ModelError } from '../../../supabase/functions/_shared/models/model-error.ts'
import { API_KEY } from './support.ts'
import { ACCESS_TOKEN, PRIVATE_KEY } from './vertex-support.ts'

/** What a careless provider writes into its error: our key and the user's words. */
export const SECRET = `rejected key ${API_KEY} and prompt "Wie geht es?"`

/** Looks everywhere an error could be printed. */
export function expectNoSecret(error: unknown): void {
  const { message, detail, stack } = error as ModelError
  const everything = [message, detail, stack, JSON.stringify(error), inspect(error)].join('\n')
  for (const secret of [API_KEY, ACCESS_TOKEN, PRIVATE_KEY, '0123456789abcdef']) {
    expect(everything).not.toContain(secret)
  }
  expect(message).not.toContain('Wie geht es?')
  expect(JSON.stringify(error)).not.toContain('Wie geht es?')
}
