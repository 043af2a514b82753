import { readKeyset } from '../../../supabase/functions/_shared/crypto/keyset.ts'
import type { Admin, Database, Db } from '../../../supabase/functions/_shared/database.ts'
import type {
  BegunExecution,
  FinishedExecution,
  Outcome,
  RouteStep,
} from '../../../supabase/functions/_shared/executions/execution.ts'
import type { CallOptions, Models } from '../../../supabase/functions/_shared/executions/models.ts'
import { createWaitUntil } from '../../../supabase/functions/_shared/http/wait-until.ts'
import { WorkerLife } from '../../../supabase/functions/_shared/http/worker-life.ts'
import type { LogEntry } from '../../../supabase/functions/_shared/log/log.ts'
import type {
  ModelEvent,
  ModelRequest,
} from '../../../supabase/functions/_shared/models/model-protocol.ts'
import type { TestKey } from '../../../supabase/functions/_shared/provider-keys/test-key.ts'
import type { Clock } from '../../../supabase/functions/_shared/time.ts'
import { createApp } from '../../../supabase/functions/agents/app.ts'
import { stoppedClock } from '../clocks.ts'

/** An execution as begin_execution returns it, in memory. */
export function begunExecution(changes: Partial<BegunExecution> = {}): BegunExecution {
  return {
    organization_id: 7,
    execution_id: '0190a000-0000-7000-8000-000000000001',
    user_id: '0190a000-0000-7000-8000-000000000005',
    session_id: '0190a000-0000-7000-8000-000000000002',
    message_id: '0190a000-0000-7000-8000-000000000003',
    response_message_id: '0190a000-0000-7000-8000-000000000004',
    replayed: false,
    attempt: 1,
    status: 'running',
    agent: { id: 1, name: 'droid' },
    route: [routeStep('first')],
    system_prompts: ['Be brief.'],
    history: [{ id: 'm', role: 'user', content: 'Hello', parts: null }],
    params: {},
    tools: [],
    result: null,
    ...changes,
  }
}

export function routeStep(name: string, changes: Partial<RouteStep> = {}): RouteStep {
  return {
    model_id: name,
    name,
    provider: 'openrouter',
    model: `maker/${name}`,
    config: {},
    params: {},
    credential: 'platform',
    probe: false,
    ...changes,
  }
}

/** What finish_execution would store and return for an outcome. */
export function storedEnd(outcome: Outcome): FinishedExecution {
  const { status, finish_reason, error_code, content = '', parts, latency_ms = null } = outcome
  return {
    session_id: 'session',
    status,
    finish_reason: finish_reason ?? null,
    error_code: error_code ?? null,
    message: { id: 'answer', role: 'assistant', content, parts: parts ?? null },
    usage: {
      input_tokens: outcome.input_tokens ?? null,
      output_tokens: outcome.output_tokens ?? null,
      total_tokens: outcome.total_tokens ?? null,
    },
    cost_usd: null,
    model: outcome.model_id === undefined ? null : String(outcome.model_id),
    latency_ms,
    already_final: false,
  }
}

export interface DatabaseCall {
  readonly role: string
  readonly name: string
  readonly args: Readonly<Record<string, unknown>>
}

type Answer = (args: Readonly<Record<string, unknown>>) => unknown

/** The log of one execution as the database keeps it. */
export function memoryLog() {
  const batches: { seq: number; events: unknown[] }[] = []
  let stored: FinishedExecution | null = null
  const store = (seq: unknown, events: unknown) => {
    if (typeof events !== 'string') return
    batches.push({ seq: Number(seq), events: JSON.parse(events) as unknown[] })
  }
  const page = (after_seq: unknown) => {
    const next = Number(after_seq) + 1
    const from = Math.max(0, ...batches.map(({ seq }) => seq).filter((seq) => seq <= next))
    return {
      status: stored?.status ?? 'running',
      batches: batches.filter(({ seq }) => seq >= from),
    }
  }
  const answers: Record<string, Answer> = {
    append_execution_events: ({ seq, events }) => {
      store(seq, events)
      return 'running'
    },
    finish_execution: ({ outcome }) => {
      const { events_seq, events } = outcome as Outcome
      store(events_seq, events)
      return (stored = storedEnd(outcome as Outcome))
    },
    read_execution: ({ after_seq }) => page(after_seq),
    follow_execution: ({ after_seq, sessions }) => ({
      ...page(after_seq),
      readers: sessions,
      result: stored,
    }),
    read_execution_result: () => stored,
  }
  return { answers, batches, end: (end: FinishedExecution) => (stored = end) }
}

/** A database that answers functions by name and records every call. */
export function fakeDatabase(answers: Readonly<Record<string, Answer>> = {}) {
  const calls: DatabaseCall[] = []
  const all: Record<string, Answer> = {
    begin_execution: () => begunExecution(),
    renew_execution_lease: () => 'running',
    ...memoryLog().answers,
    ...answers,
  }
  const client = <Role extends string>(role: Role) => ({
    role,
    call: async (name: string, args: Readonly<Record<string, unknown>>): Promise<unknown> => {
      calls.push({ role, name, args })
      return all[name]?.(args)
    },
  })
  const admin = client('service_role') as Admin
  const db = client('authenticated') as Db
  const identify = () => Promise.reject(new Error('nothing here has an API key'))
  const database: Database = { admin, identify, forCaller: () => db }
  const outcomes = () =>
    calls
      .filter(({ name }) => name === 'finish_execution')
      .map(({ args }) => args.outcome as Outcome)
  return { database, admin, db, calls, outcomes }
}

/** An outcome without the events that go with it. */
export function withoutEvents({ events: _, events_seq: __, ...outcome }: Outcome): Outcome {
  return outcome
}

export const helloAnswer: readonly ModelEvent[][] = [
  [
    { type: 'start', requestId: 'gen-1', model: 'maker/first' },
    { type: 'text', text: 'Hello' },
  ],
  [{ type: 'text', text: ' there' }],
  [
    {
      type: 'usage',
      usage: {
        inputTokens: 3,
        outputTokens: 2,
        totalTokens: 5,
        cachedInputTokens: null,
        cacheWriteTokens: null,
        reasoningTokens: null,
        toolInputTokens: null,
        costUsd: null,
      },
    },
    { type: 'finish', reason: 'stop', rawReason: 'stop' },
  ],
]

/** What a call of a model says, batch after batch; a test can wait between two. */
type Script = (
  step: RouteStep,
  request: ModelRequest,
  options: CallOptions,
) => AsyncIterable<readonly ModelEvent[]> | Iterable<readonly ModelEvent[]>

/** Models that answer every call with the given batches, or as a function of the call says. */
export function fakeModels(
  answer: readonly (readonly ModelEvent[])[] | Script = helloAnswer,
): Models {
  const script: Script = typeof answer === 'function' ? answer : () => answer
  return {
    providers: ['openrouter'],
    async call(step, request, take, options) {
      for await (const events of script(step, request, options)) take(events)
    },
  }
}

const keyset = await readKeyset(`test:${Buffer.from([...Array(32).keys()]).toString('base64')}`)

/** The function `agents` over a fake database and fake models. */
export function agentsApp(
  options: {
    readonly answers?: Readonly<Record<string, Answer>>
    readonly models?: Models
    readonly clock?: Clock
    readonly testKey?: TestKey
    readonly worker?: WorkerLife
  } = {},
) {
  const entries: LogEntry[] = []
  const log = (entry: LogEntry) => entries.push(entry)
  const background: Promise<unknown>[] = []
  const { database, calls, outcomes } = fakeDatabase(options.answers)
  const app = createApp({
    database,
    models: options.models ?? fakeModels(),
    keyset,
    testKey: options.testKey ?? (async () => undefined),
    verifyAccessToken: async () => ({
      userId: 'u',
      sessionId: 's',
      organizationId: 7,
      isGuest: false,
      accessToken: 't',
    }),
    clock: options.clock ?? stoppedClock,
    worker: options.worker ?? new WorkerLife(stoppedClock, () => null),
    random: () => 0.5,
    log,
    waitUntil: createWaitUntil(log, { waitUntil: (work) => background.push(work) }),
  })
  const invoke = async (body: unknown, headers: Record<string, string> = {}) =>
    app.request('/agents/invoke', {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    })
  return { app, invoke, calls, outcomes, entries, background }
}

/** The ids and data of a stream's events, without comments; the last data is the text `[DONE]`. */
export function readEvents(
  stream: string,
): { id: number; data: Record<string, unknown> | string }[] {
  return stream
    .split('\n\n')
    .filter((block) => block !== '' && !block.startsWith(':'))
    .map((block) => {
      const [, id, data] = /^id: (\d+)\ndata: ([^\n]*)$/.exec(block) ?? []
      if (id === undefined || data === undefined) throw new Error(`not an event: ${block}`)
      const parsed = data === '[DONE]' ? data : (JSON.parse(data) as Record<string, unknown>)
      return { id: Number(id), data: parsed }
    })
}

/** The types of a stream's events in order. */
export function eventTypes(stream: string): unknown[] {
  return readEvents(stream).map(({ data }) => (typeof data === 'string' ? data : data.type))
}
