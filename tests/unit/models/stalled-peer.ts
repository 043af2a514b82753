/**
 * Asks the address it is given for a stream and prints how the call ended, while it collects
 * garbage all the time. For Deno with --v8-flags=--expose-gc.
 */
import process from 'node:process'
import { ModelError } from '../../../supabase/functions/_shared/models/model-error.ts'
import { collect, openRouter } from './support.ts'

const { gc } = globalThis as unknown as { gc: () => void }
const collecting = setInterval(gc, 20)
const url = process.argv[2] ?? ''
const { answer, error } = await collect(openRouter(url), {
  timeouts: { connectMs: 5_000, firstTokenMs: 5_000, betweenTokensMs: 500 },
})
clearInterval(collecting)
const failure = error instanceof ModelError ? error.code : String(error)
console.log(JSON.stringify({ content: answer.content, failure }))
