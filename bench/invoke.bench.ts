import { startModelPeer, startStackPeer } from './peers.ts'
import { signUpWithOrganization } from './sign-up.ts'
import { callsPerSecond, measure, printComparisons } from './support.ts'

// What POST /agents/invoke costs beside calling the same model server directly: token check,
// database, adapter, the local gateway in front. The model server answers at once, so that nothing
// hides behind its time; the database keeps what it is told, as in production.
const rounds = 15
const calls = 100
const atOnce = 8
const question = 'How much time does the way to you take?'

/** A way to ask the same question: the request for an answer, streamed or whole. */
type Ask = (stream: boolean) => Promise<Response>

function asker(url: string, headers: Record<string, string>, body: object): Ask {
  return async (stream) => {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ ...body, stream }),
    })
    if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`)
    return response
  }
}

/** Milliseconds until the first text of a streamed answer; the rest is read too, to the end. */
async function timeToFirstText(ask: Ask, firstText: string, end: string): Promise<number> {
  const start = performance.now()
  const { body } = await ask(true)
  if (body === null) throw new Error('The answer has no body.')
  let text = ''
  let time: number | undefined
  for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
    text += chunk
    if (time === undefined && text.includes(firstText)) time = performance.now() - start
  }
  if (time === undefined || !text.includes(end)) throw new Error(`Not a whole answer: ${text}`)
  return time
}

async function whole(ask: Ask, expected: string): Promise<void> {
  const text = await (await ask(false)).text()
  if (!text.includes(expected)) throw new Error(`Not an answer: ${text}`)
}

const models = await startModelPeer()
const stack = await startStackPeer({
  OPENROUTER_API_KEY: models.key,
  OPENROUTER_BASE_URL: models.url,
})
try {
  const token = await signUpWithOrganization(stack)
  const direct = asker(
    `${models.url}/chat/completions`,
    { authorization: `Bearer ${models.key}` },
    { model: 'openai/gpt-4', messages: [{ role: 'user', content: question }] },
  )
  const invoke = asker(
    `${stack.url}/functions/v1/agents/invoke`,
    { apikey: stack.publishableKey, authorization: `Bearer ${token}` },
    { agent: 'droid', model: 'gpt-4', message: { content: question } },
  )
  const first = await measure(rounds, {
    direct: () => timeToFirstText(direct, '"content":"This', '[DONE]'),
    invoke: () => timeToFirstText(invoke, '"type":"text-delta"', '"type":"finish"'),
  })
  const rate = await measure(3, {
    direct: () => callsPerSecond(calls, atOnce, () => whole(direct, '"content":"This')),
    invoke: () => callsPerSecond(calls, atOnce, () => whole(invoke, '"content":"This')),
  })
  console.log('agents/invoke against calling the model server directly; medians')
  printComparisons([
    { name: 'time to first text, one at a time (ms)', value: first.invoke, baseline: first.direct },
    {
      name: `whole answers per second, ${atOnce} at once`,
      value: rate.invoke,
      baseline: rate.direct,
    },
  ])
  console.log(`added time to first text: ${(first.invoke - first.direct).toFixed(2)} ms`)
} finally {
  await stack.close()
  await models.close()
}
