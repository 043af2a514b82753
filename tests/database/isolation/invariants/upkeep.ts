import { wrong, type Check } from './scene.ts'

/** Clean-up, the older sealing, and metrics. */
export const upkeep = {
  'a token that can still be refreshed survives the clean-up': async ({ tx, as }) => {
    await tx`update public.mcp_oauth_tokens set expires_at = now() - interval '1 year'`
    await tx`update public.mcp_oauth_tokens set refresh_token = null where user_id in (
      select user_id from public.mcp_oauth_tokens order by id limit 1)`
    const [before] =
      await tx`select count(*)::integer as n from public.mcp_oauth_tokens where refresh_token is not null`
    await as('service role', 'select public.cleanup_expired_oauth_tokens()')
    const [after] = await tx`select count(*)::integer as n,
      count(*) filter (where refresh_token is null)::integer as dead from public.mcp_oauth_tokens`
    return [
      ...wrong(before?.n === 0, 'nothing to keep'),
      ...wrong(after?.n !== before?.n, `${after?.n} of ${before?.n} are left`),
      ...wrong(after?.dead !== 0, 'what cannot be refreshed stays'),
    ]
  },

  'a wrong key is an error, never null': async ({ as }) => {
    const sealed = await as('service role', `select public.encrypt_token('secret', 'key') as value`)
    const value = String(sealed.rows?.[0]?.value)
    const open = (key: string) =>
      as('service role', `select public.decrypt_token('${value}', ${key}) as value`)
    const [good, bad, none] = [await open(`'key'`), await open(`'other'`), await open('null')]
    const missing = await as('service role', `select public.encrypt_token('secret', null)`)
    return [
      ...wrong(good.rows?.[0]?.value !== 'secret', 'the right key does not open'),
      ...wrong(bad.error?.startsWith('22023') !== true, `a wrong key gives ${JSON.stringify(bad)}`),
      ...wrong(none.error?.startsWith('22004') !== true, `no key gives ${JSON.stringify(none)}`),
      ...wrong(missing.error?.startsWith('22004') !== true, 'a token is encrypted without a key'),
    ]
  },

  'a metric counts failures too': async ({ tx, world, as }) => {
    const problems: string[] = []
    for (const [status, column] of [
      ['failed', 'failed_requests'],
      ['cancelled', 'cancelled_requests'],
      ['success', 'successful_requests'],
    ] as const) {
      const begun = await as(
        'member',
        `select public.begin_execution('{"message":{"content":"hello"},"agent":"droid"}') as value`,
      )
      const execution = (begun.rows?.[0]?.value ?? {}) as { execution_id?: string }
      const outcome = { status, error_code: 'provider_error', finish_reason: 'stop', latency_ms: 5 }
      const read = () => tx<{ n: number; total: number }[]>`
        select coalesce(sum(${tx(column)}), 0)::integer as n, coalesce(sum(total_requests), 0)::integer as total
        from public.agent_metrics where organization_id = ${world.a.organizationId}`
      const [before] = await read()
      const ended = await as(
        'service role',
        `select public.finish_execution(${world.a.organizationId}, '${execution.execution_id}', '${JSON.stringify(outcome)}')`,
      )
      const [after] = await read()
      problems.push(
        ...wrong(ended.error !== undefined, `${status}: ${ended.error}`),
        ...wrong(after?.n !== (before?.n ?? 0) + 1, `${status} is not counted`),
        ...wrong(
          after?.total !== (before?.total ?? 0) + 1,
          `${status} is not counted in the total`,
        ),
      )
    }
    return problems
  },
} satisfies Record<string, Check>
