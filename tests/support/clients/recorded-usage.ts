/** A shape in which a provider reports what an answer used, and what it is read as. */
export interface RecordedUsage {
  readonly by: string
  readonly reported: Record<string, unknown>
  /** Input, output, cached input and reasoning tokens, US dollars, and whether it is a bound only. */
  readonly counts: readonly [
    number | null,
    number | null,
    number | null,
    number | null,
    number | null,
    'estimated'?,
  ]
}

/** In the order of docs/openai-api.md. */
export const recordedUsage: readonly RecordedUsage[] = [
  {
    by: 'OpenAI',
    reported: {
      prompt_tokens: 1000,
      completion_tokens: 120,
      total_tokens: 1120,
      prompt_tokens_details: { cached_tokens: 900 },
      completion_tokens_details: { reasoning_tokens: 100 },
    },
    counts: [1000, 120, 900, 100, null],
  },
  {
    by: 'OpenRouter',
    reported: {
      prompt_tokens: 1000,
      completion_tokens: 500,
      total_tokens: 1500,
      cost: 0.06,
      is_byok: false,
      cost_details: { upstream_inference_cost: null },
    },
    counts: [1000, 500, null, null, 0.06],
  },
  {
    by: 'OpenRouter, own key',
    reported: {
      prompt_tokens: 1000,
      completion_tokens: 500,
      cost: 0,
      is_byok: true,
      cost_details: { upstream_inference_cost: 0.06 },
    },
    counts: [1000, 500, null, null, 0.06],
  },
  {
    by: 'OpenRouter, own key with a fee',
    reported: {
      prompt_tokens: 194,
      completion_tokens: 2,
      total_tokens: 196,
      cost: 0.5,
      cost_details: { upstream_inference_cost: 10 },
    },
    counts: [194, 2, null, null, 10.5],
  },
  {
    by: 'OpenRouter, own key of unknown cost',
    reported: { prompt_tokens: 10, completion_tokens: 2, cost: 0, is_byok: true },
    counts: [10, 2, null, null, null],
  },
  {
    by: 'OpenRouter, free model',
    reported: { prompt_tokens: 10, completion_tokens: 2, cost: 0, is_byok: false },
    counts: [10, 2, null, null, 0],
  },
  {
    by: 'a gateway that says 0',
    reported: { prompt_tokens: 10, completion_tokens: 2, cost: 0 },
    counts: [10, 2, null, null, null],
  },
  {
    by: 'Vertex AI, thoughts beside',
    reported: {
      prompt_tokens: 10,
      completion_tokens: 5,
      total_tokens: 115,
      completion_tokens_details: { reasoning_tokens: 100 },
    },
    counts: [10, 105, null, 100, null],
  },
  {
    by: 'Vertex AI, thoughts untold',
    reported: { prompt_tokens: 10, completion_tokens: 5, total_tokens: 115 },
    counts: [10, 105, null, null, null, 'estimated'],
  },
  {
    by: 'xAI',
    reported: {
      prompt_tokens: 32,
      completion_tokens: 9,
      total_tokens: 135,
      completion_tokens_details: { reasoning_tokens: 94 },
      cost_in_usd_ticks: 37756000,
    },
    counts: [32, 103, null, 94, 0.0037756],
  },
  {
    by: 'xAI, without a total',
    reported: {
      prompt_tokens: 32,
      completion_tokens: 9,
      completion_tokens_details: { reasoning_tokens: 94 },
    },
    counts: [32, 103, null, 94, null, 'estimated'],
  },
  {
    by: 'DeepSeek',
    reported: {
      prompt_tokens: 50,
      completion_tokens: 20,
      total_tokens: 70,
      prompt_cache_hit_tokens: 40,
      prompt_cache_miss_tokens: 10,
    },
    counts: [50, 20, 40, null, null],
  },
  {
    by: 'Anthropic-like',
    reported: {
      input_tokens: 3,
      output_tokens: 10,
      cache_read_input_tokens: 1000,
      cache_creation_input_tokens: 200,
    },
    counts: [1203, 10, 1000, null, null],
  },
  {
    by: 'Mistral',
    reported: {
      prompt_tokens: 50,
      completion_tokens: 20,
      total_tokens: 70,
      prompt_audio_seconds: {},
      num_cached_tokens: 16,
    },
    counts: [50, 20, 16, null, null],
  },
  {
    by: 'Groq',
    reported: {
      queue_time: 0.02,
      prompt_tokens: 18,
      prompt_time: 0.001,
      completion_tokens: 30,
      completion_time: 0.1,
      total_tokens: 48,
      total_time: 0.101,
    },
    counts: [18, 30, null, null, null],
  },
  {
    by: 'Ollama',
    reported: { prompt_eval_count: 26, eval_count: 298 },
    counts: [26, 298, null, null, null],
  },
  {
    by: 'Ollama, prompt in its cache',
    reported: { prompt_tokens: 0, completion_tokens: 5, total_tokens: 5 },
    counts: [null, 5, null, null, null],
  },
  {
    by: 'LiteLLM',
    reported: {
      prompt_tokens: 1203,
      completion_tokens: 10,
      total_tokens: 1213,
      prompt_tokens_details: { cached_tokens: 1000 },
      cache_read_input_tokens: 1000,
      cache_creation_input_tokens: 200,
    },
    counts: [1203, 10, 1000, null, null],
  },
  {
    by: 'LiteLLM, cache beside the prompt',
    reported: {
      prompt_tokens: 3,
      completion_tokens: 10,
      total_tokens: 1013,
      cache_read_input_tokens: 1000,
    },
    counts: [1003, 10, 1000, null, null],
  },
  {
    by: 'a total smaller than its parts',
    reported: { prompt_tokens: 10, completion_tokens: 5, total_tokens: 12 },
    counts: [10, 5, null, null, null, 'estimated'],
  },
  {
    by: 'no output counted',
    reported: { prompt_tokens: 10, total_tokens: 15 },
    counts: [10, 5, null, null, null],
  },
  {
    by: 'nothing but a total',
    reported: { total_tokens: 15 },
    counts: [null, null, null, null, null],
  },
]
