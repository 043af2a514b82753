import { attempt, type Finding, Unknown } from './finding.ts'
import { inspectDeployment } from './inspect-deployment.ts'
import { inspectImage } from './inspect-image.ts'
import { inspectProject } from './inspect-project.ts'

const usage = `Usage: npm run doctor -- <url>

Tries a deployed project: functions, exposed schemas and what a visitor reads; with DATABASE_URL also
grants and objects against the migrations, applied files, what is published, the settings of PostgREST,
Realtime's policy, scheduled clean-ups and the token hook; with SUPABASE_ACCESS_TOKEN also the version
of the image. Writes nothing to the project.
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
  const findings: Finding[] = [
    ...(await inspectProject(origin, SUPABASE_PUBLISHABLE_KEY)),
    ...(DATABASE_URL
      ? await inspectDeployment(DATABASE_URL)
      : [await unknown('database', 'DATABASE_URL')]),
    SUPABASE_ACCESS_TOKEN
      ? await inspectImage(hostname, SUPABASE_ACCESS_TOKEN, 'https://api.supabase.com')
      : await unknown('image', 'SUPABASE_ACCESS_TOKEN'),
  ]
  for (const { check, state, details } of findings) {
    console.log(`${state.padEnd(8)} ${check}`)
    for (const detail of details.slice(0, 20)) console.log(`         ${detail.slice(0, 400)}`)
    if (details.length > 20) console.log(`         and ${details.length - 20} more`)
  }
  return findings.some(({ state }) => state === 'failed') ? 1 : 0
}

function unknown(check: string, variable: string): Promise<Finding> {
  return attempt(check, () => Promise.resolve(new Unknown([`set ${variable} to have it checked`])))
}

process.exitCode = await main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error)
  return 1
})
