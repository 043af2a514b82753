import { describe, expect, it } from 'vitest'
import type { OAuthClient } from '../../../supabase/functions/_shared/oauth/client.ts'
import { authenticateClient } from '../../../supabase/functions/_shared/oauth/client-authentication.ts'
import { kindOf } from '../../../supabase/functions/_shared/oauth/failure.ts'
import { scopeToRequest } from '../../../supabase/functions/_shared/oauth/scope.ts'
import { OAuthError } from '@modelcontextprotocol/client'

describe('the scopes to request', () => {
  const nothing = { asked: null, granted: null, required: null, supported: undefined }
  it.each([
    ['none when nobody asks for any', nothing, undefined],
    ['what is asked for', { ...nothing, asked: 'a b' }, 'a b'],
    [
      'what was granted and asked for since, too',
      { ...nothing, asked: 'a', granted: 'b a', required: 'c' },
      'a b c',
    ],
    [
      'offline_access where there is one',
      { ...nothing, asked: 'a', supported: ['offline_access'] },
      'a offline_access',
    ],
    [
      'offline_access once',
      { ...nothing, asked: 'a offline_access', supported: ['offline_access'] },
      'a offline_access',
    ],
    [
      'nothing, not even offline_access, when nobody asks',
      { ...nothing, supported: ['offline_access'] },
      undefined,
    ],
  ])('are %s', (_, sources, expected) => {
    expect(scopeToRequest(sources)).toBe(expected)
  })

  it('are not more than a URL can carry', () => {
    const asked = 'x'.repeat(5_000)
    expect(() => scopeToRequest({ ...nothing, asked })).toThrow()
  })
})

describe('our credentials in a request', () => {
  const client = (changes: Partial<OAuthClient>): OAuthClient => ({
    clientId: 'id:1',
    clientSecret: 's+ /é',
    authMethod: null,
    row: null,
    ...changes,
  })
  const send = (of: OAuthClient, supported?: string[]) => {
    const headers = new Headers()
    const parameters = new URLSearchParams()
    authenticateClient(of, supported, headers, parameters)
    return { authorization: headers.get('authorization'), ...Object.fromEntries(parameters) }
  }
  const basic = `Basic ${btoa('id%3A1:s%2B+%2F%C3%A9')}`

  it.each([
    ['in the header, form-encoded, by default', client({}), undefined, { authorization: basic }],
    [
      'in the header when both are supported',
      client({}),
      ['client_secret_post', 'client_secret_basic'],
      { authorization: basic },
    ],
    [
      'in the body when only that is supported',
      client({}),
      ['client_secret_post'],
      { authorization: null, client_id: 'id:1', client_secret: 's+ /é' },
    ],
    [
      'as was registered',
      client({ authMethod: 'client_secret_post' }),
      ['client_secret_basic'],
      { authorization: null, client_id: 'id:1', client_secret: 's+ /é' },
    ],
    [
      'without the secret when the client is public',
      client({ authMethod: 'none' }),
      undefined,
      { authorization: null, client_id: 'id:1' },
    ],
    [
      'without one when there is none',
      client({ clientSecret: undefined }),
      ['client_secret_basic'],
      { authorization: null, client_id: 'id:1' },
    ],
  ])('stand %s', (_, of, supported, expected) => {
    expect(send(of, supported)).toEqual(expected)
  })
})

describe('what is logged of a failure', () => {
  it('has no text of the other side', () => {
    expect(kindOf(new OAuthError('invalid_grant', 'secret'))).toBe('OAuthError invalid_grant')
    expect(kindOf(new OAuthError('secret text', 'secret'))).not.toContain('secret')
    expect(kindOf(new SyntaxError('Unexpected token in "secret"'))).toBe('SyntaxError')
    expect(kindOf('secret')).toBe('string')
  })
})
