import path from 'node:path'
import OpenAI from 'openai'
import { root } from '../../../dev/check/command.ts'
import { type FunctionProcess, startFunction } from '../../../dev/functions/function-process.ts'
import { accessToken, type Person } from '../people/people.ts'
import { useStack } from '../stack/stack.ts'
import { eventStream, json } from './raw-http.ts'
import { type RawProvider, type RawScript, startRawProvider } from './raw-provider.ts'

/** What a model says, whichever way it is asked. */
export interface ScriptedAnswer {
  /** The pieces in which text arrives. */
  readonly text?: readonly string[]
  readonly toolCalls?: readonly { id: string; name: string; arguments: string }[]
  readonly finish?: string
  /** Null: the provider says nothing of it. */
  readonly usage?: object | null
}

/** What a provider was asked: the body of its request. */
export type AskedBody = Record<string, unknown> & { messages: Record<string, unknown>[] }

/** The function `agents` over a model that a test scripts. */
export interface ScriptedModel {
  readonly provider: RawProvider
  /** Base URL for OpenAI's clients. */
  readonly baseURL: string
  /** Sets what the model answers from now on: the same always, or one after the other. */
  answer(...answers: (ScriptedAnswer | RawScript)[]): void
  /** The bodies that the provider was sent since the last `answer`. */
  asked(): AskedBody[]
  /** OpenAI's SDK with a person's access token as its key. */
  client(person: Person, options?: ConstructorParameters<typeof OpenAI>[0]): Promise<OpenAI>
  readonly logged: string[]
  close(): Promise<void>
}

export const plainUsage = { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 }

export async function startScriptedModel(): Promise<ScriptedModel> {
  const provider = await startRawProvider()
  const logged: string[] = []
  const worker = await serveAgents(provider.url, logged)
  const baseURL = `${worker.address()}/agents/v1`
  let first = 0
  return {
    provider,
    baseURL,
    logged,
    answer(...answers) {
      first = provider.journal.length
      const start = first
      provider.respond((request, index) => {
        const next = answers[Math.min(index - start, answers.length - 1)]
        if (next === undefined) throw new Error('the model has nothing to say')
        if (Array.isArray(next)) return next as RawScript
        const isStream = (JSON.parse(request.body) as { stream?: boolean }).stream === true
        return isStream
          ? eventStream(streamFrames(next as ScriptedAnswer))
          : [json(200, wholeAnswer(next as ScriptedAnswer))]
      })
    },
    asked: () => provider.journal.slice(first).map(({ body }) => JSON.parse(body) as AskedBody),
    client: async (person, options = {}) =>
      new OpenAI({ apiKey: await accessToken(person), baseURL, maxRetries: 0, ...options }),
    async close() {
      await worker.close()
      await provider.close()
    },
  }
}

async function serveAgents(providerUrl: string, logged: string[]): Promise<FunctionProcess> {
  const env = {
    ...useStack().functionEnv,
    OPENROUTER_API_KEY: 'sk-or-v1-of-a-scripted-model',
    OPENROUTER_BASE_URL: providerUrl,
  }
  const worker = startFunction({
    name: 'agents',
    directory: path.join(root, 'supabase/functions'),
    env,
    watch: false,
    log: (line) => logged.push(line),
  })
  await worker.ready
  return worker
}

/** One chunk of a provider's stream. */
export const frame = (delta: object, rest: object = {}, usage?: object | null) =>
  `data: ${JSON.stringify({
    id: 'gen-1',
    model: 'scripted',
    choices: [{ index: 0, delta, ...rest }],
    ...(usage && { usage }),
  })}\n\n`

/** A whole answer as the frames of a stream; arguments of tools arrive in halves. */
export function streamFrames({ text = [], toolCalls = [], ...rest }: ScriptedAnswer): string[] {
  const { finish = toolCalls.length > 0 ? 'tool_calls' : 'stop', usage = plainUsage } = rest
  const calls = toolCalls.flatMap(({ id, name, arguments: args }, index) => {
    const half = Math.ceil(args.length / 2)
    const named = {
      index,
      id,
      type: 'function',
      function: { name, arguments: args.slice(0, half) },
    }
    return [named, { index, function: { arguments: args.slice(half) } }]
  })
  return [
    frame({ role: 'assistant', content: '' }),
    ...text.map((content) => frame({ content })),
    ...calls.map((call) => frame({ tool_calls: [call] })),
    frame({}, { finish_reason: finish }, usage),
    'data: [DONE]\n\n',
  ]
}

function wholeAnswer({ text = [], toolCalls = [], ...rest }: ScriptedAnswer): object {
  const { finish = toolCalls.length > 0 ? 'tool_calls' : 'stop', usage = plainUsage } = rest
  const calls = toolCalls.map(({ id, ...called }) => ({ id, type: 'function', function: called }))
  const message = {
    role: 'assistant',
    content: text.length > 0 ? text.join('') : null,
    ...(calls.length > 0 && { tool_calls: calls }),
  }
  const choices = [{ index: 0, message, finish_reason: finish }]
  return { id: 'gen-1', model: 'scripted', choices, ...(usage && { usage }) }
}
