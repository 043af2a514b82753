/**
 * Whose fault a failed call is, which decides who must act and whether the breaker counts it:
 * `provider` (429, 5xx, time-outs, cuts: counted), `caller` (the request itself is refused),
 * `platform` (credential, payment, configuration or the choice of model: not counted, another model
 * may still answer).
 */
export type ModelFault = 'provider' | 'caller' | 'platform'

interface ModelErrorDefinition {
  readonly fault: ModelFault
  readonly message: string
}

/** Every way a model call can fail. The sentence is public; nothing foreign is ever added. */
export const modelErrorCodes = {
  provider_error: { fault: 'provider', message: 'The model provider failed.' },
  provider_unreachable: {
    fault: 'provider',
    message: 'The model provider could not be reached.',
  },
  provider_rate_limited: { fault: 'provider', message: 'The model provider is over its limit.' },
  provider_timeout: { fault: 'provider', message: 'The model provider did not answer in time.' },
  provider_stalled: {
    fault: 'provider',
    message: 'The model stopped in the middle of its answer.',
  },
  provider_stream_truncated: {
    fault: 'provider',
    message: 'The answer of the model provider was cut off.',
  },
  provider_malformed_response: {
    fault: 'provider',
    message: 'The model provider sent an answer that cannot be read.',
  },
  provider_empty_response: { fault: 'provider', message: 'The model sent an empty answer.' },
  provider_rejected_request: {
    fault: 'caller',
    message: 'The model provider rejected the request.',
  },
  provider_model_not_found: {
    fault: 'platform',
    message: 'The model provider does not offer this model.',
  },
  provider_unauthorized: {
    fault: 'platform',
    message: 'The model provider refused the configured credential.',
  },
  provider_payment_required: {
    fault: 'platform',
    message: 'The account at the model provider has no credit left.',
  },
  provider_misconfigured: {
    fault: 'platform',
    message: 'The model provider is not configured correctly.',
  },
} as const satisfies Record<string, ModelErrorDefinition>

export type ModelErrorCode = keyof typeof modelErrorCodes

export interface ModelErrorOptions {
  /** HTTP status of the answer, or the status an error inside a 200 names. */
  status?: number | null
  /** How long the provider asks to wait, clamped to 0 to 1 hour. */
  retryAfterMs?: number | null
  /** For the log alone: redacted and capped by whoever passes it (see redact.ts). */
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

  constructor(
    readonly code: ModelErrorCode,
    options: ModelErrorOptions = {},
  ) {
    super(modelErrorCodes[code].message)
    this.status = options.status ?? null
    this.retryAfterMs = options.retryAfterMs ?? null
    this.detail = options.detail ?? null
    this.fault = options.fault ?? modelErrorCodes[code].fault
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
