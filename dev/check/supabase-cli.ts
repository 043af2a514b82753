import path from 'node:path'
import { type z } from 'zod'
import { type CommandResult, root, runTool } from './command.ts'

/**
 * Runs the Supabase command line against a database: no Docker, no network but that database, no
 * telemetry, and no file outside the project.
 */
export function runSupabase(databaseUrl: string, args: readonly string[]): Promise<CommandResult> {
  const fixed = [`--remote=${databaseUrl}`, `--workdir=${root}`, '--agent=no', '--yes']
  return runTool('supabase', [...args, ...fixed], {
    env: {
      DO_NOT_TRACK: '1',
      NO_COLOR: '1',
      SUPABASE_HOME: path.join(root, 'node_modules/.cache/supabase'),
      SUPABASE_NO_KEYRING: '1',
      SUPABASE_NO_UPDATE_NOTIFIER: '1',
      SUPABASE_TELEMETRY_DISABLED: '1',
      // The databases of these checks listen on loopback, without TLS.
      PGSSLMODE: 'disable',
    },
  })
}

/**
 * Runs a command that answers with JSON.
 * @throws Error with everything the command printed, when that is not such an answer
 */
export async function runSupabaseJson<Schema extends z.ZodType>(
  databaseUrl: string,
  args: readonly string[],
  schema: Schema,
): Promise<CommandResult & { answer: z.infer<Schema> }> {
  const result = await runSupabase(databaseUrl, [...args, '--output-format=json'])
  try {
    return { ...result, answer: schema.parse(JSON.parse(result.stdout)) }
  } catch (cause) {
    const { code, stdout, stderr } = result
    throw new Error(`supabase ${args.join(' ')} exited with ${code}:\n${stdout}${stderr}`, {
      cause,
    })
  }
}
