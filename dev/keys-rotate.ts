import { existsSync } from 'node:fs'
import { parseArgs } from 'node:util'

import { readKeyset } from '../supabase/functions/_shared/crypto/keyset.ts'
import { rotate } from '../supabase/functions/_shared/crypto/rotate.ts'
import { createDatabase } from '../supabase/functions/_shared/database.ts'
import { countByKey, sealedStore } from './sealed-store.ts'

const usage = `Usage: npm run keys:rotate [-- --retire <key id>]

Seals every secret in the database anew with the first key of TOKEN_ENCRYPTION_KEYS. It may be
stopped and started again at any time, and runs beside live traffic. Needs SUPABASE_URL,
SUPABASE_SECRET_KEY and TOKEN_ENCRYPTION_KEYS, from the environment or from .env.local.

  --retire <key id>   says whether a key may be taken out of TOKEN_ENCRYPTION_KEYS`

/** `npm run keys:rotate`: exit code 0 when all is done, 1 when something is left, 2 for misuse. */
async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { retire: { type: 'string' }, help: { type: 'boolean' } },
  })
  if (values.help) {
    console.log(usage)
    return 0
  }
  if (existsSync('.env.local')) process.loadEnvFile('.env.local')
  const { SUPABASE_URL, SUPABASE_SECRET_KEY, TOKEN_ENCRYPTION_KEYS } = process.env
  if (!SUPABASE_URL || !SUPABASE_SECRET_KEY) {
    console.error(`SUPABASE_URL or SUPABASE_SECRET_KEY is not set.\n\n${usage}`)
    return 2
  }
  const keyset = await readKeyset(TOKEN_ENCRYPTION_KEYS)
  const { admin } = createDatabase({
    supabaseUrl: SUPABASE_URL,
    publishableKey: SUPABASE_SECRET_KEY,
    secretKey: SUPABASE_SECRET_KEY,
  })

  const before = await countByKey(admin)
  const unknown = [...before.keys()].filter((id) => !keyset.keys.has(id))
  if (unknown.length > 0) {
    console.error(
      `Values are sealed with keys that TOKEN_ENCRYPTION_KEYS does not have: ${unknown.join(', ')}. Put them back first.`,
    )
    return 1
  }
  const { retire } = values
  if (retire !== undefined) return answerRetire(retire, keyset.primary.id, before.get(retire) ?? 0)

  const others = [...before].filter(([id]) => id !== keyset.primary.id)
  const total = others.reduce((sum, [, count]) => sum + count, 0)
  console.log(`Key ${keyset.primary.id} seals. ${total} values are sealed with other keys.`)
  const { sealed, changed, failed } = await rotate(keyset, sealedStore(admin), {
    batch: 200,
    onProgress: (report) => console.log(`${report.sealed} of ${total} sealed anew`),
  })
  for (const place of failed) {
    console.error(
      `Does not open: ${place.table}.${place.column}, organization ${place.organizationId}, row ${place.row}`,
    )
  }
  if (changed > 0) console.log(`${changed} were replaced by live traffic in the meantime.`)
  return report(keyset.primary.id, await countByKey(admin), sealed)
}

function answerRetire(id: string, primary: string, count: number): number {
  if (id === primary) console.error(`Key ${id} is the one that seals. Put another one first.`)
  else if (count > 0) console.error(`Key ${id} is in use: ${count} values are sealed with it.`)
  else console.log(`Key ${id} is not in use. Take it out of TOKEN_ENCRYPTION_KEYS.`)
  return id === primary || count > 0 ? 1 : 0
}

function report(primary: string, usage: Map<string, number>, sealed: number): number {
  const left = [...usage].filter(([id]) => id !== primary)
  if (left.length === 0) {
    console.log(`Done: ${sealed} sealed anew. Only key ${primary} is in use.`)
    return 0
  }
  const list = left.map(([id, count]) => `${id} (${count})`).join(', ')
  console.error(`Keys that are still in use, and must stay: ${list}. Run this again.`)
  return 1
}

process.exitCode = await main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error)
  return 1
})
