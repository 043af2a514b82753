import { dumpObjects } from '../dev/check/catalog-dump.ts'
import { content, startScratchDatabase } from '../dev/check/scratch-database.ts'
import { connect, migrate } from '../dev/postgres/database.ts'
import { readMigrations } from '../dev/postgres/migration-files.ts'
import { attempt, type Finding } from './finding.ts'
import { inspectDatabase } from './inspect-database.ts'

/** Makes a database of the migrations alone on this machine, and compares the one of `url` with it. */
export async function inspectDeployment(url: string): Promise<Finding[]> {
  const sql = connect({ url, options: { connect_timeout: 20 } })
  try {
    const answers = await attempt('the database answers', async () => {
      await sql`select 1`
      return []
    })
    if (answers.state !== 'ok') return [answers]
    const versions = readMigrations(content.migrationsDirectory).map(({ version }) => version)
    return [answers, ...(await inspectDatabase(sql, dumpModel, versions))]
  } finally {
    await sql.end({ timeout: 5 })
  }
}

/** What the migrations make by themselves. */
export async function dumpModel(): Promise<string[]> {
  const scratch = await startScratchDatabase()
  try {
    await migrate(scratch, content)
    const model = connect(scratch.ownerUrl)
    try {
      return await dumpObjects(model)
    } finally {
      await model.end()
    }
  } finally {
    await scratch.close()
  }
}
