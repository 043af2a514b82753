/**
 * Asks the addresses it is given and prints how each call went. Runs under Node and Deno, whose
 * answers a test compares. Arguments: a JSON array of base URLs.
 */
import process from 'node:process'
import { ModelError } from '../../../supabase/functions/_shared/models/model-error.ts'
import { collect, openRouter } from './support.ts'

const urls = JSON.parse(process.argv[2] ?? '[]') as string[]
const outcomes = []
for (const url of urls) {
  const { answer, batches, error } = await collect(openRouter(url))
  const failure = error instanceof ModelError ? error.code : error && 'not a ModelError'
  const last = batches.at(-1)?.at(-1)?.type ?? null
  outcomes.push({ url, failure, last, content: answer.content, usage: answer.usage })
}
console.log(JSON.stringify(outcomes))
