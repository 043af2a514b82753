-- The platform's own rows. Safe to apply again: names stay, descriptions and defaults follow this file.

insert into public.agents (organization_id, name, type, description, config) values
  (
    null, 'ccrouter', 'vertex-ai', 'Gemini models on Vertex AI',
    '{"provider":"vertex-ai","location":"us-central1"}'
  ),
  (null, 'droid', 'openrouter', 'Models through OpenRouter', '{"provider":"openrouter"}')
on conflict on constraint agents_name_key do update
set type = excluded.type, description = excluded.description, config = excluded.config;

insert into public.models (
  organization_id, agent_id, name, display_name, description, provider, model_id, priority
)
select null, a.id, m.name, m.display_name, m.description, m.provider, m.model_id, m.priority
from (values
  ('ccrouter', 'gemini-1.5-pro', 'Gemini 1.5 Pro', 'Long context', 'vertex-ai', 'gemini-1.5-pro', 10),
  ('ccrouter', 'gemini-1.5-flash', 'Gemini 1.5 Flash', 'Fast', 'vertex-ai', 'gemini-1.5-flash', 20),
  ('droid', 'claude-3-opus', 'Claude 3 Opus', 'By Anthropic', 'openrouter', 'anthropic/claude-3-opus', 10),
  ('droid', 'gpt-4', 'GPT-4', 'By OpenAI', 'openrouter', 'openai/gpt-4', 20)
) as m (agent, name, display_name, description, provider, model_id, priority)
join public.agents a on a.name = m.agent and a.organization_id is null
on conflict on constraint models_agent_id_name_key do update
set display_name = excluded.display_name, description = excluded.description,
  provider = excluded.provider, model_id = excluded.model_id, priority = excluded.priority;

-- List prices in US dollars per million tokens when the models were seeded. Add a row when one changes.
insert into client_mgmt.model_prices (provider, model_id, input_per_million, output_per_million) values
  ('vertex-ai', 'gemini-1.5-pro', 1.25, 5),
  ('vertex-ai', 'gemini-1.5-flash', 0.075, 0.3),
  ('openrouter', 'anthropic/claude-3-opus', 15, 75),
  ('openrouter', 'openai/gpt-4', 30, 60)
on conflict on constraint model_prices_key do nothing;

insert into public.preference_types (name, value_type, description) values
  ('default_agent', 'text', 'Name of the agent that answers when a request names none'),
  ('default_model', 'text', 'Name of the model when neither request, session nor project names one')
on conflict on constraint preference_types_name_key do update
set value_type = excluded.value_type, description = excluded.description;

insert into conversation.lens_prototypes (organization_id, name, prompt_template, output_schema) values
  (
    null, 'summary',
    'Summarise the conversation in five sentences at most. Say what it was about, what happened and '
    'how it ended. List the two to five points that matter most.',
    '{"type": "object", "properties": {"summary": {"type": "string"}, "key_points": {"type": "array",
      "items": {"type": "string"}}}, "required": ["summary", "key_points"], "additionalProperties": false}'
  ),
  (
    null, 'decisions',
    'List the decisions that were taken: what was decided, who decided it, and the turn that shows '
    'it. Then list the open points: what is not settled yet, and who is to settle it (null when '
    'nobody is named). List nothing that the conversation does not say.',
    '{"type": "object", "properties": {"decisions": {"type": "array", "items": {"type": "object",
      "properties": {"decision": {"type": "string"}, "decided_by": {"type": ["string", "null"]}, "turn":
      {"type": "integer", "minimum": 1, "description": "The number in brackets"}}, "required":
      ["decision", "decided_by", "turn"], "additionalProperties": false}}, "open_points": {"type":
      "array", "items": {"type": "object", "properties": {"point": {"type": "string"}, "owner": {"type":
      ["string", "null"]}, "turn": {"type": "integer", "minimum": 1, "description":
      "The number in brackets"}}, "required": ["point", "owner", "turn"], "additionalProperties":
      false}}}, "required": ["decisions", "open_points"], "additionalProperties": false}'
  ),
  (
    null, 'sentiment',
    'Follow the sentiment over the conversation. Give a point for the first turn, for each turn where '
    'the sentiment of a speaker changes, and for the last turn: the speaker, and a score from -1 '
    '(very negative) to 1 (very positive). Then give the overall sentiment.',
    '{"type": "object", "properties": {"overall": {"type": "string", "enum": ["negative", "mixed",
      "neutral", "positive"]}, "points": {"type": "array", "items": {"type": "object", "properties":
      {"turn": {"type": "integer", "minimum": 1, "description": "The number in brackets"}, "speaker":
      {"type": "string"}, "score": {"type": "number", "minimum": -1, "maximum": 1}, "reason": {"type":
      "string"}}, "required": ["turn", "speaker", "score", "reason"], "additionalProperties": false}}},
      "required": ["overall", "points"], "additionalProperties": false}'
  ),
  (
    null, 'topics',
    'List the topics of the conversation in the order in which they come up. Name each topic in one '
    'to four words, say in one sentence what was said about it, and give its first and last turn.',
    '{"type": "object", "properties": {"topics": {"type": "array", "items": {"type": "object",
      "properties": {"topic": {"type": "string"}, "about": {"type": "string"}, "first_turn": {"type":
      "integer", "minimum": 1, "description": "The number in brackets"}, "last_turn": {"type": "integer",
      "minimum": 1, "description": "The number in brackets"}}, "required": ["topic", "about",
      "first_turn", "last_turn"], "additionalProperties": false}}}, "required": ["topics"],
      "additionalProperties": false}'
  ),
  (
    null, 'support_quality',
    'Judge how well the customer was helped. Say whether the problem was resolved, and score from 1 '
    '(poor) to 5 (very good): empathy, clarity, correctness and effort (5: little effort for the '
    'customer). Give for each score the reason and name what should be done better next time.',
    '{"type": "object", "properties": {"problem": {"type": "string"}, "resolved": {"type": "string",
      "enum": ["yes", "partly", "no", "unknown"]}, "scores": {"type": "object", "properties": {"empathy":
      {"type": "object", "properties": {"score": {"type": "integer", "minimum": 1, "maximum": 5},
      "reason": {"type": "string"}}, "required": ["score", "reason"], "additionalProperties": false},
      "clarity": {"type": "object", "properties": {"score": {"type": "integer", "minimum": 1, "maximum":
      5}, "reason": {"type": "string"}}, "required": ["score", "reason"], "additionalProperties": false},
      "correctness": {"type": "object", "properties": {"score": {"type": "integer", "minimum": 1,
      "maximum": 5}, "reason": {"type": "string"}}, "required": ["score", "reason"],
      "additionalProperties": false}, "effort": {"type": "object", "properties": {"score": {"type":
      "integer", "minimum": 1, "maximum": 5}, "reason": {"type": "string"}}, "required": ["score",
      "reason"], "additionalProperties": false}}, "required": ["empathy", "clarity", "correctness",
      "effort"], "additionalProperties": false}, "improvements": {"type": "array", "items": {"type":
      "string"}}}, "required": ["problem", "resolved", "scores", "improvements"], "additionalProperties":
      false}'
  ),
  (
    null, 'sales_signals',
    'Find the signals that matter for a sale: interest, budget, authority, need, timing, objections '
    'and mentions of competitors. Quote the words that show each signal and give its turn. Then say '
    'how likely a purchase is, and what the next step should be. List nothing that the conversation '
    'does not say.',
    '{"type": "object", "properties": {"signals": {"type": "array", "items": {"type": "object",
      "properties": {"kind": {"type": "string", "enum": ["interest", "budget", "authority", "need",
      "timing", "objection", "competitor"]}, "quote": {"type": "string"}, "turn": {"type": "integer",
      "minimum": 1, "description": "The number in brackets"}}, "required": ["kind", "quote", "turn"],
      "additionalProperties": false}}, "likelihood": {"type": "string", "enum": ["low", "medium", "high",
      "unknown"]}, "next_step": {"type": "string"}}, "required": ["signals", "likelihood", "next_step"],
      "additionalProperties": false}'
  )
on conflict on constraint lens_prototypes_name_key do update
set prompt_template = excluded.prompt_template, output_schema = excluded.output_schema;
