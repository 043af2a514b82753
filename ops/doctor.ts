import { readMigrations } from '../dev/postgres/migration-files.ts'
import { dumpObjects } from '../dev/check/catalog-dump.ts'
import { content, startScratchDatabase } from '../dev/check/scratch-database.ts'
import { connect, migrate } from '../dev/postgres/database.ts'
import { inspectDatabase } from './inspect-database.ts'
import { type Finding, inspectImage, inspectProject } from './inspect-project.ts'

const usage = `Usage: npm run doctor -- <url>

Tries a deployed project: functions, exposed schemas and what a visitor reads; with DATABASE_URL also
grants and objects against the migrations, what is published, the token hook and applied files; with
SUPABASE_ACCESS_TOKEN also the version of the image. Writes nothing to the project.
Needs SUPABASE_PUBLISHABLE_KEY. Exit code: 0 all is well, 1 something is not, 2 misuse.`

/** `npm run doctor`. */
async function main(): Promise<number> {
  const [url, ...rest] = process.argv.slice(2)
  const { SUPABASE_PUBLISHABLE_KEY, DATABASE_URL, SUPABASE_ACCESS_TOKEN } = process.env
  if (url === undefined || rest.length > 0 || !URL.canParse(url) || !SUPABASE_PUBLISHABLE_KEY) {
    console.error(usage)
    return 2
  }
  const { origin, hostname } = new URL(url)
  const findings = [
    ...(await inspectProject(origin, SUPABASE_PUBLISHABLE_KEY)),
    ...(DATABASE_URL
      ? await compareWithMigrations(DATABASE_URL)
      : [unknown('database', 'DATABASE_URL')]),
    SUPABASE_ACCESS_TOKEN
      ? inspectImage(await readImage(hostname, SUPABASE_ACCESS_TOKEN))
      : unknown('image', 'SUPABASE_ACCESS_TOKEN'),
  ]
  for (const { check, state, details } of findings) {
    console.log(`${state.padEnd(8)} ${check}`)
    for (const detail of details.slice(0, 20)) console.log(`         ${detail.slice(0, 400)}`)
    if (details.length > 20) console.log(`         and ${details.length - 20} more`)
  }
  return findings.some(({ state }) => state === 'failed') ? 1 : 0
}

/** Makes a database of the migrations alone on this machine, and compares. */
async function compareWithMigrations(url: string): Promise<Finding[]> {
  const scratch = await startScratchDatabase()
  try {
    await migrate(scratch, content)
    const model = connect(scratch.ownerUrl)
    const expected = await dumpObjects(model)
    await model.end()
    const sql = connect({ url, options: { connect_timeout: 20 } })
    try {
      const versions = readMigrations(content.migrationsDirectory).map(({ version }) => version)
      return await inspectDatabase(sql, expected, versions)
    } finally {
      await sql.end()
    }
  } finally {
    await scratch.close()
  }
}

/** Management API: the project's reference is the first label of its host. */
async function readImage(hostname: string, token: string): Promise<string> {
  const [reference = ''] = hostname.split('.')
  const response = await fetch(`https://api.supabase.com/v1/projects/${reference}`, {
    headers: { authorization: `Bearer ${token}` },
    signal: AbortSignal.timeout(20_000),
  })
  const project = (await response.json()) as { database?: { version?: string } }
  return project.database?.version ?? `unknown (status ${response.status})`
}

function unknown(check: string, variable: string): Finding {
  return { check, state: 'unknown', details: [`set ${variable} to have it checked`] }
}

process.exitCode = await main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error)
  return 1
})
