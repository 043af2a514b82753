import type { TransactionSql } from 'postgres'
import { describe, expect, test } from 'vitest'
import { refusedDetail } from '../../support/people/refused-detail.ts'
import { addMember, addOwner, as, type Member, refusal } from '../../support/people/tenants.ts'
import { addAgent, begin } from '../../support/rows/executions.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()

type Settings = Record<string, unknown>
interface Step {
  name: string
  config: Settings
  params: Settings
}

/** Where settings stand, from the weakest to the strongest. */
const places = ['organizations', 'agents', 'models', 'projects', 'llm_configs'] as const
type Place = (typeof places)[number]

interface Scene {
  owner: Member
  agent: { name: string; id: number; modelIds: number[] }
  project: string
}

const scene = (fn: (tx: TransactionSql, made: Scene) => Promise<void>) =>
  rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const agent = await addAgent(tx, owner, ['first', 'second'])
    const project = await as(tx, owner, async (t) => {
      const [row] = await t<{ id: string }[]>`
        insert into client_mgmt.projects (name) values ('p') returning id`
      await t`
        insert into client_mgmt.llm_configs (project_id, provider, model)
        values (${row?.id ?? ''}, 'openrouter', 'first')`
      return row?.id ?? ''
    })
    await fn(tx, { owner, agent, project })
  })

const set =
  ({ agent, project, owner }: Scene, place: Place, settings: Settings) =>
  (tx: TransactionSql) => {
    const json = tx.json(settings as never)
    const [first = 0] = agent.modelIds
    return {
      organizations: () =>
        tx`update public.organizations set settings = ${json} where id = ${owner.organizationId}`,
      agents: () => tx`update public.agents set config = ${json} where id = ${agent.id}`,
      models: () => tx`update public.models set config = ${json} where id = ${first}`,
      projects: () => tx`update client_mgmt.projects set settings = ${json} where id = ${project}`,
      llm_configs: () =>
        tx`update client_mgmt.llm_configs set settings = ${json} where project_id = ${project}`,
    }[place]()
  }

async function route(tx: TransactionSql, made: Scene, params: Settings = {}) {
  const { owner, agent, project } = made
  const begun = await as(tx, owner, begin({ agent: agent.name, project_id: project, params }))
  return begun as unknown as { route: Step[]; params: Settings; execution_id: string }
}

test('settings win over each other: organization, agent, model, project, model choice', async () => {
  await scene(async (tx, made) => {
    for (const [n, place] of places.entries()) {
      await as(tx, made.owner, set(made, place, { temperature: n / 10, seed: n }))
      const [first] = (await route(tx, made)).route
      expect(first?.params, place).toEqual({ temperature: n / 10, seed: n })
    }
    // Each is read key by key, and the request's own stay apart: they win in the call.
    await as(tx, made.owner, set(made, 'llm_configs', { top_p: 0.5 }))
    const begun = await route(tx, made, { temperature: 2 })
    expect(begun.route[0]?.params).toEqual({ temperature: 0.3, seed: 3, top_p: 0.5 })
    expect(begun.params).toEqual({ temperature: 2 })
  })
})

test('each model of a route has the parameters of its own, apart from what its adapter reads', async () => {
  await scene(async (tx, made) => {
    await as(
      tx,
      made.owner,
      set(made, 'agents', {
        temperature: 0.1,
        stop: ['END'],
        max_steps: 3,
        provider: 'openrouter',
      }),
    )
    await as(tx, made.owner, set(made, 'models', { temperature: 1, tools: false }))
    const [first, second] = (await route(tx, made)).route
    const agents = { max_steps: 3, provider: 'openrouter' }
    expect(first?.params).toEqual({ temperature: 1, stop: ['END'] })
    expect(first?.config).toEqual({ ...agents, tools: false })
    expect(second?.params).toEqual({ temperature: 0.1, stop: ['END'] })
    expect(second?.config).toEqual(agents)
  })
})

test('the bound of an answer that any model of the route may give is reserved', async () => {
  await scene(async (tx, made) => {
    const reserved = async (params: Settings = {}) => {
      const { execution_id, route: steps, params: own } = await route(tx, made, params)
      const [row] = await tx<{ output: string }[]>`
        select reserved_tokens - estimated_input_tokens as output
        from public.agent_executions where id = ${execution_id}`
      const bounds = steps.map((step) => ({ ...step.params, ...own })['max_output_tokens'])
      return [Number(row?.output), bounds]
    }
    expect(await reserved()).toEqual([4096, [undefined, undefined]])
    await as(tx, made.owner, set(made, 'models', { max_output_tokens: 9_000 }))
    expect(await reserved()).toEqual([9_000, [9_000, undefined]])
    expect(await reserved({ max_output_tokens: 50 })).toEqual([50, [50, 50]])
    // With a budget every call has a bound.
    await as(
      tx,
      made.owner,
      (t) => t`insert into client_mgmt.budgets (period, limit_tokens) values ('day', 1000000)`,
    )
    expect(await reserved()).toEqual([9_000, [9_000, 4_096]])
    await as(tx, made.owner, set(made, 'models', { max_output_tokens: 100 }))
    expect(await reserved()).toEqual([4_096, [100, 4_096]])
    expect(await reserved({ max_output_tokens: 50 })).toEqual([50, [50, 50]])
  })
})

describe.each(places)('the settings of %s', (place) => {
  const column = place === 'agents' || place === 'models' ? 'config' : 'settings'

  test('refuse a key that nothing reads, and a value that its key cannot have, by name', async () => {
    await scene(async (tx, made) => {
      const refused: [Settings, string][] = [
        [{ retention_days: 30 }, 'retention_days: is no setting that anything reads.'],
        [{ system_prompt: 'x' }, 'system_prompt: is no setting that anything reads.'],
        [{ temperature: 3 }, 'temperature: must be a number from 0 to 2.'],
        [{ temperature: '1' }, 'temperature: must be a number from 0 to 2.'],
        [{ temperature: null }, 'temperature: must be a number from 0 to 2.'],
        [{ top_p: 1.5 }, 'top_p: must be a number from 0 to 1.'],
        [{ top_k: 0 }, 'top_k: must be a whole number from 1 to 1000.'],
        [
          { max_output_tokens: 1.5 },
          'max_output_tokens: must be a whole number from 1 to 1000000.',
        ],
        [{ seed: 'x' }, 'seed: must be a whole number.'],
        [{ presence_penalty: -3 }, 'presence_penalty: must be a number from -2 to 2.'],
        [{ frequency_penalty: [] }, 'frequency_penalty: must be a number from -2 to 2.'],
        ...['END', [], [''], [7], ['a', 'b', 'c', 'd', 'e', 'f'], ['x'.repeat(201)]].map(
          (stop): [Settings, string] => [
            { stop },
            'stop: must be a list of 1 to 5 texts of 1 to 200 characters.',
          ],
        ),
        [
          { reasoning_effort: 'much' },
          'reasoning_effort: must be none, minimal, low, medium, high or xhigh.',
        ],
      ]
      for (const [settings, problem] of refused) {
        expect(await refusedDetail(tx, made.owner, set(made, place, settings))).toBe(
          `invalid_settings: ${column}.${problem}`,
        )
      }
    })
  })

  test('take every parameter of a call, and the keys of an adapter only where it reads them', async () => {
    await scene(async (tx, made) => {
      const all = {
        temperature: 0,
        top_p: 1,
        top_k: 40,
        max_output_tokens: 1000,
        stop: ['\n', 'END'],
        seed: -1,
        presence_penalty: 2,
        frequency_penalty: -2,
        reasoning_effort: 'low',
      }
      expect(await refusal(tx, made.owner, set(made, place, all))).toBe('allowed')
      const adapters: [string, unknown, unknown][] = [
        ['location', 'europe-west1', 'x.example.com/'],
        ['max_tokens_parameter', 'max_completion_tokens', 'n'],
        ['max_steps', 32, 33],
        ['tools', false, 'no'],
      ]
      for (const [key, good, bad] of adapters) {
        const expected = column === 'config' ? 'allowed' : '22023 invalid_settings'
        expect(await refusal(tx, made.owner, set(made, place, { [key]: good })), key).toBe(expected)
        expect(await refusal(tx, made.owner, set(made, place, { [key]: bad })), key).toBe(
          '22023 invalid_settings',
        )
      }
    })
  })

  test('are no member’s to write', async () => {
    await scene(async (tx, made) => {
      const member = await addMember(tx, made.owner.organizationId)
      const stranger = await addOwner(tx)
      expect(await refusal(tx, member, set(made, place, { seed: 1 }))).toBe(
        '42501 permission_denied',
      )
      await as(tx, stranger, set(made, place, { seed: 1 }))
      expect((await route(tx, made)).route[0]?.params).toEqual({})
    })
  })
})

test('the provider that an agent names is the provider of its type', async () => {
  await scene(async (tx, made) => {
    const name = (provider: string) => set(made, 'agents', { provider })
    expect(await refusal(tx, made.owner, name('vertex-ai'))).toMatch(
      /^23514 .*agents_config_provider/,
    )
    expect(await refusal(tx, made.owner, name('openrouter'))).toBe('allowed')
    expect(await refusal(tx, made.owner, set(made, 'models', { provider: 'openrouter' }))).toBe(
      '22023 invalid_settings',
    )
  })
})
