import type { TestProject } from 'vitest/node'
import { connect } from '../../../dev/postgres/database.ts'
import { deploy, type Hosted, olderDefaults, startHosted } from './hosted.ts'
import { template, urlOf } from './migrated-database.ts'
import { type TestDatabase, workersOf } from './stack.ts'

/**
 * Global setup: for each worker a server as the hosted platform makes it, on which the role that
 * deploys has applied the migrations. The tests of tests/database then run as on a project.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const servers = await Promise.all(Array.from({ length: workersOf(project) }, start))
  project.provide(
    'databases',
    servers.map(({ database }) => database),
  )
  return async () => {
    await Promise.all(servers.map(({ close }) => close()))
  }
}

async function start(): Promise<{ database: TestDatabase; close: () => Promise<void> }> {
  const { make, close } = await startHosted()
  try {
    const project = await make(template, olderDefaults)
    await deploy(project)
    return { database: await copy(project, 'project'), close }
  } catch (error) {
    await close()
    throw error
  }
}

/** Leaves the migrated database as the template that createMigrated() copies. */
async function copy({ ownerUrl, superuserUrl, ...pools }: Hosted, name: string) {
  await Promise.all(Object.values(pools).map((pool) => pool.end()))
  const superuser = connect(urlOf(superuserUrl, 'postgres'))
  try {
    await superuser`alter database ${superuser(template)} owner to postgres`
    await superuser`create database ${superuser(name)} template ${superuser(template)} owner postgres`
  } finally {
    await superuser.end()
  }
  return { databaseUrl: urlOf(ownerUrl, name), superuserUrl: urlOf(superuserUrl, name) }
}
