import { describe, expect, expectTypeOf, it } from 'vitest'
import type * as z from 'zod'
import type { InvokeRequest } from '../../../../client/index.ts'
import { findOpenApiProblems } from '../../../../dev/check/openapi.ts'
import { operations } from '../../../../dev/check/openapi-routes.ts'
import type { invocationSchema } from '../../../../supabase/functions/_shared/executions/invocation.ts'
import { createApp as createAgents } from '../../../../supabase/functions/agents/app.ts'
import { createApp as createOAuth } from '../../../../supabase/functions/oauth/app.ts'
import { stoppedClock } from '../../../support/clocks.ts'

type Mutable<T> = { -readonly [Key in keyof T]: Mutable<T[Key]> }

describe('openapi.json', () => {
  it('is what the schemas of the functions give', async () => {
    expect(await findOpenApiProblems()).toEqual([])
  })

  it('has every route that agents and oauth serve, and no other', () => {
    const deps = {
      clock: stoppedClock,
      log: () => undefined,
      database: {},
      verifyAccessToken: () => undefined,
      worker: {},
    }
    const served = [createAgents(deps as never), createOAuth(deps as never)]
      .flatMap(({ routes }) => routes)
      .filter(({ method }) => method !== 'ALL')
      .map(({ method, path }) => `${method} ${path}`)
    expect(operations.map(({ method, path }) => `${method} ${path}`).sort()).toEqual(
      [...new Set(served)].sort(),
    )
  })
})

it('is what the types of the client say: the function takes each of their requests', () => {
  expectTypeOf<Mutable<InvokeRequest>>().toExtend<z.input<typeof invocationSchema>>()
})
