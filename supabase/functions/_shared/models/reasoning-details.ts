import { isRecord } from '../json.ts'
import type { ProviderMetadata } from './model-protocol.ts'

const growing = ['text', 'summary', 'data'] as const

/**
 * Collects OpenRouter's `reasoning_details`. Models that sign their thoughts want the whole blocks
 * back, in order; a stream delivers them in pieces that share an index.
 */
export class ReasoningDetails {
  readonly #provider: string
  readonly #model: string
  #blocks: Record<string, unknown>[] = []

  constructor(provider: string, model: string) {
    this.#provider = provider
    this.#model = model
  }

  add(details: readonly unknown[]): void {
    for (const detail of details) {
      if (!isRecord(detail)) continue
      const last = this.#blocks.at(-1)
      const continues =
        last !== undefined && last['type'] === detail['type'] && last['index'] === detail['index']
      if (continues) extend(last, detail)
      else this.#blocks.push({ ...detail })
    }
  }

  /** All blocks as metadata, once; null when there are none. */
  take(): ProviderMetadata | null {
    if (this.#blocks.length === 0) return null
    const blocks = this.#blocks
    this.#blocks = []
    return { provider: this.#provider, model: this.#model, reasoning_details: blocks }
  }
}

function extend(block: Record<string, unknown>, piece: Record<string, unknown>): void {
  for (const [key, value] of Object.entries(piece)) {
    const before = block[key]
    const grows = (growing as readonly string[]).includes(key)
    if (grows && typeof before === 'string' && typeof value === 'string')
      block[key] = before + value
    else if (value !== undefined && value !== null) block[key] = value
  }
}
