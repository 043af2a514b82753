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

insert into conversation.lens_prototypes (organization_id, name, prompt_template) values
  (null, 'summary', 'Summarise the conversation in five sentences at most.'),
  (null, 'decisions', 'List the decisions that were taken, who took each, and what is still open.')
on conflict on constraint lens_prototypes_name_key do update
set prompt_template = excluded.prompt_template;
