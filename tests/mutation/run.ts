import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'

import { createWorlds, type Worlds } from '../database/isolation/scratch.ts'
import { root } from '../../dev/check/command.ts'
import { startScratchDatabase } from '../../dev/check/scratch-database.ts'
import { type DatabaseTests, startDatabaseTests } from './database-tests.ts'
import { functionMutants } from './from-functions.ts'
import { policyMutants } from './from-policies.ts'
import { tableMutants } from './from-tables.ts'
import { type AskDatabaseTests, judge, readDefinitions, type Verdict } from './judge.ts'
import type { Mutant } from './mutant.ts'
import { isNoticed, scoreOf, writeReport } from './report.ts'
import { seededDefects } from './seeded.ts'

const usage = `npm run test:mutation -- [regular expression for names of mutants]

Weakens each policy, grant, trigger, key and check in turn and says what the tests did not notice.
Without an argument all of them, and docs/mutation-report.md is written. It takes a while.`

/** As many pairs of databases as processors are worth using for it. */
const workers = 2

if (process.argv.includes('--help')) {
  console.log(usage)
} else {
  process.exitCode = await main(process.argv[2])
}

async function main(part: string | undefined): Promise<number> {
  const start = performance.now()
  const server = await startScratchDatabase()
  const pairs: Worlds[] = []
  let tests: DatabaseTests | undefined
  try {
    for (let worker = 0; worker < workers; worker++) pairs.push(await createWorlds(server.ownerUrl))
    const [first] = pairs
    if (first === undefined) throw new Error('there is no database')
    const mutants = (await allMutants(first)).filter(
      ({ name }) => part === undefined || new RegExp(part).test(name),
    )
    tests = await startDatabaseTests()
    const ask = inTurns(tests.ask)
    const nothing: Mutant = {
      kind: 'check of the caller removed',
      name: 'nothing',
      sql: 'select 1',
      undo: 'select 1',
      objects: [],
    }
    const untouched = await judge(first, nothing, ask)
    if (isNoticed(untouched)) {
      console.log(
        `The tests fail before anything is weakened: ${untouched.catalog.concat(untouched.behaviour).join('; ')}`,
      )
      return 1
    }
    console.log(`${mutants.length} mutants`)
    const verdicts = await judgeAll(pairs, mutants, ask, part !== undefined)
    const seconds = (performance.now() - start) / 1000
    console.log(
      `${scoreOf(verdicts).toFixed(1)} % of ${verdicts.length} mutants noticed in ${seconds.toFixed(0)} s`,
    )
    if (part === undefined)
      await writeFile(join(root, 'docs/mutation-report.md'), writeReport(verdicts, seconds))
    const seeds = verdicts.filter(({ mutant }) => mutant.kind === 'seeded defect')
    return scoreOf(verdicts) >= 95 && seeds.every(isNoticed) ? 0 : 1
  } finally {
    await tests?.close()
    for (const pair of pairs) await pair.close()
    await server.close()
  }
}

async function allMutants({ world, full }: Worlds): Promise<Mutant[]> {
  const definitions = await readDefinitions(full)
  return [
    ...seededDefects(world.catalog, definitions),
    ...policyMutants(world.catalog),
    ...tableMutants(world.catalog),
    ...functionMutants(world.catalog, definitions),
  ]
}

/** Prints what nothing noticed as it comes, or every verdict. */
async function judgeAll(
  pairs: readonly Worlds[],
  mutants: readonly Mutant[],
  ask: AskDatabaseTests,
  all: boolean,
): Promise<Verdict[]> {
  const verdicts: Verdict[] = []
  let next = 0
  const work = async (pair: Worlds): Promise<void> => {
    for (let mutant = mutants[next++]; mutant !== undefined; mutant = mutants[next++]) {
      const verdict = await judge(pair, mutant, ask)
      verdicts.push(verdict)
      if (all || !isNoticed(verdict)) print(verdict)
      if (verdicts.length % 50 === 0) console.log(`${verdicts.length} of ${mutants.length}`)
    }
  }
  await Promise.all(pairs.map(work))
  const order = new Map(mutants.map(({ name }, index) => [name, index]))
  return verdicts.sort((a, b) => (order.get(a.mutant.name) ?? 0) - (order.get(b.mutant.name) ?? 0))
}

/** Only one mutant at a time is in the database of the stack. */
function inTurns(ask: AskDatabaseTests): AskDatabaseTests {
  let last: Promise<unknown> = Promise.resolve()
  return (mutant) => {
    const turn = last.then(() => ask(mutant))
    last = turn.catch(() => {
      // The caller gets the error.
    })
    return turn
  }
}

function print({ mutant, impossible, catalog, behaviour }: Verdict): void {
  const rules = [...behaviour, ...catalog]
  if (impossible !== undefined) console.log(`not applied  ${mutant.name}: ${impossible}`)
  else if (rules.length > 0) console.log(`noticed      ${mutant.name}: ${rules.join('; ')}`)
  else console.log(`NOT NOTICED  ${mutant.name}`)
}
