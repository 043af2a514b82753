import { z } from 'zod'
import { platformSettings } from '../api/platform-settings.ts'
import { migrate } from '../postgres/database.ts'
import { checkJobs, leaveStaleJob } from './cron-jobs.ts'
import { missingDebianPackages } from './debian-postgres.ts'
import { type Outcome, outcomeOf } from './runner.ts'
import { content, startScratchDebian } from './scratch-database.ts'
import { runSupabaseJson } from './supabase-cli.ts'

const lint = z.object({
  results: z.array(
    z.object({
      function: z.string(),
      issues: z.array(
        z.looseObject({
          level: z.string(),
          message: z.string(),
          statement: z.object({ lineNumber: z.string() }).partial().optional(),
        }),
      ),
    }),
  ),
})

/**
 * Runs `supabase db lint`, which executes nothing but plans every statement of every function, and
 * looks whether the migrations scheduled the clean-ups where the server has pg_cron.
 */
export async function lintFunctions(): Promise<Outcome> {
  const packages = missingDebianPackages()
  if (packages !== null) return { kind: 'skipped', reason: `apt-get install ${packages}` }
  const database = await startScratchDebian()
  try {
    await leaveStaleJob(database.ownerUrl)
    await migrate(database, content)
    const schemas = [...platformSettings.api.schemas, 'private'].join(',')
    const { code, answer, stderr } = await runSupabaseJson(
      database.ownerUrl,
      ['db', 'lint', `--schema=${schemas}`, '--level=warning', '--fail-on=warning'],
      lint,
    )
    const problems = answer.results.flatMap(({ function: name, issues }) =>
      issues.map(
        ({ level, message, statement }) =>
          `${name}, line ${statement?.lineNumber ?? '?'}: ${level}: ${message}`,
      ),
    )
    problems.push(...(await checkJobs(database.ownerUrl)))
    if (code !== 0 && problems.length === 0) problems.push(`exit code ${code}: ${stderr}`)
    return outcomeOf(problems)
  } finally {
    await database.close()
  }
}
