import { describe, expect, it } from 'vitest'
import { AppError, errorCodes, type ErrorCode } from '../../../supabase/functions/_shared/errors.ts'
import {
  toOpenAiError,
  UnsupportedParameterError,
} from '../../../supabase/functions/_shared/openai/openai-error.ts'

const codes = Object.keys(errorCodes) as ErrorCode[]

/** The codes that answer with another status or name here than elsewhere. */
const translated: Partial<Record<ErrorCode, readonly [number, string]>> = {
  invalid_request: [400, 'invalid_value'],
  unauthorized: [401, 'invalid_api_key'],
  agent_not_found: [404, 'model_not_found'],
  model_not_found: [404, 'model_not_found'],
  budget_exceeded: [429, 'insufficient_quota'],
  rate_limited: [429, 'rate_limit_exceeded'],
  too_many_executions: [429, 'rate_limit_exceeded'],
  too_many_requests: [429, 'rate_limit_exceeded'],
  provider_rejected_request: [400, 'provider_rejected_request'],
}

describe('an error for OpenAI’s clients', () => {
  it.each(codes)('%s has a status, a type and a code', (code) => {
    const [status, name] = translated[code] ?? [errorCodes[code].status, code]
    const { status: answered, body } = toOpenAiError(new AppError(code))
    expect(answered).toBe(status)
    expect(body.error).toMatchObject({ code: name, type: expect.stringMatching(/^\w+$/) as string })
    expect(Object.keys(body.error)).toEqual(['message', 'type', 'param', 'code'])
    expect(body.error.type === 'server_error').toBe(status >= 500)
  })

  it('says the same of an absent agent, an absent model and a foreign one', () => {
    const bodies = (['agent_not_found', 'model_not_found'] as const).map(
      (code) => toOpenAiError(new AppError(code)).body,
    )
    expect(bodies[0]).toEqual(bodies[1])
  })

  it.each([
    ['messages.0.content', 'messages[0].content'],
    ['messages.10.tool_calls.2.id', 'messages[10].tool_calls[2].id'],
    ['metadata.2fast', 'metadata.2fast'],
    ['', null],
  ])('spells the path %j as OpenAI does', (path, param) => {
    const { body } = toOpenAiError(new AppError('invalid_request', { path }))
    expect(body.error.param).toBe(param)
  })

  it('names a parameter that is not acted on, at a bounded length', () => {
    const { body } = toOpenAiError(new UnsupportedParameterError('x'.repeat(1_000)))
    expect(body.error).toMatchObject({ code: 'unsupported_parameter', param: 'x'.repeat(200) })
    expect(body.error.message.length).toBeLessThan(300)
  })

  it('keeps the headers, and says where repeating does not help', () => {
    const busy = new AppError('too_many_executions', { headers: { 'retry-after': '2' } })
    expect(toOpenAiError(busy).headers).toEqual({ 'retry-after': '2' })
    const stopped = codes.filter(
      (code) => 'x-should-retry' in toOpenAiError(new AppError(code)).headers,
    )
    expect(stopped.sort()).toEqual([
      'budget_exceeded',
      'execution_cancelled',
      'idempotency_conflict',
      'person_answers',
      'price_unknown',
      'provider_misconfigured',
      'provider_model_not_found',
      'provider_not_configured',
      'provider_payment_required',
      'provider_unauthorized',
      'quota_exceeded',
    ])
  })

  it('quotes no cause', () => {
    const { body } = toOpenAiError(new AppError('internal_error', { cause: 'a canary' }))
    expect(JSON.stringify(body)).not.toContain('canary')
  })
})
