import { readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import postgres from 'postgres'
import process from 'node:process'
import { createVitest, type TestSpecification } from 'vitest/node'

import { root } from '../../dev/check/command.ts'
import type { Mutant } from './mutant.ts'

/** A mutant that can be put into a database for a while. */
export type LastingMutant = Mutant & { readonly undo: string }

/** The tests in tests/database, asked again and again on one stack. */
export interface DatabaseTests {
  /**
   * Runs those that name what the mutant may change, on a database with it.
   * @returns the tests that failed; of no more than the first files that had any
   */
  ask(mutant: LastingMutant): Promise<string[]>
  close(): Promise<void>
}

/** Files run at once; whatever fails in them, the next are not needed. */
const atOnce = 6

/** A test with what it uses of tests/support, where many calls of functions are. */
function textOf(file: string): string {
  const text = readFileSync(file, 'utf8')
  const support = [...text.matchAll(/from '((?:\.\.\/)+support\/[\w/-]+\.ts)'/g)]
  return [
    text,
    ...support.map(([, path = '']) => readFileSync(join(file, '..', path), 'utf8')),
  ].join()
}

/** Starts the stack, and makes sure that the tests pass on it as it is. */
export async function startDatabaseTests(): Promise<DatabaseTests> {
  // Read by vitest.config.ts.
  process.env.COLLOQUY_MUTANTS = 'true'
  const vitest = await createVitest('test', {
    root,
    project: 'database',
    watch: false,
    // Hundreds of runs: a process for each file would take most of the time.
    pool: 'threads',
    // The mutant is in one database. Vitest does not hand on `maxWorkers` to a project.
    fileParallelism: false,
    reporters: [{}],
  })
  // The matrix is asked without a stack, in its own way; the load test is about the order of locks.
  const specifications = (await vitest.globTestSpecifications()).filter(
    ({ moduleId }) => !/\/isolation\/|\/execution-locks/.test(moduleId),
  )
  const texts = new Map(specifications.map(({ moduleId }) => [moduleId, textOf(moduleId)]))
  const failuresIn = async (some: TestSpecification[]): Promise<string[]> => {
    const { testModules, unhandledErrors } = await vitest.runTestSpecifications(some)
    if (unhandledErrors.length > 0) return unhandledErrors.map(String)
    return testModules.flatMap((file) => {
      const failed = [...file.children.allTests('failed')].map(({ fullName }) => fullName)
      const broken = failed.length === 0 && file.state() === 'failed' ? ['does not load'] : []
      return [...failed, ...broken].map((name) => `${basename(file.moduleId)}: ${name}`)
    })
  }
  const untouched = await failuresIn(specifications)
  if (untouched.length > 0) {
    await vitest.close()
    throw new Error(`The tests fail before anything is weakened: ${untouched.join('; ')}`)
  }
  const [project] = vitest.projects
  if (project === undefined) throw new Error('there is no project of database tests')
  const [stack] = project.getProvidedContext().stacks
  if (stack === undefined) throw new Error('there is no stack')
  const sql = postgres(stack.databaseUrl, { max: 1 })
  const byMention = ({ objects }: Mutant): TestSpecification[] => {
    // What only triggers and policies call is named by no test, and may be the matter of any.
    const callable = objects.filter((id) => id.startsWith('public.') && id.endsWith(')'))
    const isFunction = objects[0]?.endsWith(')') === true
    const names = (isFunction ? callable : objects).map((id) => id.replace(/^\w+\.|\(.*$/g, ''))
    const mentions = ({ moduleId }: TestSpecification): number =>
      names.filter((name) => new RegExp(`\\b${name}\\b`).test(texts.get(moduleId) ?? '')).length
    return specifications
      .filter((one) => names.length === 0 || mentions(one) > 0)
      .sort((a, b) => mentions(b) - mentions(a))
  }
  return {
    async ask(mutant) {
      const order = byMention(mutant)
      try {
        await sql.unsafe(mutant.sql)
        for (let first = 0; first < order.length; first += atOnce) {
          const failures = await failuresIn(order.slice(first, first + atOnce))
          if (failures.length > 0) return failures
        }
        return []
      } catch (error) {
        // Two tenants of the tests hold what the key would allow one of them.
        if (error instanceof postgres.PostgresError && error.code === '23505')
          return [error.message]
        throw error
      } finally {
        await sql.unsafe(mutant.undo)
      }
    },
    async close() {
      await sql.end()
      await vitest.close()
    },
  }
}
