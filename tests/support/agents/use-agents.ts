import { afterAll, beforeAll, beforeEach } from 'vitest'
import { type Organization, type Person, signUpWithOrganization } from '../people/people.ts'
import { connectOwner } from '../stack/database.ts'
import { type AgentsWorker, startAgentsWorker } from './agents-worker.ts'
import { createAgent } from './invoke.ts'
import { type RawProvider, startRawProvider } from './raw-provider.ts'

/** Workers of `agents` over a provider of raw HTTP; each test has a new person with an agent. */
export class AgentsFixture {
  /** As the owner of the tables. */
  readonly sql = connectOwner()
  /** Each test begins with an empty journal. */
  provider!: RawProvider
  workers!: AgentsWorker[]
  ann!: Person & { organization: Organization }
  agent!: string

  get worker(): AgentsWorker {
    return this.#worker(0)
  }

  /** The second worker. */
  get elsewhere(): AgentsWorker {
    return this.#worker(1)
  }

  #worker(index: number): AgentsWorker {
    const worker = this.workers[index]
    if (worker === undefined) throw new Error(`there is no worker ${index}`)
    return worker
  }

  /** The variables of a further worker over the provider. */
  variables(): Record<string, string> {
    return { OPENROUTER_API_KEY: 'sk-or-v1-platform', OPENROUTER_BASE_URL: this.provider.url }
  }
}

/**
 * Registers the hooks of the fixture.
 *
 * @param workers processes of the function
 * @param models of the agent: all of them at the provider
 * @param person false: there is no `ann`, because tests that run at once need a person each
 */
export function useAgents({ workers = 1, models = 1, person = true } = {}): AgentsFixture {
  const made = new AgentsFixture()
  beforeAll(async () => {
    made.provider = await startRawProvider()
    const starts = Array.from({ length: workers }, () => startAgentsWorker(made.variables()))
    made.workers = await Promise.all(starts)
  })
  afterAll(async () => {
    await Promise.all(made.workers.map((worker) => worker.close()))
    await made.provider.close()
  })
  if (!person) return made
  beforeEach(async () => {
    made.provider.journal.length = 0
    made.ann = await signUpWithOrganization('ann')
    const providers = Array.from({ length: models }, () => 'openrouter')
    made.agent = await createAgent(made.sql, made.ann.organization, providers)
  })
  return made
}
