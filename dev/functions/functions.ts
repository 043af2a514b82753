import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

import { type FunctionProcess, startFunction } from './function-process.ts'

export interface Functions {
  names: string[]
  /** `http://127.0.0.1:<port>` of the function, undefined while it restarts; null when unknown. */
  address(name: string): string | undefined | null
  close(): Promise<void>
}

export interface FunctionsOptions {
  /** Folder with one folder per function, as the Supabase CLI expects. */
  directory: string
  /** All the variables the functions may read. */
  env: Record<string, string>
  /** Restart a function when one of its files changes. */
  watch: boolean
  log: (line: string) => void
}

/** Starts every function of the folder under Deno; resolves when all of them answer. */
export async function startFunctions(options: FunctionsOptions): Promise<Functions> {
  const names = functionNames(options.directory)
  const processes = new Map<string, FunctionProcess>()
  for (const name of names) processes.set(name, startFunction({ ...options, name }))
  const close = async () => {
    await Promise.all([...processes.values()].map((process) => process.close()))
  }
  try {
    await Promise.all([...processes.values()].map((process) => process.ready))
  } catch (error) {
    await close()
    throw error
  }
  return {
    names,
    address(name) {
      const process = processes.get(name)
      return process === undefined ? null : process.address()
    },
    close,
  }
}

/** Folders with an index.ts, but for those whose name begins with an underscore (shared code). */
export function functionNames(directory: string): string[] {
  if (!existsSync(directory)) return []
  return readdirSync(directory)
    .filter((name) => !name.startsWith('_') && existsSync(join(directory, name, 'index.ts')))
    .sort()
}
