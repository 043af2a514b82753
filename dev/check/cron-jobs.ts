import { readFileSync } from 'node:fs'
import path from 'node:path'
import type { Sql } from 'postgres'
import { connect } from '../postgres/database.ts'
import { root } from './command.ts'

const history = 'colloquy-cron_history'

/** Leaves a job as an earlier version of the migrations scheduled it. */
export async function leaveStaleJob(url: string): Promise<void> {
  const owner = connect(url)
  try {
    await owner`select cron.schedule('colloquy-cleanup', '*/5 * * * *', 'select 1')`
  } finally {
    await owner.end()
  }
}

/**
 * Checks that pg_cron has exactly one job for each clean-up of the list, that each command runs,
 * and that the README's statement removes all of them.
 */
export async function checkJobs(url: string): Promise<string[]> {
  const owner = connect(url)
  try {
    const problems: string[] = []
    const list = await owner<{ name: string }[]>`
      select 'colloquy-' || task as name from public.clean_ups() order by 1`
    const expected = [...list.map(({ name }) => name), history].sort()
    const jobs = await readJobs(owner)
    const names = jobs.map(({ jobname }) => jobname).sort()
    if (names.join() !== expected.join()) problems.push(`pg_cron has the jobs [${names.join()}]`)
    for (const { jobname, command } of jobs) {
      await owner.unsafe(command).catch((error: unknown) => {
        problems.push(`the job ${jobname} fails: ${String(error)}`)
      })
    }

    await owner.unsafe(unscheduling())
    const left = (await readJobs(owner)).map(({ jobname }) => jobname)
    if (left.join() !== history) problems.push(`the README leaves the jobs [${left.join()}]`)
    return problems
  } finally {
    await owner.end()
  }
}

const readJobs = (owner: Sql) => owner<{ jobname: string; command: string }[]>`
  select jobname, command from cron.job order by jobname`

function unscheduling(): string {
  const readme = readFileSync(path.join(root, 'README.md'), 'utf8')
  const [statement] = /^ *select cron\.unschedule\(.*;$/m.exec(readme) ?? []
  if (statement === undefined) throw new Error('README.md unschedules no job')
  return statement
}
