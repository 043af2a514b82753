import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { completeModel } from '../../../supabase/functions/_shared/models/complete-model.ts'
import { readOpenAiUsage } from '../../../supabase/functions/_shared/models/openai-usage.ts'
import { recordedUsage } from '../../support/clients/recorded-usage.ts'
import { collect, encode, fetchOf, openRouter, request } from './support.ts'

describe('what a provider reports it used', () => {
  it.each(recordedUsage)('is read as its truth or its bound: $by', ({ reported, counts }) => {
    const { inputTokens, outputTokens, cachedInputTokens, reasoningTokens, costUsd, isEstimated } =
      readOpenAiUsage(reported)
    expect([inputTokens, outputTokens, cachedInputTokens, reasoningTokens, costUsd]).toEqual(
      counts.slice(0, 5),
    )
    expect(isEstimated === true).toBe(counts[5] === 'estimated')
  })

  it('never is less than any of its parts', () => {
    const some = [undefined, null, 0, 1, 7, 100]
    for (const prompt_tokens of some)
      for (const completion_tokens of some)
        for (const total_tokens of some)
          for (const cached_tokens of some)
            for (const reasoning_tokens of some) {
              const { inputTokens, outputTokens, totalTokens } = readOpenAiUsage({
                prompt_tokens,
                completion_tokens,
                total_tokens,
                prompt_tokens_details: { cached_tokens },
                completion_tokens_details: { reasoning_tokens },
              })
              const atLeast = (whole: number | null, part: number | null | undefined) =>
                whole === null || whole >= (part ?? 0)
              expect(inputTokens).not.toBe(0)
              if (inputTokens === null || outputTokens === null) continue
              expect(atLeast(inputTokens, prompt_tokens)).toBe(true)
              expect(atLeast(inputTokens, cached_tokens)).toBe(true)
              expect(atLeast(outputTokens, completion_tokens)).toBe(true)
              expect(atLeast(outputTokens, reasoning_tokens)).toBe(true)
              expect(atLeast(totalTokens, total_tokens)).toBe(true)
              expect(totalTokens).toBe(inputTokens + outputTokens)
            }
  })

  it('is in the document for operators, shape for shape', () => {
    const page = readFileSync(new URL('../../../docs/openai-api.md', import.meta.url), 'utf8')
    const rows = [...page.matchAll(/^\| (.+?) *\| `(\{.*?\})` *\| (.*?) *\|$/gm)]
    const told = rows.map(([, by, reported, result]) => [
      by,
      JSON.parse(reported ?? '') as unknown,
      result,
    ])
    expect(told).toEqual(
      recordedUsage.map(({ by, reported, counts: [input, output, , , cost, mark] }) => {
        const dollars = cost === null ? '' : `, $${cost}`
        return [
          by,
          reported,
          `${input ?? '?'}, ${output ?? '?'}${dollars}${mark ? ', estimated' : ''}`,
        ]
      }),
    )
  })
})

const usage = { prompt_tokens: 7, completion_tokens: 5, total_tokens: 12 }
const body = (message: object, rest: object = {}) =>
  JSON.stringify({ choices: [{ index: 0, message, finish_reason: 'stop' }], usage, ...rest })

describe('what a failed answer used', () => {
  const failures: [string, string][] = [
    ['thoughts and no word', body({ content: '', reasoning: 'Hm.' })],
    ['nothing at all', body({ content: '' })],
    ['no finish reason', JSON.stringify({ choices: [{ message: { content: 'a' } }], usage })],
    ['a call without a name', body({ tool_calls: [{ id: 'a', function: { arguments: '{}' } }] })],
  ]
  it.each(failures)('is told with the error, whole: %s', async (_, text) => {
    const fetch = fetchOf([encode(text)], 'application/json')
    await expect(completeModel(openRouter('http://x'), request, { fetch })).rejects.toMatchObject({
      usage: { inputTokens: 7, outputTokens: 5 },
    })
  })

  it.each([
    ['nothing is said', [{ choices: [{ delta: {}, finish_reason: 'stop' }], usage }]],
    ['an error comes', [{ choices: [], usage }, { error: { code: 502, message: 'x' } }]],
    ['it is cut', [{ choices: [{ delta: { content: 'a' } }], usage }]],
  ])('is told with the error, streamed: %s', async (_, frames) => {
    const chunks = frames.map((frame) => encode(`data: ${JSON.stringify(frame)}\n\n`))
    const { error } = await collect(openRouter('http://x'), { fetch: fetchOf(chunks) })
    expect(error).toMatchObject({ usage: { inputTokens: 7, outputTokens: 5 } })
  })

  it('is unknown where something was said and 0 is reported for it', async () => {
    const frames = [
      { choices: [{ delta: { content: 'Hello' }, finish_reason: 'stop' }] },
      { choices: [], usage: { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 } },
    ]
    const chunks = frames.map((frame) => encode(`data: ${JSON.stringify(frame)}\n\n`))
    const { answer } = await collect(openRouter('http://x'), { fetch: fetchOf(chunks) })
    expect(answer.usage).toMatchObject({ inputTokens: null, outputTokens: null })
  })
})
