import { ESLint } from 'eslint'
import { expect, it } from 'vitest'
import { root } from '../../dev/check/command.ts'

const floating = '@typescript-eslint/no-floating-promises'
const misused = '@typescript-eslint/no-misused-promises'
const restricted = 'no-restricted-syntax'

const declared = [
  'declare const work: () => Promise<number>',
  'declare const waitUntil: (work: Promise<number>) => void',
  'declare const answer: Response',
  'declare const EdgeRuntime: { waitUntil(work: Promise<number>): void }',
]
/** Lines of a function, and the rule that each of them breaks. */
const lines: readonly (readonly [string, string | null])[] = [
  ['work()', floating],
  ['void work()', floating],
  ['work().then(() => 1)', floating],
  ['export const nothing = work().catch(() => undefined)', restricted],
  ['export const none = work().catch(() => null)', restricted],
  ['EdgeRuntime.waitUntil(work())', restricted],
  ['await answer.body?.cancel()', restricted],
  ['setTimeout(work, 1)', misused],
  ['export const read = Date.now()', restricted],
  ['export const reader = Date.now', restricted],
  ['export const since = performance.now()', restricted],
  ['export const today = new Date()', restricted],
  ['export const then = new Date(0)', null],
  ['export const handled = await work()', null],
  ['waitUntil(work())', null],
]

it(
  'a function leaves no rejection alone, and takes time from a Clock',
  { timeout: 300_000 },
  async () => {
    const text = [...declared, ...lines.map(([line]) => line), ''].join('\n')
    // A file that does not exist: with a real one the types of the whole project are read.
    const filePath = 'supabase/functions/snippet.ts'
    const parserOptions = { projectService: { allowDefaultProject: [filePath] } }
    const eslint = new ESLint({ cwd: root, overrideConfig: { languageOptions: { parserOptions } } })
    const [result] = await eslint.lintText(text, { filePath })
    const found = (result?.messages ?? [])
      // The name is declared here, which the rule refuses as well.
      .filter(({ line }) => line > declared.length)
      .map(({ line, ruleId }) => [lines[line - declared.length - 1]?.[0], ruleId])
    expect(found).toEqual(lines.filter(([, rule]) => rule !== null))
  },
)
