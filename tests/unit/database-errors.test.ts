import { describe, expect, it } from 'vitest'
import { createDatabase, databaseError } from '../../supabase/functions/_shared/database.ts'
import { errorCodes, toEnvelope } from '../../supabase/functions/_shared/errors.ts'
import { fakeClock } from '../support/clocks.ts'

const failure = (code: string, message: string, details: string | null = null) => ({
  code,
  message,
  details,
})

describe('a failed statement', () => {
  it.each([
    ['PT404', 'agent_not_found', 'agent_not_found'],
    ['PT404', 'session_not_found', 'session_not_found'],
    ['P0002', 'query returned no rows', 'internal_error'],
    ['PT404', 'something else', 'internal_error'],
    ['PT404', 'session_busy', 'internal_error'],
    ['42501', 'no_organization', 'no_organization'],
    ['42501', 'permission denied for table models', 'permission_denied'],
    ['22023', 'invalid_request', 'invalid_request'],
    ['23505', 'duplicate key value violates unique constraint "x"', 'conflict'],
    ['23505', 'idempotency_conflict', 'idempotency_conflict'],
    ['PT409', 'session_busy', 'session_busy'],
    ['PT503', 'provider_not_configured', 'provider_not_configured'],
    ['PT503', 'circuit_open', 'circuit_open'],
    ['PT503', 'model_unavailable', 'model_unavailable'],
    ['PT409', 'price_unknown', 'price_unknown'],
    ['55000', 'cannot do that now', 'internal_error'],
    ['PT402', 'budget_exceeded', 'budget_exceeded'],
    ['PT429', 'too_many_executions', 'too_many_executions'],
    ['PT429', 'rate_limited', 'rate_limited'],
    ['PT429', 'too_many_requests', 'too_many_requests'],
    ['PT409', 'quota_exceeded', 'quota_exceeded'],
    ['PGRST301', 'JWSError', 'unauthorized'],
    ['PGRST303', 'JWT expired', 'unauthorized'],
    ['57014', 'canceling statement due to statement timeout', 'database_unavailable'],
    ['53300', 'too many connections', 'database_unavailable'],
    ['40P01', 'deadlock detected', 'database_unavailable'],
    ['25006', 'cannot execute INSERT in a read-only transaction', 'database_unavailable'],
    ['58030', 'could not write block 7', 'database_unavailable'],
    ['XX001', 'invalid page in block 7', 'internal_error'],
    ['PGRST002', 'could not query the schema', 'database_unavailable'],
    ['XX000', 'agent_not_found', 'internal_error'],
    ['PT404', 'unauthorized', 'internal_error'],
    ['PGRST202', 'could not find the function', 'internal_error'],
  ])('%s "%s" becomes %s', (sqlstate, message, code) => {
    expect(databaseError(failure(sqlstate, message), 400)).toMatchObject({ code })
  })

  it('without an answer is database_unavailable, and may be tried again', () => {
    expect(databaseError(failure('', 'TypeError: fetch failed'), 0)).toMatchObject({
      code: 'database_unavailable',
      headers: { 'retry-after': '1' },
    })
  })

  it('says when to try again as the function that raised it did', () => {
    const hint = '{"limit": "user", "retry_after": 2, "max_concurrent": 1}'
    const error = databaseError({ ...failure('PT429', 'too_many_executions'), hint }, 429)
    expect(error.headers).toEqual({ 'retry-after': '2' })
    expect(error.details).toEqual({ limit: 'user', max_concurrent: 1 })
    for (const message of ['other', 'conflict']) {
      const foreign = databaseError({ ...failure('23505', message), hint }, 400)
      expect(foreign).toMatchObject({ headers: {}, details: undefined })
    }
  })

  it('says which budget refused, for programs', () => {
    const hint = '{"scope": "user", "limit_usd": null, "resets_at": "2026-12-01T00:00:00+00:00"}'
    const error = databaseError({ ...failure('PT402', 'budget_exceeded'), hint }, 402)
    expect(toEnvelope(error).error).toEqual({
      code: 'budget_exceeded',
      message: errorCodes.budget_exceeded.message,
      details: { scope: 'user', limit_usd: null, resets_at: '2026-12-01T00:00:00+00:00' },
    })
  })

  it('sends the sentence that our own function raised, and no other text of the database', () => {
    const ours = databaseError(failure('22023', 'invalid_request', 'The session is closed.'), 400)
    expect(ours.message).toBe('The session is closed.')
    const others = [
      failure('22023', 'invalid parameter "secret"', 'Key (email)=(a@b.c)'),
      failure('23505', 'duplicate key', 'Key (slug)=(acme) already exists.'),
      failure('PT404', 'agent_not_found', 'secret'),
    ]
    for (const other of others) {
      const { code, message } = databaseError(other, 400)
      expect(message).toBe(errorCodes[code].message)
    }
  })
})

describe('the clients', () => {
  const requests: Request[] = []
  const database = (answer: () => Response) =>
    createDatabase({
      supabaseUrl: 'http://project.test',
      publishableKey: 'sb_publishable_key',
      secretKey: 'sb_secret_key',
      fetch: async (input, init) => {
        requests.push(new Request(input, init))
        return answer()
      },
    })

  it('act as the caller with the publishable key, and as the service role with the secret key', async () => {
    const { forCaller, admin } = database(() => Response.json(3))
    expect(await forCaller('token-of-caller').call('cleanup_expired_sessions', { batch: 1 })).toBe(
      3,
    )
    expect(await admin.call('expire_execution_leases', {})).toBe(3)
    const sent = requests.splice(0).map(({ url, method, headers }) => ({
      url,
      method,
      apikey: headers.get('apikey'),
      authorization: headers.get('authorization'),
    }))
    expect(sent).toEqual([
      {
        url: 'http://project.test/rest/v1/rpc/cleanup_expired_sessions',
        method: 'POST',
        apikey: 'sb_publishable_key',
        authorization: 'Bearer token-of-caller',
      },
      {
        url: 'http://project.test/rest/v1/rpc/expire_execution_leases',
        method: 'POST',
        apikey: 'sb_secret_key',
        authorization: 'Bearer sb_secret_key',
      },
    ])
  })

  it('throw what the function raised', async () => {
    const body = { code: 'PT404', message: 'agent_not_found', details: null, hint: null }
    const { admin } = database(() => Response.json(body, { status: 400 }))
    await expect(admin.call('expire_execution_leases', {})).rejects.toMatchObject({
      code: 'agent_not_found',
      status: 404,
    })
  })

  describe('of a caller whose requests all run', () => {
    const noTurn = { code: 'PT429', message: 'too_many_requests', details: 'Later.' }
    const hint = JSON.stringify({ limit: 'rest', max_concurrent: 2, retry_after: 1 })
    /** A database that refuses a turn so often, and the pauses before each further try. */
    const refusing = (times: number, refusal: object = noTurn) => {
      const clock = fakeClock()
      let sent = 0
      const { forCaller } = createDatabase({
        supabaseUrl: 'http://project.test',
        publishableKey: 'p',
        secretKey: 's',
        random: () => 1,
        clock,
        fetch: () =>
          Promise.resolve(
            sent++ < times
              ? Response.json({ hint, ...refusal }, { status: 429 })
              : Response.json(3),
          ),
      })
      const call = () => forCaller('token').call('cleanup_expired_sessions', { batch: 1 })
      return { call, pauses: clock.pauses }
    }

    it('send a call again, for three seconds, until it has its turn', async () => {
      const { call, pauses } = refusing(5)
      expect(await call()).toBe(3)
      expect(pauses).toEqual([100, 200, 400, 800, 1_600])
    })

    it('give the refusal on after that', async () => {
      const { call, pauses } = refusing(6)
      const error = await call().catch((thrown: unknown) => thrown)
      expect(error).toMatchObject({
        code: 'too_many_requests',
        message: 'Later.',
        headers: { 'retry-after': '1' },
        details: { limit: 'rest', max_concurrent: 2 },
      })
      expect(pauses).toHaveLength(5)
    })

    it('send another refusal’s call once', async () => {
      const { call, pauses } = refusing(1, { ...noTurn, message: 'too_many_executions' })
      await expect(call()).rejects.toMatchObject({ code: 'too_many_executions' })
      expect(pauses).toEqual([])
    })
  })

  it.each<[string, (signal: AbortSignal | null | undefined) => Promise<Response>]>([
    ['no answer begins', (signal) => aborted(signal)],
    [
      'the answer does not end',
      async (signal) =>
        new Response(
          new ReadableStream({
            async start(controller) {
              controller.enqueue(new TextEncoder().encode('{"half":'))
              await aborted(signal).catch((reason: unknown) => controller.error(reason))
            },
          }),
        ),
    ],
  ])('give a call up after its time when %s, as database_unavailable', async (_, answer) => {
    const { admin } = createDatabase({
      supabaseUrl: 'http://project.test',
      publishableKey: 'p',
      secretKey: 's',
      timeout: 20,
      fetch: (_input, init) => answer(init?.signal),
    })
    await expect(admin.call('expire_execution_leases', {})).rejects.toMatchObject({
      code: 'database_unavailable',
    })
  })

  it('throw database_unavailable when no answer comes', async () => {
    const { admin } = database(() => {
      throw new TypeError('fetch failed')
    })
    await expect(admin.call('expire_execution_leases', {})).rejects.toMatchObject({
      code: 'database_unavailable',
    })
  })
})

/** Rejects with the signal's reason, as `fetch` does. */
function aborted(signal: AbortSignal | null | undefined): Promise<never> {
  return new Promise((_, reject) => {
    signal?.addEventListener('abort', () => reject(signal.reason as Error))
  })
}
