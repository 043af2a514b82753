import * as z from 'zod'
import type { AskedBody, ScriptedAnswer } from '../../support/agents/scripted-model.ts'
import type { Client, ClientTool, Verb } from './driver.ts'

/** A row of the matrix: what the model says, what the client makes of it, what the model was asked. */
export interface VerbRow {
  readonly verb: Verb
  readonly says: readonly ScriptedAnswer[]
  use(client: Client, stream: boolean, toolInputs: unknown[]): Promise<unknown>
  readonly gives: unknown
  /** Inputs with which the client's own tool ran. */
  readonly ran?: readonly unknown[]
  /** What the provider must have got, in the last of its requests. */
  readonly sent: readonly { readonly role: string; readonly has: string }[]
  /** What the last request must have beside its messages. */
  readonly asks?: (body: AskedBody) => unknown
  readonly asked?: unknown
}

/** A red pixel. */
export const picture =
  'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGP4z8DwHwAFAAH/iZk9HQAAAABJRU5ErkJggg=='

const city = z.object({ name: z.string(), people: z.number() })
const bern = { name: 'Bern', people: 134_000 }

const weather = (inputs: unknown[]): ClientTool => ({
  name: 'weather',
  description: 'The weather of a city.',
  run(input) {
    inputs.push(input)
    return `Sunny in ${input.city}.`
  },
})

export const verbs: readonly VerbRow[] = [
  {
    verb: 'twoTurns',
    says: [{ text: ['My name is ', 'Droid.'] }, { text: ['You asked ', 'for my name.'] }],
    use: (client, stream) => client.twoTurns('Who are you?', 'What did I ask?', stream),
    gives: 'You asked for my name.',
    sent: [
      { role: 'user', has: 'Who are you?' },
      { role: 'assistant', has: 'My name is Droid.' },
      { role: 'user', has: 'What did I ask?' },
    ],
  },
  {
    verb: 'toolLoop',
    says: [
      { toolCalls: [{ id: 'call_1', name: 'weather', arguments: '{"city":"Bern"}' }] },
      { text: ['It is ', 'sunny.'] },
    ],
    use: (client, stream, inputs) => client.toolLoop('How is Bern?', weather(inputs), stream),
    gives: 'It is sunny.',
    ran: [{ city: 'Bern' }],
    sent: [
      { role: 'user', has: 'How is Bern?' },
      { role: 'assistant', has: '"call_1"' },
      { role: 'tool', has: 'Sunny in Bern.' },
    ],
    asks: (body) => (body['tools'] as { function: { name: string } }[])[0]?.function.name,
    asked: 'weather',
  },
  {
    verb: 'structured',
    says: [{ text: ['{"name":"Bern",', '"people":134000}'] }],
    use: (client, stream) => client.structured('Describe Bern.', city, stream),
    gives: bern,
    sent: [{ role: 'user', has: 'Describe Bern.' }],
    asks: (body) => {
      const format = body['response_format'] as
        { type: string; json_schema: { schema: { properties: object } } } | undefined
      return [format?.type, Object.keys(format?.json_schema.schema.properties ?? {})]
    },
    asked: ['json_schema', ['name', 'people']],
  },
  {
    verb: 'image',
    says: [{ text: ['A red ', 'pixel.'] }],
    use: (client, stream) => client.image('What is this?', picture, stream),
    gives: 'A red pixel.',
    sent: [{ role: 'user', has: picture }],
  },
]
