import { spawn } from 'node:child_process'
import { existsSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { root } from '../../dev/check/command.ts'
import { Cleanup } from '../../dev/stack/cleanup.ts'
import { makeDirectory } from '../support/stack/directory.ts'
import { descendantsOf } from '../support/stack/processes.ts'
import { checkClosed } from './check.ts'
import { disturb } from './disturb.ts'
import { readOptions, type SoakOptions, usage } from './options.ts'
import { startParts } from './parts.ts'
import { Random } from './random.ts'
import { describeWrong, type Report, writeReport } from './report.ts'

/** `npm run test:soak`: works while everything is killed, then checks what must hold. */
if (process.argv.includes('--help')) console.log(usage)
else process.exitCode = await main(readOptions(process.argv.slice(2)))

async function main(options: SoakOptions): Promise<number> {
  const began = Date.now()
  console.log(`seed ${options.seed}`)
  const random = new Random(options.seed)
  const directory = makeDirectory()
  const lines: string[] = []
  const cleanup = new Cleanup()
  try {
    const parts = await startParts(random, directory, lines, cleanup)
    const disturbed = await disturb(parts, options, random, lines)
    const left = options.spoil
      ? spawn(process.execPath, ['-e', 'setTimeout(() => 0, 60_000)'])
      : null
    // But for the compiler that runs this program.
    const marks = descendantsOf(process.pid).filter(({ command }) => command !== 'esbuild')
    await cleanup.close()
    const { findings, ...rest } = disturbed
    findings.push(...(await checkClosed(marks, lines, directory)))
    left?.kill()
    const all = (Date.now() - began) / 1000
    const code = conclude({ ...rest, findings, options, seconds: { ...rest.seconds, all } })
    if (code === 0) rmSync(directory, { recursive: true, force: true })
    return code
  } finally {
    await cleanup.close()
    if (existsSync(directory)) console.log(`The logs are in ${directory}.`)
  }
}

/** Prints the run, and writes it where that was asked for. @returns the exit code */
function conclude(report: Report): number {
  const { findings, options } = report
  const text = writeReport(report)
  console.log(text)
  const wrong = describeWrong(findings)
  console.log(wrong.join('\n'))
  if (options.write) writeFileSync(path.join(root, 'docs/soak.md'), text)
  if (!options.spoil) return wrong.length === 0 ? 0 : 1
  const blind = findings.filter(({ wrong }) => wrong.length === 0).map(({ name }) => name)
  console.log(blind.length === 0 ? 'Every invariant noticed.' : `Not noticed: ${blind.join('; ')}`)
  return blind.length === 0 ? 0 : 1
}
