import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, it } from 'vitest'
import { root } from '../../../dev/check/command.ts'
import { isErrorCode } from '../../../supabase/functions/_shared/errors.ts'

const read = (file: string) => readFileSync(path.join(root, file), 'utf8')
const tools = 'supabase/functions/_shared/tools'
const migrations = 'supabase/migrations'

/** Words of the same shape that are no codes: parts, tables, events of the log, keys of JSON. */
const others = new Set([
  ...['tool_call', 'tool_result', 'tool_calls', 'tool_approval_required', 'tool_approvals'],
  ...['tool_outcome_not_stored', 'tool_call_threw', 'tool_call_id', 'tool_name'],
  ...['tool_input_tokens', 'tool_input_required', 'tool_elicitations'],
  'tool_call_delta',
])
const used = [
  'supabase/functions/_shared/executions/collect-answer.ts',
  ...readdirSync(path.join(root, tools), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => `${tools}/${name}`),
  ...readdirSync(path.join(root, migrations))
    .filter((name) => /_tools|_tool_calls|_end|_approvals|_elicitations/.test(name))
    .map((name) => `${migrations}/${name}`),
]
  .flatMap((file) => [...read(file).matchAll(/'(tool_[a-z_]+|too_many_tool_calls|step_limit)'/g)])
  .map(([, code = '']) => code)
const codes = new Set(used.filter((code) => !others.has(code) && !isErrorCode(code)))

it('the page on tools has every code that a call can end with, and no other', () => {
  expect(codes.size).toBeGreaterThan(15)
  const documented = new Set(
    [...read('docs/tools.md').matchAll(/`(tool_[a-z_]+|too_many_tool_calls|step_limit)`/g)].map(
      ([, code = '']) => code,
    ),
  )
  for (const code of codes) expect([...documented]).toContain(code)
  for (const code of documented) {
    expect(codes.has(code) || others.has(code) || isErrorCode(code), code).toBe(true)
  }
})
