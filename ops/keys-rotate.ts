import { existsSync } from 'node:fs'
import { parseArgs } from 'node:util'

import {
  type Keyset,
  keyIdFormat,
  readKeyset,
} from '../supabase/functions/_shared/crypto/keyset.ts'
import {
  rotate,
  type SealedStore,
  type SealedValue,
} from '../supabase/functions/_shared/crypto/rotate.ts'
import { type Place, sealedWith } from '../supabase/functions/_shared/crypto/seal.ts'
import { createDatabase } from '../supabase/functions/_shared/database.ts'
import { countByKey, sealedStore } from './sealed-store.ts'

const usage = `Usage: npm run keys:rotate [-- --retire <key id>]

Seals every secret in the database anew with the first key of TOKEN_ENCRYPTION_KEYS. It may be
stopped and started again at any time, and runs beside live traffic. Needs SUPABASE_URL,
SUPABASE_SECRET_KEY and TOKEN_ENCRYPTION_KEYS, from the environment or from .env.local.

  --retire <key id>   says whether a key may be taken out of TOKEN_ENCRYPTION_KEYS`

/** How many rows are named when their key is missing. */
const namedRows = 20

/**
 * `npm run keys:rotate`: exit code 0 when every value is sealed with the primary key, 1 when some
 * are not, 2 for wrong arguments.
 */
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

  const store = sealedStore(admin)
  const before = await countByKey(admin)
  const unknown = [...before.keys()].filter((id) => !keyset.keys.has(id))
  if (unknown.length > 0) {
    console.error(
      `Values are sealed with keys that TOKEN_ENCRYPTION_KEYS does not have: ${unknown.map(named).join(', ')}. Put them back first.`,
    )
    for (const place of await foreign(keyset, store)) console.error(`Sealed so: ${textOf(place)}`)
    return 1
  }
  const { retire } = values
  if (retire !== undefined) return answerRetire(retire, keyset.primary.id, before.get(retire) ?? 0)

  const others = [...before].filter(([id]) => id !== keyset.primary.id)
  const total = others.reduce((sum, [, count]) => sum + count, 0)
  console.log(`Key ${keyset.primary.id} seals. ${total} values are sealed with other keys.`)
  const { sealed, changed, failed } = await rotate(keyset, store, {
    batch: 200,
    onProgress: (report) => console.log(`${report.sealed} of ${total} sealed anew`),
  })
  for (const place of failed) {
    console.error(`Does not open: ${textOf(place)}`)
  }
  if (changed > 0) console.log(`${changed} were replaced by live traffic in the meantime.`)
  return report(keyset.primary.id, await countByKey(admin), sealed)
}

/** The first rows whose key is not in the keyset. */
async function foreign(keyset: Keyset, store: SealedStore): Promise<Place[]> {
  const found: Place[] = []
  for (let after: SealedValue | null = null; found.length < namedRows;) {
    const values = await store.list(keyset.primary.id, after, 200)
    for (const { place, value } of values) {
      after = { place, value }
      if (!keyset.keys.has(sealedWith(value) ?? '')) found.push(place)
    }
    if (values.length < 200) break
  }
  return found.slice(0, namedRows)
}

// The database's values come from others: none reaches the terminal unchecked.
function named(keyId: string): string {
  return keyIdFormat.test(keyId) ? keyId : '(no key id)'
}

function textOf({ table, column, organizationId, row }: Place): string {
  const text = row.replace(/[^\x20-\x7e]/gu, '?')
  return `${table}.${column}, organization ${organizationId}, row ${text}`
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
  const list = left.map(([id, count]) => `${named(id)} (${count})`).join(', ')
  console.error(`Keys that are still in use, and must stay: ${list}. Run this again.`)
  return 1
}

process.exitCode = await main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error)
  return 1
})
