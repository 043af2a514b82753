import type { Target } from './streams.ts'

/** One after the other, then the first again. */
export function inTurns(asks: (() => Promise<Response>)[]): () => Promise<Response> {
  let next = 0
  return () => {
    const ask = asks[next++ % asks.length]
    if (ask === undefined) throw new Error('nobody asks')
    return ask()
  }
}

/** The same stream three ways: from the upstream, through the function `agents`, through Portkey. */
export function targetsOf(
  upstream: string,
  agents: { agentsUrl: string; publishableKey: string },
  tokens: string[],
  portkey: string,
  question = 'Hi',
) {
  const post = (url: string, headers: Record<string, string>, body: object) => () =>
    fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'accept-encoding': 'identity', ...headers },
      body: JSON.stringify(body),
    })
  const chat = {
    model: 'openai/gpt-4',
    stream: true,
    messages: [{ role: 'user', content: question }],
  }
  const invokeAs = (token: string) =>
    post(
      `${agents.agentsUrl}/agents/invoke`,
      { apikey: agents.publishableKey, authorization: `Bearer ${token}` },
      { agent: 'droid', model: 'gpt-4', message: { content: question } },
    )
  const answered = { first: '"delta":"lorem', end: '"type":"finish"' }
  const passed = { first: '"content":"lorem', end: '[DONE]' }
  return {
    direct: { ask: post(`${upstream}/chat/completions`, {}, chat), ...passed },
    agents: { ask: inTurns(tokens.map(invokeAs)), ...answered },
    one: { ask: invokeAs(tokens[0] ?? ''), ...answered },
    portkey: {
      ask: post(
        `${portkey}/v1/chat/completions`,
        {
          authorization: 'Bearer key',
          'x-portkey-provider': 'openai',
          'x-portkey-custom-host': upstream,
        },
        chat,
      ),
      ...passed,
    },
  } satisfies Record<string, Target>
}
