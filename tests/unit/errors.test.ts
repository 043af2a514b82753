import { describe, expect, it } from 'vitest'
import {
  AppError,
  errorCodes,
  toAppError,
  toEnvelope,
} from '../../supabase/functions/_shared/errors.ts'
import { modelFaults } from '../../supabase/functions/_shared/models/model-error.ts'

describe('the registry of error codes', () => {
  it.each(Object.entries(errorCodes))(
    '%s says what happened and what to do next',
    (code, entry) => {
      expect(code).toMatch(/^[a-z]+(_[a-z]+)*$/)
      expect(entry.message).toMatch(/^[A-Z][^.]*\. [A-Z][^.]*\.$/)
    },
  )

  it('says with every refusal that passes when to come back, and with no other of its statuses', () => {
    for (const [code, { status, message }] of Object.entries(errorCodes)) {
      const { headers } = new AppError(code as keyof typeof errorCodes)
      const passes = [429, 503, 504].includes(status) && !/operator must|Enable/.test(message)
      expect(Number(headers['retry-after'] ?? 0) > 0, code).toBe(passes)
    }
    const own = new AppError('circuit_open', { headers: { 'retry-after': '7' } })
    expect(own.headers).toEqual({ 'retry-after': '7' })
  })

  it('has every code of the models, of an upstream, or of a request that cannot succeed', () => {
    for (const [code, fault] of Object.entries(modelFaults))
      expect(fault === 'caller' ? [400, 422] : [502, 504], code).toContain(
        errorCodes[code as keyof typeof modelFaults].status,
      )
  })
})

describe('the envelope', () => {
  it('has code and message, and the path only where there is one', () => {
    expect(toEnvelope(new AppError('agent_not_found'))).toEqual({
      error: { code: 'agent_not_found', message: errorCodes.agent_not_found.message },
    })
    const error = new AppError('invalid_request', { message: 'Too long.', path: 'a.b' })
    expect(toEnvelope(error)).toEqual({
      error: { code: 'invalid_request', message: 'Too long.', path: 'a.b' },
    })
  })

  it('never has the cause', () => {
    const error = new AppError('internal_error', { cause: new Error('secret') })
    expect(JSON.stringify(toEnvelope(error))).not.toContain('secret')
  })

  it('says internal_error for what is not an AppError', () => {
    const cause = new TypeError('secret')
    const error = toAppError(cause)
    expect(error).toMatchObject({ code: 'internal_error', status: 500, cause })
    expect(error.message).toBe(errorCodes.internal_error.message)
  })
})
