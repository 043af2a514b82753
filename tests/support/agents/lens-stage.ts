import { afterAll, beforeAll, beforeEach } from 'vitest'
import {
  accessToken,
  type Organization,
  type Person,
  signUpWithOrganization,
} from '../people/people.ts'
import { connectOwner } from '../stack/database.ts'
import { createAgent, type ErrorBody } from './invoke.ts'
import { type ScriptedModel, startScriptedModel } from './scripted-model.ts'

/** What the function answers of a run: a row of lens_run_progress. */
export interface RunAnswer extends Partial<ErrorBody> {
  id: number
  status: string
  blocks: number
  done: number
  failed: number
  remaining: number
  calls: number
  cost_usd: number | null
  stopped?: { code: string }
}

const schema = {
  type: 'object',
  properties: { mood: { type: 'string' } },
  required: ['mood'],
  additionalProperties: false,
}
export const mood = (word: string) => ({ text: [JSON.stringify({ mood: word })] })

/** The function `agents` over a scripted model with a price, and for each test Ann with a lens of hers. */
export class LensStage {
  readonly sql = connectOwner()
  model!: ScriptedModel
  ann!: Person & { organization: Organization }
  agent!: string
  project!: number
  lens!: number

  /** @param token another credential than the person's access token */
  async post(person: Person, path: string, body?: object, token?: string): Promise<Response> {
    return fetch(this.model.baseURL.replace(/v1$/, path), {
      method: 'POST',
      headers: { authorization: `Bearer ${token ?? (await accessToken(person))}` },
      ...(body && { body: JSON.stringify(body) }),
    })
  }

  async run(body: object, person: Person = this.ann): Promise<RunAnswer> {
    const response = await this.post(person, `lenses/${this.lens}/runs`, body)
    return (await response.json()) as RunAnswer
  }

  async addLens(person: Person, more: object = {}): Promise<number> {
    const { data } = await person.client
      .schema('conversation')
      .from('lens_prototypes')
      .insert({ name: 'mood', prompt_template: 'Name the mood.', output_schema: schema, ...more })
      .select('id')
      .single()
      .throwOnError()
    return Number(data.id)
  }

  /** A block of a transcript, one line a turn. */
  async addBlock(name: string, ...said: string[]): Promise<number> {
    const text = said.map((content) => JSON.stringify({ speaker: 'Bo', content })).join('\n')
    const { data } = await this.ann.client
      .rpc('import_transcripts', {
        project_id: this.project,
        transcripts: [{ name, format: 'jsonl', text }],
      })
      .throwOnError()
    const [made] = data as unknown as { block_id: number }[]
    return made?.block_id ?? 0
  }

  results(person: Person = this.ann) {
    return person.client
      .schema('conversation')
      .from('lens_results')
      .select()
      .order('block_id')
      .order('id')
      .throwOnError()
      .then(({ data }) => data)
  }
}

export function useLenses(): LensStage {
  const made = new LensStage()
  beforeAll(async () => {
    made.model = await startScriptedModel()
  })
  afterAll(() => made.model.close())
  beforeEach(async () => {
    made.ann = await signUpWithOrganization('ann')
    const { id } = made.ann.organization
    made.agent = await createAgent(made.sql, made.ann.organization, ['openrouter', 'openrouter'])
    await made.sql`
      insert into client_mgmt.model_prices
        (organization_id, provider, model_id, input_per_million, output_per_million)
      select ${id}, 'openrouter', m, 1000, 2000 from unnest('{model-1,model-2}'::text[]) m`
    const { data } = await made.ann.client
      .schema('client_mgmt')
      .from('projects')
      .insert({ name: 'Research' })
      .select('id')
      .single()
      .throwOnError()
    made.project = Number(data.id)
    made.lens = await made.addLens(made.ann, { agent: made.agent })
  })
  return made
}
