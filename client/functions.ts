import { Connection, type ConnectionOptions, type RequestOptions } from './connection.ts'
import type { Elicitation, ElicitationAnswer } from './elicitation.ts'
import type {
  Decision,
  InvokeAnswer,
  InvokeRequest,
  KeyProvider,
  PolledExecution,
  StoredProviderKey,
} from './invocation.ts'
import type { LensRun, LensRunRequest } from './lenses.ts'
import type { SearchAnswer, SearchRequest } from './search.ts'

/** The routes of the function `agents`, with types. Each throws ColloquyError with a sentence. */
export class Agents {
  readonly #connection: Connection

  constructor(options: ConnectionOptions | Connection) {
    this.#connection = Connection.of(options)
  }

  /** Asks an agent and waits for its whole answer. */
  invoke(request: InvokeRequest, signal?: AbortSignal): Promise<InvokeAnswer> {
    return this.#connection.json('functions/v1/agents/invoke', {
      body: { ...request, stream: false },
      ...(signal && { signal }),
    })
  }

  /** Asks an agent; the answer's body is the AI SDK's UI message stream. */
  stream(request: InvokeRequest, headers: RequestOptions['headers'] = {}): Promise<Response> {
    return this.#connection.request('functions/v1/agents/invoke', {
      body: { ...request, stream: true },
      headers,
    })
  }

  /** Reads the stream of an execution again, and follows it while the execution runs. */
  follow(executionId: string, after = '0', signal?: AbortSignal): Promise<Response> {
    return this.#connection.request(`functions/v1/agents/executions/${executionId}/stream`, {
      headers: { 'last-event-id': after },
      ...(signal && { signal }),
    })
  }

  /** Reads the status of an execution, and its end once it has one. */
  read(executionId: string, signal?: AbortSignal): Promise<PolledExecution> {
    return this.#connection.json(`functions/v1/agents/executions/${executionId}`, {
      ...(signal && { signal }),
    })
  }

  /** Stops an execution and keeps the text so far. */
  async cancel(executionId: string): Promise<void> {
    await this.#connection.request(`functions/v1/agents/executions/${executionId}/cancel`, {
      method: 'POST',
    })
  }

  /** Approves or denies a tool call that waits for the caller. */
  decide(executionId: string, toolCallId: string, decision: 'approve' | 'deny'): Promise<Decision> {
    const path = `executions/${executionId}/approvals/${encodeURIComponent(toolCallId)}`
    return this.#connection.json(`functions/v1/agents/${path}`, { body: { decision } })
  }

  /**
   * Answers what a tool asked: `data` of a part `data-elicitation`. The page of a question with `url` is
   * opened by the person; `accept` then says that the person is done there.
   */
  answer(
    {
      execution_id,
      tool_call_id,
      round,
    }: Pick<Elicitation, 'execution_id' | 'tool_call_id' | 'round'>,
    answers: Readonly<Record<string, ElicitationAnswer>>,
  ): Promise<Decision> {
    const path = `executions/${execution_id}/answers/${encodeURIComponent(tool_call_id)}`
    return this.#connection.json(`functions/v1/agents/${path}`, { body: { round, answers } })
  }

  /** Finds messages, turns and results by their words, their meaning, or both. */
  search(request: SearchRequest, signal?: AbortSignal): Promise<SearchAnswer> {
    return this.#connection.json('functions/v1/agents/search', {
      body: request,
      ...(signal && { signal }),
    })
  }

  /** Runs a lens over a block or a project for up to a minute, and answers how far the run is. */
  runLens(lensId: number, request: LensRunRequest): Promise<LensRun> {
    return this.#connection.json(`functions/v1/agents/lenses/${lensId}/runs`, { body: request })
  }

  /** Goes on with a run that has blocks left. */
  continueLensRun(runId: number): Promise<LensRun> {
    return this.#connection.json(`functions/v1/agents/lens-runs/${runId}/continue`, {
      method: 'POST',
    })
  }

  /** Stores the organization's own key of a provider, after a call with it has succeeded. */
  setProviderKey(provider: KeyProvider, apiKey: string): Promise<StoredProviderKey> {
    return this.#connection.json(`functions/v1/agents/provider-credentials/${provider}`, {
      method: 'PUT',
      body: { api_key: apiKey },
    })
  }

  async removeProviderKey(provider: KeyProvider): Promise<void> {
    await this.#connection.request(`functions/v1/agents/provider-credentials/${provider}`, {
      method: 'DELETE',
    })
  }
}
