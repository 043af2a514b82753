import path from 'node:path'
import { type CommandResult, root, runTool } from './command.ts'

/** The schemas that PostgREST exposes; supabase/config.toml names the same, a check compares. */
export const exposedSchemas = ['public', 'client_mgmt', 'conversation']

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
 * @throws Error with everything the command printed, when that is not JSON
 */
export async function runSupabaseJson(
  databaseUrl: string,
  args: readonly string[],
): Promise<{ code: number; answer: unknown; stderr: string }> {
  const { code, stdout, stderr } = await runSupabase(databaseUrl, [...args, '--output-format=json'])
  try {
    return { code, answer: JSON.parse(stdout), stderr }
  } catch (cause) {
    throw new Error(`supabase ${args.join(' ')} exited with ${code}:\n${stdout}${stderr}`, {
      cause,
    })
  }
}
