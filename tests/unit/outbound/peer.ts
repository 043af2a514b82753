/**
 * Makes the requests it is given, one after the other, and prints how each ended. Every name leads
 * to this machine. With --expose-gc it collects garbage all the time.
 */
import process from 'node:process'
import { OutboundError } from '../../../supabase/functions/_shared/outbound/error.ts'
import { documentLimits } from '../../../supabase/functions/_shared/outbound/limits.ts'
import { createOutboundFetch } from '../../../supabase/functions/_shared/outbound/outbound.ts'

const { gc } = globalThis as unknown as { gc?: () => void }
const collecting = gc && setInterval(gc, 20)
const fetchWithin = (total: number) =>
  createOutboundFetch({
    allowLoopback: true,
    limits: { ...documentLimits, total },
    // Nobody listens at the first one.
    resolve: async () => ['127.0.0.2', '127.0.0.1'].map((address) => ({ address, family: 4 })),
  })
// Only a server that is silent is given up soon: a slow machine reads the others to their end.
const [patient, impatient] = [fetchWithin(60_000), fetchWithin(1_000)]

const ended: string[] = []
for (const url of JSON.parse(process.argv[2] ?? '[]') as string[]) {
  try {
    const fetch = /\/(stalled|silent)$/.test(url) ? impatient : patient
    const response = await fetch(url, { method: 'POST', body: 'question' })
    ended.push(`${response.status} ${await response.text()}`)
  } catch (error) {
    ended.push(error instanceof OutboundError ? error.reason : String(error))
  }
}
clearInterval(collecting)
console.log(JSON.stringify(ended))
// Deno would wait for the time limits of requests that are over.
process.exit()
