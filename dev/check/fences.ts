import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { runTool } from './command.ts'

const fence = /^( *)```ts\n([^]*?)^\1```/gm

/** The names that the text around a fence introduces: the client, and values of the reader. */
const surroundings = `
import type { SupabaseClient } from '@supabase/supabase-js'
import type { lastAssistantMessageIsCompleteWithApprovalResponses as areDecided } from 'ai'
import type { Agents as AgentsClient, ColloquyChatTransport as Transport, ConnectionOptions } from '../../../client/index.ts'
import type { Database } from '../../../supabase/functions/_shared/database.types.ts'

declare global {
  const supabase: SupabaseClient<Database>
  const customer: SupabaseClient<Database>
  const slug: string
  const url: string
  const publishableKey: string
  const ColloquyChatTransport: typeof Transport
  const Agents: typeof AgentsClient
  const options: ConnectionOptions
  const lastAssistantMessageIsCompleteWithApprovalResponses: typeof areDecided
  const sessionId: string
  const projectId: number
  const lensId: number
  const blockId: number
  const vttText: string
  const organizationId: number
  const id: number
  const proposed_hash: string
  const user_id: string
}
`

/** The TypeScript of a document: the line where it begins, and its text. */
export function readFences(text: string): { line: number; code: string }[] {
  return [...text.matchAll(fence)].map(({ index, 2: code = '' }) => ({
    line: text.slice(0, index).split('\n').length + 1,
    code,
  }))
}

/**
 * Compiles each fence of TypeScript in the documents under the project's own strict settings, as a
 * module that sees the types of the database.
 *
 * @param files paths from the root; other files than Markdown are passed over
 * @returns the compiler's complaints, at the lines of the documents; empty when there are none
 */
export async function findFenceProblems(root: string, files: readonly string[]): Promise<string[]> {
  const folder = path.join(root, 'node_modules/.cache', `fences-${process.pid}`)
  await mkdir(folder, { recursive: true })
  try {
    const origins = await writeModules(root, folder, files)
    const options = { strict: true, noUnusedLocals: false, skipLibCheck: true }
    await writeFile(
      path.join(folder, 'tsconfig.json'),
      JSON.stringify({
        extends: '../../../tsconfig.json',
        compilerOptions: options,
        files: ['surroundings.d.ts', ...origins.keys()],
        include: [],
      }),
    )
    await writeFile(path.join(folder, 'surroundings.d.ts'), surroundings)
    const { code, stdout, stderr } = await runTool('tsc', [
      '--project',
      folder,
      '--pretty',
      'false',
    ])
    if (code === 0) return []
    return `${stdout}${stderr}`
      .trimEnd()
      .split('\n')
      .map((text) => atDocument(text, origins))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

interface Origin {
  file: string
  line: number
}

async function writeModules(
  root: string,
  folder: string,
  files: readonly string[],
): Promise<Map<string, Origin>> {
  const origins = new Map<string, Origin>()
  for (const file of files.filter((name) => name.endsWith('.md'))) {
    for (const { line, code } of readFences(await readFile(path.join(root, file), 'utf8'))) {
      const name = `fence-${origins.size}.ts`
      origins.set(name, { file, line })
      await writeFile(path.join(folder, name), `${code}\nexport {}\n`)
    }
  }
  return origins
}

function atDocument(text: string, origins: Map<string, Origin>): string {
  return text.replace(/^\S*?(fence-\d+\.ts)\((\d+),\d+\)/, (place, name: string, line: string) => {
    const origin = origins.get(name)
    return origin === undefined ? place : `${origin.file}:${origin.line + Number(line) - 1}`
  })
}
