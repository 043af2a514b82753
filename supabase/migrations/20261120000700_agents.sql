-- Agents and models, their health and metrics, and the older preference tables.
-- Special: rows with organization_id null belong to the platform, and every member sees them. A composite
-- key cannot refer to them, so a trigger refuses a reference to another tenant's agent.

-- ── agents ────────────────────────────────────────────────────────────────────────────────────

create table public.agents (
  id bigint generated always as identity primary key,
  organization_id bigint default private.current_organization_id()
    references public.organizations (id) on delete cascade,
  name text not null constraint agents_name_format check (name ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
  type text not null constraint agents_type check (type in ('vertex-ai', 'openrouter', 'openai-compatible')),
  description text constraint agents_description_length check (char_length(description) <= 4000),
  instructions text
    constraint agents_instructions_length check (char_length(instructions) between 1 and 65536),
  enabled boolean not null default true,
  open_to_guests boolean not null default false,
  config jsonb not null default '{}'
    constraint agents_config_object check (jsonb_typeof(config) = 'object')
    constraint agents_config_length check (octet_length(config::text) <= 65536)
    constraint agents_config_provider check (config ->> 'provider' = type),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint agents_name_key unique nulls not distinct (organization_id, name)
);
comment on table public.agents is
  'Agents. organization_id null: the platform''s own. An organization''s agent overrides the platform''s '
  'agent of the same name for its members.';
comment on column public.agents.type is 'The wire protocol of its provider.';
comment on column public.agents.instructions is
  'A layer of the system prompts of every execution of the agent, as it is written. No member opts out of '
  'it.';
comment on column public.agents.open_to_guests is
  'True: guests may invoke it, with its own model and parameters. To a guest every other agent is absent.';
comment on column public.agents.config is
  'Parameters of a model call (private.parameter_names()), provider (equals type), and what the adapter '
  'needs: location, max_tokens_parameter, max_steps, tools. Never a secret.';
create index agents_enabled_idx on public.agents (organization_id, enabled);

alter table public.agents enable row level security;
alter table public.agents force row level security;
create policy select_member on public.agents for select to authenticated
  using (
    organization_id = (select private.current_organization_id())
    or (organization_id is null and (select private.current_organization_id()) is not null)
  );
comment on policy select_member on public.agents is 'The platform''s agents and the organization''s own.';
create policy insert_manager on public.agents for insert to authenticated
  with check (
    organization_id = (select private.current_organization_id())
    and (select private.has_permission('agents.manage'))
  );
comment on policy insert_manager on public.agents is 'Own agents, with agents.manage.';
create policy update_manager on public.agents for update to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and (select private.has_permission('agents.manage'))
  )
  with check (
    organization_id = (select private.current_organization_id())
    and (select private.has_permission('agents.manage'))
  );
comment on policy update_manager on public.agents is 'Own agents, with agents.manage; never the platform''s.';
create policy delete_manager on public.agents for delete to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and (select private.has_permission('agents.manage'))
  );
comment on policy delete_manager on public.agents is
  'Own agents, with agents.manage, while nothing refers to them.';
revoke all on public.agents from anon, authenticated, service_role;
grant select, delete on public.agents to authenticated;
grant insert (name, type, description, instructions, enabled, open_to_guests, config),
  update (name, type, description, instructions, enabled, open_to_guests, config)
  on public.agents to authenticated;
grant select, insert, update, delete on public.agents to service_role;
create trigger agents_keep_columns before update of type on public.agents
  for each row when (current_user = 'authenticated' and new.type is distinct from old.type)
  execute function private.refuse_kept_columns('type');
create trigger agents_check_settings before insert or update of config on public.agents
  for each row execute function private.check_settings(
    'config', 'provider', 'location', 'max_tokens_parameter', 'max_steps', 'tools'
  );
create trigger agents_updated_at before update on public.agents
  for each row execute function private.update_updated_at_column();
create trigger agents_audit_insert after insert on public.agents
  referencing new table as after_rows
  for each statement execute function private.audit_change('agent', 'id', 'instructions');
create trigger agents_audit_update after update on public.agents
  referencing old table as before_rows new table as after_rows
  for each statement execute function private.audit_change('agent', 'id', 'instructions');
create trigger agents_audit_delete after delete on public.agents
  referencing old table as before_rows
  for each statement execute function private.audit_change('agent', 'id', 'instructions');

create function private.is_open_to_guests(organization_id bigint, agent_id bigint) returns boolean
language sql stable security definer set search_path = ''
as $$
  -- Definer: called by definer functions only; no guest reads agents. An organization's own agent stands for
  -- the platform's of the same name, also where it is closed.
  select exists (
    select 1 from public.agents a
    where a.id = is_open_to_guests.agent_id and a.enabled and a.open_to_guests
      and (a.organization_id = is_open_to_guests.organization_id or (
        a.organization_id is null and not exists (
          select 1 from public.agents o
          where o.organization_id = is_open_to_guests.organization_id and o.name = a.name
        )
      ))
  )
$$;
comment on function private.is_open_to_guests(bigint, bigint) is
  'Whether the guests of an organization may invoke this agent.';
revoke all on function private.is_open_to_guests(bigint, bigint)
  from public, anon, authenticated, service_role;

-- ── models ────────────────────────────────────────────────────────────────────────────────────

create table public.models (
  id bigint generated always as identity primary key,
  organization_id bigint default private.current_organization_id()
    references public.organizations (id) on delete cascade,
  agent_id bigint not null references public.agents (id) on delete cascade,
  name text not null constraint models_name_length check (char_length(name) between 1 and 200),
  display_name text not null
    constraint models_display_name_length check (char_length(display_name) between 1 and 200),
  description text constraint models_description_length check (char_length(description) <= 4000),
  provider text not null
    constraint models_provider check (provider in ('vertex-ai', 'openrouter', 'openai-compatible')),
  model_id text not null constraint models_model_id_length check (char_length(model_id) between 1 and 200),
  enabled boolean not null default true,
  priority integer not null default 100,
  capabilities text[] not null default '{chat}'
    constraint models_capabilities check (
      capabilities <@ '{chat,embeddings}' and cardinality(capabilities) > 0 and cardinality(capabilities) <= 2
    ),
  context_tokens integer constraint models_context_tokens check (context_tokens > 0),
  config jsonb not null default '{}'
    constraint models_config_object check (jsonb_typeof(config) = 'object')
    constraint models_config_length check (octet_length(config::text) <= 65536),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint models_agent_id_name_key unique nulls not distinct (organization_id, agent_id, name)
);
comment on table public.models is 'The models of an agent, in order of priority: its route.';
comment on column public.models.model_id is 'The provider''s own name of the model.';
comment on column public.models.config is
  'As agents.config, without provider. It wins over the agent''s.';
comment on column public.models.priority is
  'Position in the agent''s route; the lowest enabled one is the agent''s default.';
comment on column public.models.capabilities is
  'chat: answers conversations; embeddings: makes vectors. A request for one finds only models with it.';
comment on column public.models.context_tokens is
  'Tokens of its window, as its provider says. A longer conversation loses its oldest turns before the call. '
  'Null: unknown, and the provider decides.';
create index models_agent_id_idx on public.models (agent_id, priority, id);
create index models_enabled_idx on public.models (organization_id, agent_id, enabled);

-- A reference to a table with platform rows cannot be a composite key. This trigger checks it for every
-- role: same tenant or platform-wide. Foreign and absent give one error.
create function private.check_shared_references() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: reads past the caller's policies, so that foreign and absent rows give the same error. In a
-- table without one of these columns the row has no such key.
declare
  before constant jsonb := case when tg_op = 'UPDATE' then to_jsonb(old) end;
  subject constant jsonb := to_jsonb(new);
  tenant constant bigint := (subject ->> 'organization_id')::bigint;
  agent constant bigint := (subject ->> 'agent_id')::bigint;
  model constant bigint := case when tg_table_name <> 'models' then (subject ->> 'model_id')::bigint end;
  lens constant bigint := (subject ->> 'lens_id')::bigint;
  -- The deletion of an agent deletes its models in another step: until then a row without agent_id keeps
  -- model_id.
  loses_agent constant boolean := agent is null and before is not null
    and before -> 'model_id' = subject -> 'model_id'
    and before -> 'organization_id' = subject -> 'organization_id';
  agent_is_there boolean := true;
  model_is_there boolean := true;
begin
  if agent is not null or (model is not null and not loses_agent) then
    select agent is null or exists (
        select 1 from public.agents a
        where a.id = agent and (a.organization_id is null or a.organization_id = tenant)
      ),
      model is null or loses_agent or exists (
        select 1 from public.models m
        where m.id = model and (m.organization_id is null or m.organization_id = tenant)
          and (agent is null or m.agent_id = agent)
      )
    into agent_is_there, model_is_there;
  end if;
  if not agent_is_there then
    raise exception using errcode = '23503', message = 'agent_not_found',
      detail = 'No agent has this id. Check the id.';
  elsif not model_is_there then
    raise exception using errcode = '23503', message = 'model_not_found',
      detail = 'The agent has no model with this id. Check the id.';
  end if;
  -- A query inside its own condition runs only for a row that has a lens.
  if lens is not null then
    if not exists (
      select 1 from conversation.lens_prototypes l
      where l.id = lens and (l.organization_id is null or l.organization_id = tenant)
    ) then
      raise exception using errcode = '23503', message = 'lens_not_found',
        detail = 'No lens has this id. Check the id.';
    end if;
  end if;
  return new;
end
$$;
comment on function private.check_shared_references() is
  'Trigger: refuses an agent_id, model_id or lens_id of another organization.';
revoke all on function private.check_shared_references() from public, anon, authenticated, service_role;

create trigger models_check_references before insert or update of organization_id, agent_id on public.models
  for each row execute function private.check_shared_references();

alter table public.models enable row level security;
alter table public.models force row level security;
create policy select_member on public.models for select to authenticated
  using (
    organization_id = (select private.current_organization_id())
    or (organization_id is null and (select private.current_organization_id()) is not null)
  );
comment on policy select_member on public.models is 'The platform''s models and the organization''s own.';
create policy insert_manager on public.models for insert to authenticated
  with check (
    organization_id = (select private.current_organization_id())
    and (select private.has_permission('agents.manage'))
  );
comment on policy insert_manager on public.models is 'Own models, with agents.manage.';
create policy update_manager on public.models for update to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and (select private.has_permission('agents.manage'))
  )
  with check (
    organization_id = (select private.current_organization_id())
    and (select private.has_permission('agents.manage'))
  );
comment on policy update_manager on public.models is 'Own models, with agents.manage; never the platform''s.';
create policy delete_manager on public.models for delete to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and (select private.has_permission('agents.manage'))
  );
comment on policy delete_manager on public.models is
  'Own models, with agents.manage, while nothing refers to them.';
revoke all on public.models from anon, authenticated, service_role;
grant select, delete on public.models to authenticated;
grant insert (
    agent_id, name, display_name, description, provider, model_id, enabled, priority, capabilities,
    context_tokens, config
  ),
  update (
    agent_id, name, display_name, description, provider, model_id, enabled, priority, capabilities,
    context_tokens, config
  )
  on public.models to authenticated;
grant select, insert, update, delete on public.models to service_role;
create trigger models_keep_columns before update of agent_id, provider, model_id on public.models
  for each row when (
    current_user = 'authenticated'
    and (new.agent_id, new.provider, new.model_id) is distinct from (old.agent_id, old.provider, old.model_id)
  )
  execute function private.refuse_kept_columns('agent_id', 'provider', 'model_id');
create trigger models_check_settings before insert or update of config on public.models
  for each row execute function private.check_settings(
    'config', 'location', 'max_tokens_parameter', 'max_steps', 'tools'
  );
create trigger models_updated_at before update on public.models
  for each row execute function private.update_updated_at_column();
create trigger models_audit_insert after insert on public.models
  referencing new table as after_rows
  for each statement execute function private.audit_change('model', 'id');
create trigger models_audit_update after update on public.models
  referencing old table as before_rows new table as after_rows
  for each statement execute function private.audit_change('model', 'id');
create trigger models_audit_delete after delete on public.models
  referencing old table as before_rows
  for each statement execute function private.audit_change('model', 'id');

-- ── agent_health, agent_metrics ──────────────────────────────────────────────────────────────

create table public.agent_health (
  id bigint generated always as identity primary key,
  organization_id bigint references public.organizations (id) on delete cascade,
  agent_id bigint not null references public.agents (id) on delete cascade,
  status text not null default 'healthy'
    constraint agent_health_status check (status in ('healthy', 'degraded', 'unhealthy')),
  last_check timestamptz not null default now(),
  last_error text,
  consecutive_failures integer not null default 0,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint agent_health_agent_id_key unique nulls not distinct (organization_id, agent_id)
);
comment on table public.agent_health is
  'The health of an agent for one organization. finish_execution() writes it; a row appears with the first '
  'fault.';
comment on column public.agent_health.last_error is 'Stable error code of the last fault.';
create index agent_health_agent_id_idx on public.agent_health (agent_id);
create index agent_health_status_idx on public.agent_health (organization_id, status);
alter table public.agent_health enable row level security;
alter table public.agent_health force row level security;
create policy select_member on public.agent_health for select to authenticated
  using (organization_id = (select private.current_organization_id()));
comment on policy select_member on public.agent_health is 'Every member sees the organization''s own rows.';
revoke all on public.agent_health from anon, authenticated, service_role;
grant select on public.agent_health to authenticated, service_role;
-- No insert, update or delete: finish_execution().
create trigger agent_health_check_references
  before insert or update of organization_id, agent_id on public.agent_health
  for each row execute function private.check_shared_references();
create trigger agent_health_updated_at before update on public.agent_health
  for each row execute function private.update_updated_at_column();

create table public.agent_metrics (
  id bigint generated always as identity primary key,
  organization_id bigint references public.organizations (id) on delete cascade,
  agent_id bigint not null references public.agents (id),
  date date not null default (now() at time zone 'utc')::date,
  total_requests bigint not null default 0,
  successful_requests bigint not null default 0,
  failed_requests bigint not null default 0,
  cancelled_requests bigint not null default 0,
  measured_requests bigint not null default 0,
  avg_latency_ms numeric(12, 2) not null default 0,
  avg_tokens_in numeric(14, 2),
  avg_tokens_out numeric(14, 2),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint agent_metrics_day_key unique nulls not distinct (organization_id, agent_id, date),
  constraint agent_metrics_total check (
    total_requests = successful_requests + failed_requests + cancelled_requests
  )
);
comment on table public.agent_metrics is
  'Per organization, agent and day (UTC): every ended execution, also failed ones. finish_execution() '
  'writes it.';
comment on column public.agent_metrics.measured_requests is
  'Requests with known token counts; the averages of tokens use only these.';
comment on column public.agent_metrics.avg_latency_ms is 'Over all requests, in milliseconds.';
comment on column public.agent_metrics.avg_tokens_in is 'Null until a token count is known.';
create index agent_metrics_agent_id_idx on public.agent_metrics (agent_id, date);
create index agent_metrics_date_idx on public.agent_metrics (organization_id, date);
alter table public.agent_metrics enable row level security;
alter table public.agent_metrics force row level security;
create policy select_member on public.agent_metrics for select to authenticated
  using (organization_id = (select private.current_organization_id()));
comment on policy select_member on public.agent_metrics is 'The organization''s own figures.';
revoke all on public.agent_metrics from anon, authenticated, service_role;
grant select on public.agent_metrics to authenticated, service_role;
-- No insert, update or delete: finish_execution().
create trigger agent_metrics_check_references
  before insert or update of organization_id, agent_id on public.agent_metrics
  for each row execute function private.check_shared_references();
create trigger agent_metrics_updated_at before update on public.agent_metrics
  for each row execute function private.update_updated_at_column();

-- ── Prices ────────────────────────────────────────────────────────────────────────────────────

create table client_mgmt.model_prices (
  id bigint generated always as identity primary key,
  organization_id bigint default private.current_organization_id()
    references public.organizations (id) on delete cascade,
  provider text not null
    constraint model_prices_provider_length check (char_length(provider) between 1 and 200),
  model_id text not null
    constraint model_prices_model_id_length check (char_length(model_id) between 1 and 200),
  valid_from timestamptz not null default '-infinity',
  input_per_million numeric(18, 9) constraint model_prices_input check (input_per_million >= 0),
  output_per_million numeric(18, 9) constraint model_prices_output check (output_per_million >= 0),
  cached_input_per_million numeric(18, 9)
    constraint model_prices_cached check (cached_input_per_million >= 0),
  created_at timestamptz not null default now(),
  constraint model_prices_key unique nulls not distinct (organization_id, provider, model_id, valid_from)
);
comment on table client_mgmt.model_prices is
  'US dollars per million tokens, from valid_from until the next row. Null is unknown: then the cost is '
  'null, never 0. organization_id null: the platform''s list. An organization prices what that list lacks.';
alter table client_mgmt.model_prices enable row level security;
alter table client_mgmt.model_prices force row level security;
create policy select_member on client_mgmt.model_prices for select to authenticated
  using (
    organization_id = (select private.current_organization_id())
    or (organization_id is null and (select private.current_organization_id()) is not null)
  );
comment on policy select_member on client_mgmt.model_prices is
  'Every member sees what models cost: the platform''s list and the organization''s own.';
create policy insert_billing on client_mgmt.model_prices for insert to authenticated
  with check (
    organization_id = (select private.current_organization_id())
    and (select private.has_permission('billing.manage'))
  );
comment on policy insert_billing on client_mgmt.model_prices is 'Own prices, with billing.manage.';
create policy delete_billing on client_mgmt.model_prices for delete to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and (select private.has_permission('billing.manage'))
  );
comment on policy delete_billing on client_mgmt.model_prices is
  'Own prices, with billing.manage; never the platform''s.';
revoke all on client_mgmt.model_prices from anon, authenticated, service_role;
grant select, delete on client_mgmt.model_prices to authenticated;
grant insert (
    provider, model_id, valid_from, input_per_million, output_per_million, cached_input_per_million
  )
  on client_mgmt.model_prices to authenticated;
grant select, insert on client_mgmt.model_prices to service_role;
-- No update: a new price is a new row.
create trigger model_prices_audit_insert after insert on client_mgmt.model_prices
  referencing new table as after_rows
  for each statement execute function private.audit_change('model_price', 'id');
create trigger model_prices_audit_delete after delete on client_mgmt.model_prices
  referencing old table as before_rows
  for each statement execute function private.audit_change('model_price', 'id');
create trigger model_prices_require_permission before insert or update or delete on client_mgmt.model_prices
  for each statement execute function private.require_permission('billing.manage');

create function private.model_price(
  organization bigint, provider text, model_id text
) returns client_mgmt.model_prices
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: called by definer functions that have checked the organization. The platform's price wins: it
-- pays the calls with its own keys, and an organization must not make them cheaper.
#variable_conflict use_column
declare
  result client_mgmt.model_prices;
begin
  select p.* into result
  from client_mgmt.model_prices p
  where (p.organization_id is null or p.organization_id = model_price.organization)
    and p.provider = model_price.provider and p.model_id = model_price.model_id
    and p.valid_from <= statement_timestamp()
  order by p.organization_id nulls first, p.valid_from desc
  limit 1;
  return result;
end
$$;
comment on function private.model_price(bigint, text, text) is
  'The price of a model that is valid now for an organization: the platform''s, else its own; else null.';
revoke all on function private.model_price(bigint, text, text) from public, anon, authenticated, service_role;

-- ── preference_types, client_schemas, client_schema_preferences ──────────────────────────────

create table public.preference_types (
  id bigint generated always as identity primary key,
  name text not null constraint preference_types_name_key unique
    constraint preference_types_name_length check (char_length(name) between 1 and 200),
  value_type text not null default 'text'
    constraint preference_types_value_type check (value_type in ('text', 'number', 'boolean', 'json')),
  description text,
  created_at timestamptz not null default now()
);
comment on table public.preference_types is 'The kinds of preferences. The platform''s list.';
alter table public.preference_types enable row level security;
alter table public.preference_types force row level security;
create policy select_member on public.preference_types for select to authenticated
  using ((select private.current_organization_id()) is not null);
comment on policy select_member on public.preference_types is 'Every member sees the list.';
revoke all on public.preference_types from anon, authenticated, service_role;
grant select on public.preference_types to authenticated;
grant select, insert, update on public.preference_types to service_role;

create table public.client_schemas (
  organization_id bigint not null references public.organizations (id) on delete cascade,
  id bigint generated always as identity,
  schema_name varchar(63) not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (organization_id, id),
  constraint client_schemas_schema_name_key unique (schema_name)
);
comment on table public.client_schemas is
  'Named sets of preferences; a project may name one. Each organization gets the first one when it is '
  'founded, and others by create_client_schema(). A name contains the organization''s id, so a name that is '
  'unique on the platform tells nothing about another tenant.';
create index client_schemas_organization_id_schema_name_idx
  on public.client_schemas (organization_id, schema_name);
alter table public.client_schemas enable row level security;
alter table public.client_schemas force row level security;
create policy select_member on public.client_schemas for select to authenticated
  using (organization_id = (select private.current_organization_id()));
comment on policy select_member on public.client_schemas is 'The organization''s own.';
revoke all on public.client_schemas from anon, authenticated, service_role;
grant select on public.client_schemas to authenticated;
grant select, insert, delete on public.client_schemas to service_role;
-- No client insert: create_client_schema() puts the organization's id before a chosen name, which without
-- it would tell the names of other tenants.
create trigger client_schemas_updated_at before update on public.client_schemas
  for each row execute function private.update_updated_at_column();

create function private.create_default_schema() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: the founder of the organization holds no grant to insert here.
begin
  insert into public.client_schemas (organization_id, schema_name) values (new.id, 'organization_' || new.id);
  return null;
end
$$;
comment on function private.create_default_schema() is
  'Trigger: gives each organization its first set of preferences.';
revoke all on function private.create_default_schema() from public, anon, authenticated, service_role;
create trigger organizations_default_schema after insert on public.organizations
  for each row execute function private.create_default_schema();

create function private.create_client_schema(name text) returns public.client_schemas
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no client holds a grant to insert, because of the form of the name.
declare
  organization constant bigint := private.require_organization('agents.manage');
  result public.client_schemas;
begin
  if name is null or name !~ '^[a-z][a-z0-9_]{0,29}$' then
    raise exception using errcode = '22023', message = 'invalid_request',
      detail = 'name: must have 1 to 30 small letters, digits and underscores, and begin with a letter.';
  elsif name ~ '^pg_' or name = any ('{
      auth,client_mgmt,conversation,cron,default,extensions,graphql,graphql_public,information_schema,net,
      organization,pgbouncer,postgres,private,public,realtime,storage,supabase_functions,
      supabase_migrations,vault}'::text[])
  then
    raise exception using errcode = '22023', message = 'invalid_request',
      detail = 'name: is reserved. Choose another one.';
  end if;
  insert into public.client_schemas (organization_id, schema_name)
  values (organization, format('organization_%s_%s', organization, name))
  on conflict on constraint client_schemas_schema_name_key do nothing
  returning * into result;
  if not found then
    raise exception using errcode = '23505', message = 'conflict',
      detail = 'The organization has a set of preferences of this name.';
  end if;
  return result;
end
$$;
comment on function private.create_client_schema(text) is 'Body of public.create_client_schema().';

create function public.create_client_schema(name text) returns public.client_schemas
language sql volatile security invoker set search_path = ''
as $$ select private.create_client_schema(name) $$;
comment on function public.create_client_schema(text) is
  'Makes a set of preferences, named organization_<id>_<name>. Needs agents.manage. 22023 invalid_request '
  'for a reserved or malformed name; 23505 conflict.';
revoke all on function private.create_client_schema(text), public.create_client_schema(text)
  from public, anon, authenticated, service_role;
grant execute on function private.create_client_schema(text), public.create_client_schema(text)
  to authenticated;

create table public.client_schema_preferences (
  organization_id bigint not null default private.current_organization_id(),
  id bigint generated always as identity,
  client_schema_id bigint not null,
  preference_type_id bigint not null references public.preference_types (id) on delete restrict,
  preference_value text not null
    constraint client_schema_preferences_value_length check (char_length(preference_value) <= 65536),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (organization_id, id),
  constraint client_schema_preferences_key unique (organization_id, client_schema_id, preference_type_id),
  constraint client_schema_preferences_schema_fkey foreign key (organization_id, client_schema_id)
    references public.client_schemas (organization_id, id) on delete cascade
);
comment on table public.client_schema_preferences is 'One value per set and preference.';
create index client_schema_preferences_type_idx on public.client_schema_preferences (preference_type_id);
alter table public.client_schema_preferences enable row level security;
alter table public.client_schema_preferences force row level security;
create policy select_member on public.client_schema_preferences for select to authenticated
  using (organization_id = (select private.current_organization_id()));
comment on policy select_member on public.client_schema_preferences is 'The organization''s own.';
create policy insert_manager on public.client_schema_preferences for insert to authenticated
  with check (
    organization_id = (select private.current_organization_id())
    and (select private.has_permission('agents.manage'))
  );
comment on policy insert_manager on public.client_schema_preferences is 'With agents.manage.';
create policy update_manager on public.client_schema_preferences for update to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and (select private.has_permission('agents.manage'))
  )
  with check (
    organization_id = (select private.current_organization_id())
    and (select private.has_permission('agents.manage'))
  );
comment on policy update_manager on public.client_schema_preferences is 'With agents.manage.';
create policy delete_manager on public.client_schema_preferences for delete to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and (select private.has_permission('agents.manage'))
  );
comment on policy delete_manager on public.client_schema_preferences is 'With agents.manage.';
revoke all on public.client_schema_preferences from anon, authenticated, service_role;
grant select, delete on public.client_schema_preferences to authenticated;
grant insert (client_schema_id, preference_type_id, preference_value),
  update (client_schema_id, preference_type_id, preference_value)
  on public.client_schema_preferences to authenticated;
grant select, insert, update, delete on public.client_schema_preferences to service_role;
create trigger client_schema_preferences_keep_columns
  before update of client_schema_id, preference_type_id on public.client_schema_preferences
  for each row when (
    current_user = 'authenticated'
    and (new.client_schema_id, new.preference_type_id)
      is distinct from (old.client_schema_id, old.preference_type_id)
  )
  execute function private.refuse_kept_columns('client_schema_id', 'preference_type_id');
create function private.is_json(value text) returns boolean
language plpgsql immutable security invoker set search_path = ''
as $$
begin
  return value::jsonb is not null;
exception when data_exception or program_limit_exceeded then
  return false;
end
$$;
comment on function private.is_json(text) is 'Whether a text is JSON that PostgreSQL can store.';

create function private.preference_problem(
  organization bigint, preference public.preference_types, value text
) returns text
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: called by definer functions only. Looks among the agents that the organization sees.
begin
  return case
    when preference.name = 'default_agent' and not exists (
      select 1 from public.agents a
      where a.name = value and (a.organization_id is null or a.organization_id = organization)
    ) then 'default_agent: the organization sees no agent of this name.'
    when preference.name = 'default_model' and not exists (
      select 1 from public.models m
      where m.name = value and (m.organization_id is null or m.organization_id = organization)
    ) then 'default_model: the organization sees no model of this name.'
    when preference.value_type = 'number' and value !~ '^-?[0-9]{1,15}(\.[0-9]{1,15})?$'
      then preference.name || ': must be a number, such as 2.5.'
    when preference.value_type = 'boolean' and value not in ('true', 'false')
      then preference.name || ': must be true or false.'
    when preference.value_type = 'json' and not private.is_json(value)
      then preference.name || ': must be JSON.'
  end;
end
$$;
comment on function private.preference_problem(bigint, public.preference_types, text) is
  'What the value of a preference must be, for a value that it cannot have; else null.';

create function private.check_preference() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: calls helpers that no API role may execute.
declare
  preference public.preference_types;
  problem text;
begin
  -- The foreign key refuses a type that is absent.
  select t.* into preference from public.preference_types t where t.id = new.preference_type_id;
  problem := private.preference_problem(new.organization_id, preference, new.preference_value);
  if problem is not null then
    raise exception using errcode = '22023', message = 'invalid_preference', detail = problem;
  end if;
  return new;
end
$$;
comment on function private.check_preference() is
  'Trigger: refuses a value of another type than its preference has, and a default agent or model that the '
  'organization does not see; 22023 invalid_preference.';
revoke all on function
  private.preference_problem(bigint, public.preference_types, text), private.is_json(text),
  private.check_preference()
  from public, anon, authenticated, service_role;
create trigger client_schema_preferences_check
  before insert or update of preference_value on public.client_schema_preferences
  for each row execute function private.check_preference();
create trigger client_schema_preferences_audit_insert after insert on public.client_schema_preferences
  referencing new table as after_rows
  for each statement execute function private.audit_change('preference', 'id');
create trigger client_schema_preferences_audit_update after update on public.client_schema_preferences
  referencing old table as before_rows new table as after_rows
  for each statement execute function private.audit_change('preference', 'id');
create trigger client_schema_preferences_audit_delete after delete on public.client_schema_preferences
  referencing old table as before_rows
  for each statement execute function private.audit_change('preference', 'id');
create trigger client_schema_preferences_updated_at before update on public.client_schema_preferences
  for each row execute function private.update_updated_at_column();
create trigger agents_require_permission before insert or update or delete on public.agents
  for each statement execute function private.require_permission('agents.manage');
create trigger models_require_permission before insert or update or delete on public.models
  for each statement execute function private.require_permission('agents.manage');
create trigger client_schema_preferences_require_permission
  before insert or update or delete on public.client_schema_preferences
  for each statement execute function private.require_permission('agents.manage');
