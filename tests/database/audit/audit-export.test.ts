import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import type { TransactionSql } from 'postgres'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { verifyAuditLog } from '../../../ops/audit-log.ts'
import {
  addMember,
  addOwner,
  as,
  committedAs,
  type Member,
  refusal,
} from '../../support/people/tenants.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()
const directory = mkdtempSync(join(tmpdir(), 'colloquy-audit-'))
afterAll(() => {
  rmSync(directory, { recursive: true, force: true })
})

let owner: Member
let lines: string[]

const page = (after: number | null, size: number | null) => (tx: TransactionSql) =>
  tx<{ line: string }[]>`select public.export_audit_log(${after}, ${size}) as line`

beforeAll(async () => {
  owner = await sql.begin((tx) => addOwner(tx))
  const names = ['Änderung “Ω” \u2028 \u007f', 'Back\\slash "quoted"', 'Tab\tand\nline', '🜂']
  for (const name of names) {
    await committedAs(sql, owner, (tx) => tx`update public.organizations set name = ${name}`)
  }
  lines = (await committedAs(sql, owner, page(0, 1000))).map(({ line }) => line)
})

const bytesOf = (file: string[]) => [Buffer.from(file.map((line) => `${line}\n`).join(''))]
const verdictOn = (file: string[], head?: string) => verifyAuditLog(bytesOf(file), head)

interface Line {
  hash: string
  payload: string
  previous_hash: string
}
const parse = (line: string) => JSON.parse(line) as Line
const spell = ({ hash, payload, previous_hash }: Line) =>
  `{"hash": ${JSON.stringify(hash)}, "payload": ${JSON.stringify(payload)}, ` +
  `"previous_hash": ${JSON.stringify(previous_hash)}}`

/** Someone with the file alone: changes one payload and computes every later hash anew. */
function rewritten(file: string[], at: number, change: (payload: string) => string): string[] {
  let previous = '0'.repeat(64)
  return file.map((line, n) => {
    const payload = n === at ? change(parse(line).payload) : parse(line).payload
    const hash = createHash('sha256').update(Buffer.from(previous, 'hex')).update(payload)
    const result = { hash: hash.digest('hex'), payload, previous_hash: previous }
    previous = result.hash
    return spell(result)
  })
}

test('an exported file is valid by itself and has the head the database names', async () => {
  const verdict = await verdictOn(lines)
  expect(verdict).toMatchObject({
    valid: true,
    events: lines.length,
    organizationId: owner.organizationId,
  })
  const [row] = await sql`
    select head_hash from public.verify_audit_chain(${owner.organizationId})`
  expect(verdict).toMatchObject({ head: String(row?.head_hash) })
})

test('the file reads the same in chunks of any size, with or without a last line feed', async () => {
  const whole = bytesOf(lines)[0] ?? Buffer.alloc(0)
  for (const size of [1, 7, 100, whole.length - 1]) {
    const chunks = Array.from({ length: Math.ceil(whole.length / size) }, (_, n) =>
      whole.subarray(n * size, (n + 1) * size),
    )
    expect((await verifyAuditLog(chunks)).valid, String(size)).toBe(true)
  }
  expect((await verifyAuditLog([whole.subarray(0, -1)])).valid).toBe(true)
})

test('an edit of any single byte to any other shows', async () => {
  const whole = bytesOf(lines)[0] ?? Buffer.alloc(0)
  const position = fc.nat({ max: whole.length - 1 })
  await fc.assert(
    fc.asyncProperty(position, fc.integer({ min: 1, max: 255 }), async (at, change) => {
      const edited = Buffer.from(whole)
      edited[at] = (edited[at] ?? 0) ^ change
      expect((await verifyAuditLog([edited])).valid).toBe(false)
    }),
    { numRuns: 1500 },
  )
})

test('an inserted or removed byte shows, save the last line feed', async () => {
  const whole = bytesOf(lines)[0] ?? Buffer.alloc(0)
  const position = fc.nat({ max: whole.length - 2 })
  await fc.assert(
    fc.asyncProperty(position, fc.nat({ max: 255 }), async (at, byte) => {
      const [head, tail] = [whole.subarray(0, at), whole.subarray(at)]
      const longer = Buffer.concat([head, Buffer.from([byte]), tail])
      expect((await verifyAuditLog([longer])).valid).toBe(false)
      expect((await verifyAuditLog([head, tail.subarray(1)])).valid).toBe(false)
    }),
    { numRuns: 300 },
  )
})

test('deletion, reordering, repetition and a missing start show at their line', async () => {
  const without = (n: number) => lines.filter((_, index) => index !== n)
  const swapped = [...lines]
  swapped.splice(1, 2, lines[2] ?? '', lines[1] ?? '')
  const cases: [string[], number][] = [
    [without(2), 3],
    [without(0), 1],
    [swapped, 2],
    [[...lines, lines.at(-1) ?? ''], lines.length + 1],
    [[...lines.slice(0, 2), '', ...lines.slice(2)], 3],
    [[], 1],
  ]
  for (const [file, line] of cases) {
    expect(await verdictOn(file)).toMatchObject({ valid: false, line })
  }
})

test('a forged actor shows, whether or not its own hash was computed anew', async () => {
  const forged = (payload: string) => payload.replaceAll(owner.id, crypto.randomUUID())
  const entry = parse(lines[2] ?? '')
  const payload = forged(entry.payload)
  expect(payload).not.toBe(entry.payload)
  const hash = createHash('sha256').update(Buffer.from(entry.previous_hash, 'hex')).update(payload)
  const edit = (change: Partial<Line>) =>
    lines.map((line, n) => (n === 2 ? spell({ ...entry, payload, ...change }) : line))
  expect(await verdictOn(edit({}))).toMatchObject({ valid: false, line: 3 })
  expect(await verdictOn(edit({ hash: hash.digest('hex') }))).toMatchObject({ line: 4 })
  // Everything after it computed anew shows against a head that was recorded, and only so.
  const chain = rewritten(lines, 2, forged)
  expect((await verdictOn(chain)).valid).toBe(true)
  const head = parse(lines[2] ?? '').hash
  expect(await verdictOn(lines, head)).toMatchObject({ eventsSinceHead: lines.length - 3 })
  expect((await verdictOn(chain, head)).valid).toBe(false)
})

test('a truncated tail shows against the recorded head', async () => {
  const head = parse(lines.at(-1) ?? '').hash
  const cut = lines.slice(0, -1)
  expect((await verdictOn(cut)).valid).toBe(true)
  expect((await verdictOn(cut, head)).valid).toBe(false)
  expect(await verdictOn(lines, head)).toMatchObject({ valid: true, eventsSinceHead: 0 })
})

test('another organization’s events do not join the chain', async () => {
  const chain = rewritten(lines, 2, (payload) =>
    payload.replace(/"organization_id": \d+/, '"organization_id": 1000000'),
  )
  expect(await verdictOn(chain)).toMatchObject({ valid: false, line: 3 })
})

test('every page of an export leaves an event, wherever it starts; bad pages are refused', async () => {
  await rolledBack(sql, async (tx) => {
    const count = async () =>
      (
        await tx`
          select 1 from public.audit_logs
          where organization_id = ${owner.organizationId} and action = 'audit_log.export'`
      ).length
    const before = await count()
    const first = await as(tx, owner, page(0, 3))
    const second = await as(tx, owner, page(3, 1000))
    expect(await count()).toBe(before + 2)
    const verdict = await verdictOn([...first, ...second].map(({ line }) => line))
    expect(verdict).toMatchObject({ valid: true, events: lines.length + 2 })
    for (const [after, size] of [
      [-1, 10],
      [null, 10],
      [0, 0],
      [0, -1],
      [0, 1001],
      [0, null],
    ] as const) {
      expect(await refusal(tx, owner, page(after, size))).toBe('22023 invalid_request')
    }
    const member = await addMember(tx, owner.organizationId)
    expect(await refusal(tx, member, page(0, 10))).toBe('42501 permission_denied')
    expect(await refusal(tx, 'service_role', page(0, 10))).toMatch(/^42501 /)
    const [foreign] = await as(tx, await addOwner(tx), page(0, 1000))
    expect(foreign?.line).not.toContain(owner.id)
  })
})

/** Runs the command and answers its exit code and output. */
function run(...args: string[]): Promise<{ code: number; output: string }> {
  const command = ['--import', 'tsx', 'ops/verify-audit-log.ts', ...args]
  return new Promise((resolve) => {
    execFile(process.execPath, command, (error, stdout, stderr) => {
      resolve({ code: Number(error?.code ?? 0), output: stdout + stderr })
    })
  })
}

test('the command ends with 0 for valid, 1 for not valid and 2 for what it cannot read', async () => {
  const write = (name: string, file: string[]) => {
    const path = join(directory, name)
    writeFileSync(path, bytesOf(file)[0] ?? '')
    return path
  }
  const head = parse(lines.at(-1) ?? '').hash
  const good = write('good.jsonl', lines)
  const cut = write('cut.jsonl', lines.slice(0, -1))
  const edited = write(
    'edited.jsonl',
    lines.map((line) => line.replace('insert', 'delete')),
  )
  const answer = join(directory, 'answer.json')
  writeFileSync(answer, JSON.stringify(lines))
  const foreign = join(directory, 'foreign.csv')
  writeFileSync(foreign, 'a,b\n')
  const [valid, array, other, withHead, invalid, truncated, absent, usage, badHead] =
    await Promise.all([
      run(good),
      run(answer),
      run(foreign),
      run(good, '--head', head.toUpperCase()),
      run(edited),
      run(cut, '--head', head),
      run(join(directory, 'absent.jsonl')),
      run(),
      run(good, '--head', 'x'),
    ])
  expect(valid.output).toContain(`head ${head}`)
  expect(array).toEqual(valid)
  expect(other.code).toBe(2)
  expect([valid.code, withHead.code]).toEqual([0, 0])
  expect(invalid).toMatchObject({ code: 1 })
  expect(invalid.output).toMatch(/^not valid: line 1: /)
  expect(truncated.code).toBe(1)
  expect(truncated.output).toContain('tail')
  expect([absent.code, usage.code, badHead.code]).toEqual([2, 2, 2])
})
