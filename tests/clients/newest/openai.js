// What an application with the newest OpenAI SDK does, under its own Node; one line of JSON for the
// test that started it. Plain JavaScript, because the types of the root are those of an older SDK.
import OpenAI from 'openai'

const { OPENAI_BASE_URL: baseURL, OPENAI_API_KEY: apiKey, MODEL: model } = process.env
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 })
const messages = [{ role: 'user', content: 'Who are you?' }]

const whole = await client.chat.completions.create({ model, messages })

const chunks = []
const options = { model, messages, stream: true, stream_options: { include_usage: true } }
for await (const chunk of await client.chat.completions.create(options)) chunks.push(chunk)

const response = await client.responses.create({ model, input: 'Who are you?' })

const events = []
for await (const event of await client.responses.create({ model, input: 'Who?', stream: true })) {
  events.push(event.type)
}

const ids = []
for await (const { id } of client.models.list()) ids.push(id)

const refusal = await new OpenAI({ baseURL, apiKey: 'no token', maxRetries: 0 }).models.list().then(
  () => null,
  (error) => ({ name: error.constructor.name, status: error.status, code: error.code }),
)

console.log(
  JSON.stringify({
    node: process.version,
    answer: whole.choices[0].message.content,
    usage: whole.usage,
    streamed: chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join(''),
    streamedUsage: chunks.at(-1).usage,
    output: response.output_text,
    events,
    ids,
    refusal,
  }),
)
