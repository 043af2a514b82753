import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createContext, Script } from 'node:vm'
import { parser } from 'typescript-eslint'
import { describe, expect, it } from 'vitest'
import { errorCode } from '../../dev/process/start-error.ts'

interface Pattern {
  file: string
  source: string
  flags: string
}

interface Parsed {
  ast: { tokens: { regex?: { pattern: string; flags: string } }[] }
}

/** Every regular expression of a file, as its tokens tell. */
function patternsOf(file: string): Pattern[] {
  const { ast } = parser.parseForESLint(readFileSync(join(functions, file), 'utf8')) as Parsed
  return ast.tokens.flatMap(({ regex }) =>
    regex === undefined ? [] : [{ file, source: regex.pattern, flags: regex.flags }],
  )
}

const functions = 'supabase/functions'
const length = 200_000
const search = new Script('pattern.exec(text)')
const context = createContext({})

/** Ends a search that costs hundreds of times what linear work costs. */
function isSlow({ source, flags }: Pattern, text: string): boolean {
  Object.assign(context, { pattern: new RegExp(source, flags), text })
  try {
    search.runInContext(context, { timeout: 4_000 })
    return false
  } catch (error) {
    if (errorCode(error) === 'ERR_SCRIPT_EXECUTION_TIMEOUT') return true
    throw error
  }
}

/** Long runs of what the expression itself looks for, then something that it does not look for. */
function hostileTexts({ source }: Pattern): string[] {
  const words = source.match(/[a-z]{2,}|[^\\()[\]?*+|^$\w]+/gi) ?? []
  const pieces = new Set([' ', '\n', 'a', 'A', '0', '-', '.', '=', '/', ...source, ...words])
  return [...pieces].map((piece) => `${piece.repeat(length / piece.length)}\u0001`)
}

const patterns = readdirSync(functions, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .flatMap(patternsOf)

it('the regular expressions of the functions are found', () => {
  expect(patterns.length).toBeGreaterThan(50)
})

describe('a regular expression of the functions', () => {
  it.each(patterns)(
    'takes time in proportion to the text: /$source/ in $file',
    (pattern) => {
      expect(
        hostileTexts(pattern)
          .filter((text) => isSlow(pattern, text))
          .map((text) => text.slice(0, 20)),
      ).toEqual([])
    },
    120_000,
  )
})
