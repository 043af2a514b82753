import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { root, runTool } from '../../dev/check/command.ts'
import { newestFolder, useNewestFolder } from '../support/clients/newest.ts'

useNewestFolder()

it('the transport has the types that AI SDK 7 asks for', { timeout: 240_000 }, async () => {
  const folder = mkdtempSync(path.join(newestFolder, 'page-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const newest = (name: string) => [path.join(newestFolder, 'node_modules', name)]
  const ours = (file: string) => [path.join(root, 'client', file)]
  const config = {
    extends: path.join(root, 'tsconfig.json'),
    compilerOptions: {
      paths: {
        ai: newest('ai'),
        '@ai-sdk/react': newest('@ai-sdk/react'),
        'colloquy/client': ours('index.ts'),
        'colloquy/database': ours('database.ts'),
      },
    },
    files: [path.join(root, 'examples/react-chat/page.tsx')],
    include: [],
  }
  const file = path.join(folder, 'tsconfig.json')
  writeFileSync(file, JSON.stringify(config))
  const { code, stdout } = await runTool('tsc', ['--project', file, '--listFiles'])
  const listed = stdout.split('\n')
  expect(listed.filter((line) => line.includes('error TS'))).toEqual([])
  expect(code).toBe(0)
  expect(listed).toContain(path.join(newestFolder, 'node_modules/ai/dist/index.d.ts'))
})
