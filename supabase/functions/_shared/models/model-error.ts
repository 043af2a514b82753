import type { ModelUsage } from './model-protocol.ts'

import { errorCodes } from '../errors.ts'

/**
 * The party at fault for a failed call. It decides who must act and whether the breaker counts the
 * failure: `provider` (429, 5xx, time-outs, cuts: counted), `caller` (the request itself is
 * refused), `platform` (credential, payment, configuration or the choice of model: not counted;
 * another model may still answer).
 */
export type ModelFault = 'provider' | 'caller' | 'platform'

/** Every way a model call can fail. The message is that of `errorCodes`: no foreign text is added. */
export const modelFaults = {
  provider_error: 'provider',
  provider_unreachable: 'provider',
  provider_rate_limited: 'provider',
  provider_timeout: 'provider',
  provider_stalled: 'provider',
  provider_stream_truncated: 'provider',
  provider_malformed_response: 'provider',
  provider_empty_response: 'provider',
  context_length_exceeded: 'caller',
  content_filtered: 'caller',
  provider_rejected_request: 'caller',
  provider_unsupported_output: 'caller',
  provider_model_not_found: 'platform',
  provider_unauthorized: 'platform',
  provider_payment_required: 'platform',
  provider_misconfigured: 'platform',
} as const satisfies Record<string, ModelFault>

export type ModelErrorCode = keyof typeof modelFaults

export interface ModelErrorOptions {
  /** HTTP status of the answer, or the status an error inside a 200 names. */
  status?: number | null
  /** How long the provider asks to wait, clamped to 0 to 1 hour. */
  retryAfterMs?: number | null
  /** For the log alone: the caller redacts and caps it (see redact.ts). */
  detail?: string | null
  /** Overrides the code's fault. */
  fault?: ModelFault
}

/** The one error a model call rejects with, besides the reason of the caller's abort signal. */
export class ModelError extends Error {
  override readonly name = 'ModelError'
  readonly status: number | null
  readonly retryAfterMs: number | null
  readonly detail: string | null
  readonly fault: ModelFault
  /** Whether any output (text, reasoning, part of a tool call) had arrived: then never retry. */
  outputSeen = false
  /** The provider's id of the answer, null when the call failed before one. */
  requestId: string | null = null
  /** What the provider reported of the failed answer: it is charged all the same. */
  usage: ModelUsage | null = null

  constructor(
    readonly code: ModelErrorCode,
    options: ModelErrorOptions = {},
  ) {
    super(errorCodes[code].message)
    this.status = options.status ?? null
    this.retryAfterMs = options.retryAfterMs ?? null
    this.detail = options.detail ?? null
    this.fault = options.fault ?? modelFaults[code]
  }

  /** Whether another try, or another route, may still give the caller an answer. */
  get retryable(): boolean {
    return this.fault === 'provider' && !this.outputSeen
  }

  /** Without `detail`, so that serializing an error by accident shows nothing foreign. */
  toJSON(): { code: ModelErrorCode; message: string; status: number | null; fault: ModelFault } {
    return { code: this.code, message: this.message, status: this.status, fault: this.fault }
  }
}
