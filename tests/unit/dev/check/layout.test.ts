import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { root } from '../../../../dev/check/command.ts'
import { findDocumentProblems } from '../../../../dev/check/documents.ts'
import { findImportMapProblems } from '../../../../dev/check/import-maps.ts'
import { findImportProblems } from '../../../../dev/check/imports.ts'
import { findLockProblems } from '../../../../dev/check/lockfile.ts'
import {
  findMachineNames,
  listProjectFiles,
  namesOfThisMachine,
} from '../../../../dev/check/machine-names.ts'
import { findVariableProblems } from '../../../../dev/check/variables.ts'
import { findVersionProblems } from '../../../../dev/check/versions.ts'
import { errorCodes } from '../../../../supabase/functions/_shared/errors.ts'

describe('the tree', () => {
  it('has imports that go one way', async () => {
    expect(await findImportProblems(root)).toEqual([])
  })

  it('has the same exact package versions for Node and for Deno', async () => {
    expect(await findVersionProblems(root)).toEqual([])
  })

  it('has a lockfile that npm ci accepts on every platform', async () => {
    expect(await findLockProblems(root)).toEqual([])
  })

  it('maps for each function exactly the packages it imports', async () => {
    expect(await findImportMapProblems(root)).toEqual([])
  })

  it('explains every variable that is read, and no other', async () => {
    expect(await findVariableProblems(root)).toEqual([])
  })

  it('names no machine', async () => {
    const files = await listProjectFiles(root)
    expect(files).toContain('package-lock.json')
    expect(await findMachineNames(root, files, await namesOfThisMachine(root))).toEqual([])
  })

  it('has documents that name only what there is', async () => {
    expect(await findDocumentProblems(root, await listProjectFiles(root))).toEqual([])
  })

  it('keeps out of the repository what holds secrets', async () => {
    const files = await listProjectFiles(root)
    expect(files).toContain('.env.example')
    const ignored = (await readFile(path.join(root, '.gitignore'), 'utf8')).split('\n')
    expect(ignored).toEqual(expect.arrayContaining(['.env', '.env.local', '.colloquy/']))
  })

  it('documents every error code with its status, and no other', async () => {
    const text = await readFile(path.join(root, 'docs/error-codes.md'), 'utf8')
    const rows = [...text.matchAll(/^\| *`(\w+)` *\| *(\d{3}) *\|/gm)].map(([, code, status]) => [
      code,
      Number(status),
    ])
    const registered = Object.entries(errorCodes).map(([code, { status }]) => [code, status])
    expect(rows.sort()).toEqual(registered.sort())
  })
})
