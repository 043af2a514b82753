import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { writeEnvFile } from '../../../../dev/process/env-file.ts'

let folder: string
let file: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'colloquy-env-'))
  file = join(folder, '.env.local')
})

afterEach(() => rmSync(folder, { recursive: true }))

test('a new env file is readable by its owner only', () => {
  writeEnvFile(file, { A: '1', B: '2' })
  expect(readFileSync(file, 'utf8')).toBe('A=1\nB=2\n')
  expect(statSync(file).mode & 0o777).toBe(0o600)
})

test('an existing env file keeps every line that is not ours', () => {
  writeFileSync(file, '# mine\nOTHER=x\nexport A=old\nAA=kept\n', { mode: 0o644 })
  writeEnvFile(file, { A: 'new', B: '2' })
  expect(readFileSync(file, 'utf8')).toBe('# mine\nOTHER=x\nA=new\nAA=kept\nB=2\n')
  expect(statSync(file).mode & 0o777).toBe(0o600)
})
