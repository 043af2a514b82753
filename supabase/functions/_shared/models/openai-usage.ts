import { countOf, dollarsOf, isRecord } from '../json.ts'
import { addUpUsage } from './add-up-usage.ts'
import type { ModelUsage } from './model-protocol.ts'

type Json = Record<string, unknown>

/** The names that services have for each count. The first that is there counts. */
const names = {
  // OpenAI and most others; Ollama's own protocol.
  input: ['prompt_tokens', 'prompt_eval_count'],
  output: ['completion_tokens', 'output_tokens', 'eval_count'],
  // DeepSeek; Mistral; Moonshot.
  cached: ['prompt_cache_hit_tokens', 'num_cached_tokens', 'cached_tokens'],
} as const

/**
 * What an OpenAI-compatible service reports, as the truth or as an upper bound of it: a part that is
 * larger than its whole is added to it, and what no reading explains is counted as output and marked.
 * docs/openai-api.md has the shapes; tests/unit/models/usage.test.ts holds them.
 */
export function readOpenAiUsage(usage: Json): ModelUsage {
  const details = recordOf(usage['prompt_tokens_details'] ?? usage['input_tokens_details'])
  const outputs = recordOf(usage['completion_tokens_details'] ?? usage['output_tokens_details'])
  // Anthropic counts what it read from its cache, or wrote there, beside the input.
  const cacheRead = countOf(usage['cache_read_input_tokens'])
  const cacheWrite =
    countOf(details['cache_write_tokens']) ?? countOf(usage['cache_creation_input_tokens'])
  const cached = countOf(details['cached_tokens']) ?? first(usage, names.cached) ?? cacheRead
  const reasoning = countOf(outputs['reasoning_tokens']) ?? countOf(usage['reasoning_tokens'])
  const anthropic = sum(countOf(usage['input_tokens']), cacheRead, cacheWrite)
  const deepSeek = sum(cached, countOf(usage['prompt_cache_miss_tokens']))
  const input = first(usage, names.input) ?? anthropic ?? (cached === null ? null : deepSeek)
  const counts = addUpUsage({
    // No request has no input: 0 stands for "not counted".
    input: input === 0 ? null : input,
    output: first(usage, names.output),
    total: countOf(usage['total_tokens']),
    cached,
    reasoning,
  })
  return {
    ...counts,
    cachedInputTokens: cached,
    cacheWriteTokens: cacheWrite,
    reasoningTokens: reasoning,
    toolInputTokens: null,
    costUsd: readCost(usage),
  }
}

/** US dollars; null where nothing is said, and where 0 stands for something not known. */
function readCost(usage: Json): number | null {
  const ticks = usage['cost_in_usd_ticks']
  if (typeof ticks === 'number') return positive(dollarsOf(ticks / 1e10))
  // Perplexity gives its parts.
  const cost = dollarsOf(recordOf(usage['cost'])['total_cost'] ?? usage['cost'])
  const upstream = dollarsOf(recordOf(usage['cost_details'])['upstream_inference_cost'])
  const isByok = usage['is_byok']
  // With a key of one's own OpenRouter charges a fee, and the provider the rest.
  if (isByok === true) return upstream === null ? null : positive((cost ?? 0) + upstream)
  if (isByok === false) return cost
  if (cost === null) return null
  return positive(upstream !== null && upstream > cost ? cost + upstream : cost)
}

function positive(dollars: number | null): number | null {
  return dollars === 0 ? null : dollars
}

function first(usage: Json, keys: readonly string[]): number | null {
  for (const key of keys) {
    const count = countOf(usage[key])
    if (count !== null) return count
  }
  return null
}

function sum(counted: number | null, ...more: (number | null)[]): number | null {
  return counted === null ? null : more.reduce<number>((total, one) => total + (one ?? 0), counted)
}

function recordOf(value: unknown): Json {
  return isRecord(value) ? value : {}
}
