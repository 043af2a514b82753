import { expect, it } from 'vitest'
import { root } from '../../../../dev/check/command.ts'
import { findStartProblems, startBounds } from '../../../../dev/check/function-starts.ts'

it('each function stays within the bounds of its start and of its whole', async () => {
  expect(await findStartProblems(root)).toEqual([])
}, 120_000)

it('a function beyond its bounds is named with its size and what makes it', async () => {
  const problems = await findStartProblems(root, {
    'session-cleanup': { start: 1_000, whole: 2_000, packages: ['hono'] },
  })
  expect(problems).toEqual([
    expect.stringMatching(
      /^session-cleanup loads at its start \d+ bytes, more than 1000: .*hono \d+/,
    ),
    expect.stringMatching(
      /^session-cleanup is \d+ bytes, more than 2000: @modelcontextprotocol\/client \d+/,
    ),
    'session-cleanup loads @supabase/postgrest-js at its start: import() it where it is used',
  ])
})

it('what is loaded when it is needed counts for the whole alone', async () => {
  const [problem, ...others] = await findStartProblems(root, {
    oauth: { ...startBounds.oauth, whole: 1_000 } as never,
  })
  expect(others).toEqual([])
  expect(problem).toMatch(/^oauth is .*@modelcontextprotocol\/client \d+/)
})
