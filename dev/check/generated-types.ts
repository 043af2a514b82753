import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { format, resolveConfig } from 'prettier'
import { platformSettings } from '../api/platform-settings.ts'
import { root } from './command.ts'
import { runSupabase } from './supabase-cli.ts'

const file = path.join(root, 'supabase/functions/_shared/database.types.ts')
const header = '// Written by "npm run db:types" from the migrations.\n\n'

/** The TypeScript types of every exposed schema, as the Supabase command line makes them. */
async function generateTypes(databaseUrl: string): Promise<string> {
  const schemas = platformSettings.api.schemas.join(',')
  const args = ['gen', 'types', '--lang=typescript', `--schema=${schemas}`]
  const { code, stdout, stderr } = await runSupabase(databaseUrl, args)
  if (code !== 0) throw new Error(`supabase gen types failed:\n${stdout}${stderr}`)
  const config = await resolveConfig(file)
  return format(`${header}${stdout}`, { ...config, parser: 'typescript' })
}

export async function writeTypes(databaseUrl: string): Promise<void> {
  await writeFile(file, await generateTypes(databaseUrl))
}

/** @returns where the committed types first differ from the database's; empty when they are equal */
export async function findTypesProblems(databaseUrl: string): Promise<string[]> {
  const expected = (await generateTypes(databaseUrl)).split('\n')
  const actual = (await readFile(file, 'utf8')).split('\n')
  const length = Math.max(expected.length, actual.length)
  const line = Array.from({ length }).findIndex((_, index) => expected[index] !== actual[index])
  if (line === -1) return []
  return [
    `${path.relative(root, file)}:${line + 1} is not what the migrations give. Run "npm run db:types".`,
    `- ${actual[line] ?? '(end of file)'}`,
    `+ ${expected[line] ?? '(end of file)'}`,
  ]
}
