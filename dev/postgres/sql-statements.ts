export interface SqlStatement {
  /** The statement with its leading comments, without the closing semicolon. */
  text: string
  /** Offset of `text` in the file. */
  offset: number
}

/**
 * Splits an SQL script at the semicolons that end statements: not those in comments, quoted or
 * dollar-quoted text, parentheses, or the body of a `begin atomic` function (PostgreSQL manual,
 * 4.1 Lexical Structure). The Supabase CLI records migrations as such a list.
 */
export function splitStatements(script: string): SqlStatement[] {
  const statements: SqlStatement[] = []
  let start = 0
  let parentheses = 0
  let blocks = 0
  let previousWord = ''
  const end = (until: number) => {
    const raw = script.slice(start, until)
    const text = raw.trim()
    if (text !== '') statements.push({ text, offset: start + raw.indexOf(text) })
    start = until + 1
    parentheses = 0
    previousWord = ''
  }
  let at = 0
  while (at < script.length) {
    const skipped = skipQuoted(script, at)
    if (skipped > at) {
      at = skipped
      continue
    }
    const word = wordAt(script, at)
    if (word !== '') {
      const lower = word.toLowerCase()
      if (lower === 'atomic' && previousWord === 'begin') blocks = 1
      else if (blocks > 0 && lower === 'case') blocks++
      else if (blocks > 0 && lower === 'end') blocks--
      previousWord = lower
      at += word.length
      continue
    }
    const character = script[at]
    if (character === '(') parentheses++
    else if (character === ')') parentheses--
    else if (character === ';' && parentheses <= 0 && blocks === 0) end(at)
    at++
  }
  end(script.length)
  return statements.filter(({ text }) => !isOnlyComments(text))
}

/** The 1-based line of an offset. */
export function lineAt(script: string, offset: number): number {
  return script.slice(0, offset).split('\n').length
}

/** Where the statement's first word stands, after its leading comments. */
export function afterComments(text: string): number {
  let at = 0
  while (at < text.length) {
    const next = skipComment(text, at)
    if (next === at && !/\s/.test(text[at] ?? '')) break
    at = Math.max(next, at + 1)
  }
  return at
}

function isOnlyComments(text: string): boolean {
  return afterComments(text) >= text.length
}

function wordAt(script: string, at: number): string {
  WORD.lastIndex = at
  return WORD.exec(script)?.[0] ?? ''
}

const WORD = /[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*/y
const DOLLAR_TAG = /\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$/y
const ESCAPE_STRING = /[eE]'/y

/** The offset after the comment or quoted text that begins at `at`; `at` itself when none does. */
function skipQuoted(script: string, at: number): number {
  const comment = skipComment(script, at)
  if (comment > at) return comment
  ESCAPE_STRING.lastIndex = at
  if (ESCAPE_STRING.test(script)) return skipQuotes(script, at + 1, true)
  if (script[at] === "'" || script[at] === '"') return skipQuotes(script, at, false)
  DOLLAR_TAG.lastIndex = at
  const tag = DOLLAR_TAG.exec(script)?.[0]
  return tag === undefined ? at : after(script, tag, at + tag.length)
}

function skipComment(script: string, at: number): number {
  if (script.startsWith('--', at)) return after(script, '\n', at)
  if (!script.startsWith('/*', at)) return at
  let depth = 0
  for (let index = at; index < script.length; index++) {
    if (script.startsWith('/*', index)) depth++
    else if (script.startsWith('*/', index)) depth--
    else continue
    index++
    if (depth === 0) return index + 1
  }
  return script.length
}

function skipQuotes(script: string, at: number, backslashEscapes: boolean): number {
  const quote = script[at]
  for (let index = at + 1; index < script.length; index++) {
    if (backslashEscapes && script[index] === '\\') index++
    else if (script[index] === quote && script[index + 1] === quote) index++
    else if (script[index] === quote) return index + 1
  }
  return script.length
}

function after(script: string, mark: string, from: number): number {
  const found = script.indexOf(mark, from)
  return found === -1 ? script.length : found + mark.length
}
