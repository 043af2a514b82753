import { createReadStream } from 'node:fs'

import { readAuditFile } from './audit-file.ts'
import { verifyAuditLog } from './audit-log.ts'

const USAGE = `Usage: npm run audit:verify -- <file> [--head <hash>]

Verifies a file of lines as export_audit_log() returns them, or the saved answer of this function
through REST: a JSON array of the lines. <hash>, 64 hexadecimal digits, is the head of an earlier run or
of verify_audit_chain(): the file must still contain that event.
Exit code: 0 valid, 1 not valid, 2 the file has another shape, or it or the arguments cannot be read.`

class UsageError extends Error {}

function readArguments(args: string[]): { file: string; head: string | undefined } {
  let file: string | undefined
  let head: string | undefined
  for (let i = 0; i < args.length; i++) {
    const argument = args[i] ?? ''
    if (argument === '--head') {
      head = args[++i]?.toLowerCase()
      if (head === undefined || !/^[0-9a-f]{64}$/.test(head)) throw new UsageError(USAGE)
    } else if (argument.startsWith('-') || file !== undefined) {
      throw new UsageError(USAGE)
    } else {
      file = argument
    }
  }
  if (file === undefined) throw new UsageError(USAGE)
  return { file, head }
}

async function main(): Promise<number> {
  const { file, head } = readArguments(process.argv.slice(2))
  const verdict = await verifyAuditLog(readAuditFile(createReadStream(file)), head)
  if (!verdict.valid) {
    console.error(`not valid: line ${verdict.line}: ${verdict.problem}`)
    return 1
  }
  const { events, organizationId, eventsSinceHead } = verdict
  console.log(`valid: ${events} events of organization ${organizationId}`)
  if (eventsSinceHead === undefined) {
    console.log('without a recorded head a cut tail or a chain that was rewritten does not show')
  } else {
    console.log(`the recorded head is there, followed by ${eventsSinceHead} events`)
  }
  console.log(`head ${verdict.head}`)
  return 0
}

process.exitCode = await main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : String(error))
  return 2
})
