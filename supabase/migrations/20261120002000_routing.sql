-- Routing: the model choices of an organization and its projects, the agent and model that answer, and the
-- explanation of these and of the prompts.
-- Special: one function finds every layer and the winner, for the invocation and for its explanation.

-- ── llm_configs ───────────────────────────────────────────────────────────────────────────────

create table client_mgmt.llm_configs (
  organization_id bigint not null default private.current_organization_id()
    references public.organizations (id) on delete cascade,
  id bigint generated always as identity,
  project_id bigint,
  provider text not null
    constraint llm_configs_provider check (provider in ('vertex-ai', 'openrouter', 'openai-compatible')),
  model text not null constraint llm_configs_model_length check (char_length(model) between 1 and 200),
  settings jsonb not null default '{}'
    constraint llm_configs_settings_object check (jsonb_typeof(settings) = 'object')
    constraint llm_configs_settings_length check (octet_length(settings::text) <= 65536),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (organization_id, id),
  constraint llm_configs_project_key unique nulls not distinct (organization_id, project_id, provider),
  constraint llm_configs_project_fkey foreign key (organization_id, project_id)
    references client_mgmt.projects (organization_id, id) on delete cascade
);
comment on table client_mgmt.llm_configs is
  'The model choice of a project; project_id null: the organization''s default.';
comment on column client_mgmt.llm_configs.model is
  'A models.name of the agent. An entry whose model the agent lacks is skipped.';
comment on column client_mgmt.llm_configs.settings is
  'Parameters of a model call while this entry wins; only a request wins over them.';
alter table client_mgmt.llm_configs enable row level security;
alter table client_mgmt.llm_configs force row level security;
create policy select_member on client_mgmt.llm_configs for select to authenticated
  using (organization_id = (select private.current_organization_id()));
comment on policy select_member on client_mgmt.llm_configs is 'Every member sees the model choices.';
create policy insert_manager on client_mgmt.llm_configs for insert to authenticated
  with check (
    organization_id = (select private.current_organization_id())
    and (select private.has_permission('agents.manage'))
  );
comment on policy insert_manager on client_mgmt.llm_configs is 'With agents.manage.';
create policy update_manager on client_mgmt.llm_configs for update to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and (select private.has_permission('agents.manage'))
  )
  with check (
    organization_id = (select private.current_organization_id())
    and (select private.has_permission('agents.manage'))
  );
comment on policy update_manager on client_mgmt.llm_configs is 'With agents.manage.';
create policy delete_manager on client_mgmt.llm_configs for delete to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and (select private.has_permission('agents.manage'))
  );
comment on policy delete_manager on client_mgmt.llm_configs is 'With agents.manage.';
revoke all on client_mgmt.llm_configs from anon, authenticated, service_role;
grant select, delete on client_mgmt.llm_configs to authenticated;
grant insert (project_id, provider, model, settings), update (project_id, provider, model, settings)
  on client_mgmt.llm_configs to authenticated;
grant select, insert, update, delete on client_mgmt.llm_configs to service_role;
create trigger llm_configs_keep_columns before update of project_id on client_mgmt.llm_configs
  for each row when (current_user = 'authenticated' and new.project_id is distinct from old.project_id)
  execute function private.refuse_kept_columns('project_id');
create trigger llm_configs_check_settings before insert or update of settings on client_mgmt.llm_configs
  for each row execute function private.check_settings('settings');
create trigger llm_configs_updated_at before update on client_mgmt.llm_configs
  for each row execute function private.update_updated_at_column();
create trigger llm_configs_audit_insert after insert on client_mgmt.llm_configs
  referencing new table as after_rows
  for each statement execute function private.audit_change('llm_config', 'id');
create trigger llm_configs_audit_update after update on client_mgmt.llm_configs
  referencing old table as before_rows new table as after_rows
  for each statement execute function private.audit_change('llm_config', 'id');
create trigger llm_configs_audit_delete after delete on client_mgmt.llm_configs
  referencing old table as before_rows
  for each statement execute function private.audit_change('llm_config', 'id');

-- ── Routing ─────────────────────────────────────────────────────────────────────────────────────

create function private.effective_llm(
  organization_id bigint, agent_id bigint, model text, session_id uuid, project_id bigint,
  capability text default 'chat'
) returns table (
  layer_order integer, layer text, model_id bigint, name text, provider text, settings jsonb,
  is_winner boolean, left_out text
)
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: called by definer functions that have checked that session and project belong to the caller.
#variable_conflict use_column
begin
  return query
  with scope as (
    select p.client_schema_id
    from (select 1) one
    left join client_mgmt.projects p
      on p.organization_id = effective_llm.organization_id and p.id = effective_llm.project_id
  ),
  named (layer_order, layer, model_id, name, provider, settings) as (
    select 1, 'request', null::bigint, effective_llm.model, null::text, '{}'::jsonb
    union all
    select 2, 'session', s.model_id, null, null, '{}'
    from public.chat_sessions s
    where s.organization_id = effective_llm.organization_id
      and s.id = effective_llm.session_id
      and s.model_id is not null
    union all
    select 3, 'project', null, c.model, c.provider, c.settings
    from client_mgmt.llm_configs c
    where c.organization_id = effective_llm.organization_id and c.project_id = effective_llm.project_id
    union all
    select 4, 'schema_preference', null, v.preference_value, null, '{}'
    from public.client_schema_preferences v
    join public.preference_types t on t.id = v.preference_type_id and t.name = 'default_model'
    where v.organization_id = effective_llm.organization_id
      and v.client_schema_id = coalesce(
        (select client_schema_id from scope),
        (
          select min(c.id)
          from public.client_schemas c
          where c.organization_id = effective_llm.organization_id
        )
      )
    union all
    select 5, 'organization', null, c.model, c.provider, c.settings
    from client_mgmt.llm_configs c
    where c.organization_id = effective_llm.organization_id and c.project_id is null
    union all
    (select 6, 'agent', m.id, null, null, '{}'
    from public.models m
    where m.agent_id = effective_llm.agent_id and m.enabled
      and m.capabilities @> array[effective_llm.capability]
      and (m.organization_id is null or m.organization_id = effective_llm.organization_id)
    order by m.priority, m.id limit 1)
  ),
  candidates as (
    select n.layer_order, n.layer, m.id as model_id, coalesce(m.name, n.name) as name,
      coalesce(m.provider, n.provider) as provider, n.settings
    from named n
    left join public.models m
      on m.agent_id = effective_llm.agent_id and m.enabled
      and m.capabilities @> array[effective_llm.capability]
      and (m.organization_id is null or m.organization_id = effective_llm.organization_id)
      and (m.id = n.model_id or (n.model_id is null and m.name = n.name))
      and (n.provider is null or m.provider = n.provider)
    -- A session whose model was disabled names none.
    where m.id is not null or n.name is not null
  )
  select c.layer_order, c.layer, c.model_id, c.name, c.provider, c.settings,
    c.model_id is not null and row_number() over (
      order by c.model_id is null, c.layer_order, c.model_id
    ) = 1,
    case when c.model_id is null then 'model_not_found' end
  from candidates c
  order by c.layer_order, c.model_id;
end
$$;
comment on function private.effective_llm(bigint, bigint, text, uuid, bigint, text) is
  'Every layer that names a model: request, session, project, schema preference, organization, agent. '
  'left_out is model_not_found for one that the agent lacks, that is disabled, or without the capability.';
revoke all on function private.effective_llm(bigint, bigint, text, uuid, bigint, text)
  from public, anon, authenticated, service_role;

create function private.find_agent(organization_id bigint, agent text, agent_id bigint) returns public.agents
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: called by definer functions only.
#variable_conflict use_column
declare
  result public.agents;
begin
  select a.* into result
  from public.agents a
  where a.enabled
    and (a.organization_id is null or a.organization_id = find_agent.organization_id)
    and (find_agent.agent is null or a.name = find_agent.agent)
    and (find_agent.agent_id is null or a.id = find_agent.agent_id)
  order by a.organization_id nulls last, a.id
  limit 1;
  if not found then
    raise exception using errcode = 'PT404', message = 'agent_not_found',
      detail = 'No enabled agent has this name or id. Check it.';
  end if;
  return result;
end
$$;
comment on function private.find_agent(bigint, text, bigint) is
  'An enabled agent by name or id, the organization''s before the platform''s; PT404 agent_not_found.';
revoke all on function private.find_agent(bigint, text, bigint)
  from public, anon, authenticated, service_role;

create function private.is_configured(organization_id bigint, provider text, providers text[])
returns boolean
language sql stable security definer set search_path = ''
as $$
  -- Definer: called by definer functions only.
  select providers is null or is_configured.provider = any (providers) or exists (
    select 1 from client_mgmt.provider_credentials c
    where c.organization_id = is_configured.organization_id and c.provider = is_configured.provider
  )
$$;
comment on function private.is_configured(bigint, text, text[]) is
  'Whether a provider can be called: the platform has configured it (it is among providers, or they are not '
  'given), or the organization has a key for it.';
revoke all on function private.is_configured(bigint, text, text[])
  from public, anon, authenticated, service_role;

-- The agent of a request without an agent: the session's, else the organization's preference, else the
-- first one. find_agent() looks names up.
create function private.preferred_agent(
  organization_id bigint,
  project_id bigint,
  providers text[]
) returns text
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: called by definer functions only.
#variable_conflict use_column
begin
  return (
    select coalesce(
      (
        select v.preference_value
        from public.client_schema_preferences v
        join public.preference_types t on t.id = v.preference_type_id and t.name = 'default_agent'
        -- One that was disabled or deleted since is passed over.
        join public.agents a on a.name = v.preference_value and a.enabled
          and (a.organization_id is null or a.organization_id = v.organization_id)
        where v.organization_id = preferred_agent.organization_id
          and v.client_schema_id = coalesce(
            (
              select p.client_schema_id from client_mgmt.projects p
              where p.organization_id = preferred_agent.organization_id and p.id = preferred_agent.project_id
            ),
            (
              select min(c.id)
              from public.client_schemas c
              where c.organization_id = preferred_agent.organization_id
            )
          )
        limit 1
      ),
      (
        select a.name from public.agents a
        where a.enabled and (a.organization_id is null or a.organization_id = preferred_agent.organization_id)
          and private.is_configured(preferred_agent.organization_id, a.type, providers)
        order by a.organization_id nulls last, a.id limit 1
      )
    )
  );
end
$$;
comment on function private.preferred_agent(bigint, bigint, text[]) is
  'The name of the agent for a request without one: preference default_agent, else the first whose '
  'provider is configured.';
revoke all on function private.preferred_agent(bigint, bigint, text[])
  from public, anon, authenticated, service_role;

create function private.find_guests_agent(
  organization_id bigint, agent text, agent_id bigint, providers text[]
) returns public.agents
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: called by definer functions only. A closed agent and an absent one give one error.
#variable_conflict use_column
declare
  preferred constant text := private.preferred_agent(organization_id, null, providers);
  result public.agents;
begin
  select a.* into result
  from public.agents a
  where private.is_open_to_guests(find_guests_agent.organization_id, a.id)
    and (find_guests_agent.agent is null or a.name = find_guests_agent.agent)
    and (find_guests_agent.agent_id is null or a.id = find_guests_agent.agent_id)
  order by a.name is distinct from preferred,
    not private.is_configured(find_guests_agent.organization_id, a.type, providers),
    a.organization_id nulls last, a.id
  limit 1;
  if not found then
    raise exception using errcode = 'PT404', message = 'agent_not_found',
      detail = 'No enabled agent has this name or id. Check it.';
  end if;
  return result;
end
$$;
comment on function private.find_guests_agent(bigint, text, bigint, text[]) is
  'The agent of a guest''s request: the named one, else the preferred one, else the first that can answer, '
  'among those that are open to guests; PT404 agent_not_found.';
revoke all on function private.find_guests_agent(bigint, text, bigint, text[])
  from public, anon, authenticated, service_role;

create function private.require_own_session(
  organization_id bigint,
  session_id uuid
) returns public.chat_sessions
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: locks the row. Another person's session, another organization's and an absent one give one
-- error.
#variable_conflict use_column
declare
  result public.chat_sessions;
begin
  select s.* into result from public.chat_sessions s
  where s.organization_id = require_own_session.organization_id
    and s.id = require_own_session.session_id
    and s.user_id = private.current_user_id()
  for no key update;
  if not found then
    raise exception using errcode = 'PT404', message = 'session_not_found',
      detail = 'No session of the caller has this id. Check the id.';
  end if;
  return result;
end
$$;
comment on function private.require_own_session(bigint, uuid) is
  'The caller''s session, locked; PT404 session_not_found.';
revoke all on function private.require_own_session(bigint, uuid)
  from public, anon, authenticated, service_role;

create function private.require_project(organization_id bigint, project_id bigint) returns void
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: called by definer functions only.
begin
  if project_id is not null and not exists (
    select 1 from client_mgmt.projects p
    where p.organization_id = require_project.organization_id and p.id = require_project.project_id
  ) then
    raise exception using errcode = 'PT404', message = 'project_not_found',
      detail = 'The organization has no project with this id. Check the id.';
  end if;
end
$$;
comment on function private.require_project(bigint, bigint) is
  'Accepts null and a project of the organization; else PT404 project_not_found.';
revoke all on function private.require_project(bigint, bigint) from public, anon, authenticated, service_role;

create function private.explained_invocation(
  agent text, session_id uuid, project_id bigint,
  out session uuid, out context text, out chosen bigint, out project bigint
)
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: finds what begin_execution() would, with the same functions, for the caller only. Locks nothing.
#variable_conflict use_column
declare
  organization constant bigint := private.require_organization();
  chat public.chat_sessions;
begin
  if explained_invocation.session_id is not null then
    select s.* into chat from public.chat_sessions s
    where s.organization_id = organization
      and s.id = explained_invocation.session_id
      and s.user_id = private.current_user_id();
    if not found then
      raise exception using errcode = 'PT404', message = 'session_not_found',
        detail = 'No session of the caller has this id. Check the id.';
    end if;
  end if;
  session := chat.id;
  context := coalesce(chat.context, 'general');
  project := coalesce(explained_invocation.project_id, chat.project_id);
  perform private.require_project(organization, project);
  chosen := (private.find_agent(
    organization,
    coalesce(explained_invocation.agent,
      case when chat.agent_id is null then private.preferred_agent(organization, project, null) end),
    case when explained_invocation.agent is null then chat.agent_id end
  )).id;
end
$$;
comment on function private.explained_invocation(text, uuid, bigint) is
  'The session with its context, the agent and the project of an invocation with these arguments.';

create function private.explain_effective_llm(agent text, model text, session_id uuid, project_id bigint)
returns table (
  layer text, model_name text, provider text, settings jsonb, is_winner boolean, left_out text
)
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: explains the choice of begin_execution() with the same functions, for the caller only.
#variable_conflict use_column
declare
  organization constant bigint := private.require_organization();
  asked constant record := private.explained_invocation(agent, session_id, project_id);
begin
  return query
  select e.layer, e.name, e.provider, e.settings, e.is_winner, e.left_out
  from private.effective_llm(
    organization, asked.chosen, explain_effective_llm.model, asked.session, asked.project
  ) e;
end
$$;
comment on function private.explain_effective_llm(text, text, uuid, bigint) is
  'Body of public.explain_effective_llm().';

create function public.explain_effective_llm(
  agent text default null, model text default null, session_id uuid default null,
  project_id bigint default null
) returns table (
  layer text, model_name text, provider text, settings jsonb, is_winner boolean, left_out text
)
language sql stable security invoker set search_path = ''
as $$ select * from private.explain_effective_llm(agent, model, session_id, project_id) $$;
comment on function public.explain_effective_llm(text, text, uuid, bigint) is
  'The model of an invocation with these arguments: every layer that names one, in order, and the winner. '
  'left_out is model_not_found for a name that no enabled model of the agent has.';

create function private.explain_effective_prompts(session_id uuid, agent text, project_id bigint)
returns table (
  id bigint, layer text, scope text, priority integer, mandatory boolean, version integer, left_out text,
  content text
)
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: reads the caller's own layers with the function that begin_execution() calls. Without an
-- organization there is none.
#variable_conflict use_column
declare
  organization constant bigint := private.current_organization_id();
  asked record;
begin
  if organization is null then
    return;
  end if;
  asked := private.explained_invocation(agent, session_id, project_id);
  return query
  select p.* from private.prompt_layers(
    organization, private.current_user_id(), asked.chosen, asked.project, asked.context, false
  ) p;
end
$$;
comment on function private.explain_effective_prompts(uuid, text, bigint) is
  'Body of public.explain_effective_prompts() and public.get_effective_system_prompts().';

create function public.explain_effective_prompts(
  session_id uuid default null, agent text default null, project_id bigint default null
) returns table (
  id bigint, layer text, scope text, priority integer, mandatory boolean, version integer, left_out text,
  content text
)
language sql stable security invoker set search_path = ''
as $$ select * from private.explain_effective_prompts(session_id, agent, project_id) $$;
comment on function public.explain_effective_prompts(uuid, text, bigint) is
  'Every layer of the system prompts of the caller, rendered, in the order of an invocation with these '
  'arguments. left_out is null for a layer that is sent, else the reason: disabled, project or context (it '
  'is for another one), opted_out.';

create function public.get_effective_system_prompts(
  session_id uuid default null, agent text default null, project_id bigint default null
) returns table (
  id bigint, layer text, scope text, priority integer, mandatory boolean, version integer, content text
)
language sql stable security invoker set search_path = ''
as $$
  select p.id, p.layer, p.scope, p.priority, p.mandatory, p.version, p.content
  from private.explain_effective_prompts(session_id, agent, project_id) p
  where p.left_out is null
$$;
comment on function public.get_effective_system_prompts(uuid, text, bigint) is
  'The layers that an invocation of the caller with these arguments sends before the conversation, rendered, '
  'in order.';

revoke all on function
  private.explained_invocation(text, uuid, bigint),
  private.explain_effective_llm(text, text, uuid, bigint),
  private.explain_effective_prompts(uuid, text, bigint),
  public.explain_effective_llm(text, text, uuid, bigint),
  public.explain_effective_prompts(uuid, text, bigint),
  public.get_effective_system_prompts(uuid, text, bigint)
  from public, anon, authenticated, service_role;
grant execute on function
  private.explain_effective_llm(text, text, uuid, bigint),
  private.explain_effective_prompts(uuid, text, bigint),
  public.explain_effective_llm(text, text, uuid, bigint),
  public.explain_effective_prompts(uuid, text, bigint),
  public.get_effective_system_prompts(uuid, text, bigint)
  to authenticated;

create function private.available_models(providers text[])
returns table (agent text, model text, owned_by text, created_at timestamptz)
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: reads which providers have a key of the organization; members may not read that.
#variable_conflict use_column
declare
  organization constant bigint := private.require_organization();
begin
  return query
  select a.name, m.name, case
    when m.organization_id is null then 'platform'
    else 'organization' end, m.created_at
  from (
    -- As in find_agent(), the organization's agent overrides the platform's of the same name.
    select distinct on (every.name) every.id, every.name, every.organization_id
    from public.agents every
    where every.enabled and (every.organization_id is null or every.organization_id = organization)
    order by every.name, every.organization_id nulls last
  ) a
  join public.models m on m.agent_id = a.id and m.enabled
    and (m.organization_id is null or m.organization_id = organization)
  where private.is_configured(organization, m.provider, providers)
  order by a.organization_id nulls last, a.id, m.priority, m.id;
end
$$;
comment on function private.available_models(text[]) is 'Body of public.available_models().';
revoke all on function private.available_models(text[]) from public, anon, authenticated, service_role;
grant execute on function private.available_models(text[]) to authenticated;

create function public.available_models(providers text[] default null)
returns table (agent text, model text, owned_by text, created_at timestamptz)
language sql stable security invoker set search_path = ''
as $$ select * from private.available_models(providers) $$;
comment on function public.available_models(text[]) is
  'The enabled models that begin_execution() finds for the caller''s organization, by agent, in the order '
  'of the agent''s route. providers: those with a key of the platform; null skips the check of keys. 42501 '
  'no_organization.';
revoke all on function public.available_models(text[]) from public, anon, authenticated, service_role;
grant execute on function public.available_models(text[]) to authenticated;

-- ── Planning a route ────────────────────────────────────────────────────────────────────────

-- The route of an invocation as JSON: the winning model, then, unless the request or session chose it, the
-- agent's other models in order. Without models whose provider has no key or whose breaker is open.
create function private.plan_route(
  organization_id bigint, agent_id bigint, model text, session_id uuid, project_id bigint, providers text[],
  capability text default 'chat'
) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: called by begin_execution() and start_execution() only.
#variable_conflict use_column
declare
  candidate record;
  route jsonb := jsonb_build_array();
  has_model boolean := false;
  has_provider boolean := false;
  -- When the first of the paused models may be tried.
  opens_at timestamptz;
begin
  for candidate in
    select m.id, m.name, m.provider, m.model_id, m.context_tokens, a.config || m.config as config,
      coalesce(s.probe_expires_at, s.opened_at + interval '30 seconds') as opens_at,
      c.organization_id as credential_owner, b.generation, b.needs_probe,
      -- Each setting wins over those before it; a request wins over all.
      shared.of_organization || private.parameters_of(a.config || m.config) || shared.of_project
        || winner.settings as params
    from private.effective_llm(
      plan_route.organization_id, plan_route.agent_id, plan_route.model, plan_route.session_id,
      plan_route.project_id, plan_route.capability
    ) winner
    join public.models m on m.agent_id = plan_route.agent_id and m.enabled
      and m.capabilities @> array[plan_route.capability]
      and (m.organization_id is null or m.organization_id = plan_route.organization_id)
      and (m.id = winner.model_id or winner.layer not in ('request', 'session'))
    join public.agents a on a.id = m.agent_id
    left join client_mgmt.provider_credentials c
      on c.organization_id = plan_route.organization_id and c.provider = m.provider
    left join public.circuit_breaker_state s on s.agent_id = m.agent_id and s.model_id = m.id
      -- The breaker of the credential that the call would use.
      and s.organization_id is not distinct from c.organization_id
    cross join lateral private.check_breaker(s) b
    cross join (
      select
        coalesce((
          select private.parameters_of(o.settings) from public.organizations o
          where o.id = plan_route.organization_id
        ), '{}') as of_organization,
        coalesce((
          select private.parameters_of(p.settings) from client_mgmt.projects p
          where p.organization_id = plan_route.organization_id and p.id = plan_route.project_id
        ), '{}') as of_project
    ) shared
    where winner.is_winner and (plan_route.model is null or winner.layer = 'request')
    order by m.id <> winner.model_id, m.priority, m.id
  loop
    has_model := true;
    continue when candidate.credential_owner is null
      and plan_route.providers is not null and not candidate.provider = any (plan_route.providers);
    has_provider := true;
    if candidate.generation is null then
      opens_at := least(opens_at, candidate.opens_at);
      continue;
    end if;
    route := route || jsonb_build_array(jsonb_build_object(
      'model_id', candidate.id, 'name', candidate.name, 'provider', candidate.provider,
      'model', candidate.model_id, 'config', candidate.config - private.parameter_names(),
      'params', candidate.params,
      'credential', case when candidate.credential_owner is null then 'platform' else 'organization' end,
      'generation', candidate.generation, 'probe', candidate.needs_probe
    ) || jsonb_strip_nulls(jsonb_build_object(
      'context_tokens', candidate.context_tokens, 'capability', nullif(plan_route.capability, 'chat')
    )));
  end loop;

  if not has_model and exists (
    select 1 from public.models m
    where m.agent_id = plan_route.agent_id and m.enabled
      and (m.organization_id is null or m.organization_id = plan_route.organization_id)
      and (plan_route.model is null or m.name = plan_route.model)
  ) then
    raise exception using errcode = '22023', message = 'invalid_request',
      detail = case plan_route.capability when 'chat' then 'model: makes embeddings and does not chat.'
        else 'model: makes no embeddings. Name a model that does.' end;
  elsif not has_model then
    raise exception using errcode = 'PT404', message = 'model_not_found',
      detail = 'The agent has no enabled model of this name. Check the name.';
  end if;
  if route = '[]' then
    raise exception using errcode = 'PT503',
      message = case when has_provider then 'circuit_open' else 'provider_not_configured' end,
      detail = case when has_provider
        then 'The provider has failed repeatedly. Try again after the time in retry-after.'
        else 'No key is configured for the provider of this model.' end,
      hint = case when has_provider then jsonb_build_object(
        'retry_after', greatest(1, ceil(extract(epoch from opens_at - clock_timestamp())))
      )::text else '' end;
  end if;
  return route;
end
$$;
comment on function private.plan_route(bigint, bigint, text, uuid, bigint, text[], text) is
  'The models with the capability to try, in order, each with its configuration and the parameters of its '
  'calls. PT404 model_not_found; 22023 invalid_request for a model without the capability; PT503 '
  'provider_not_configured or circuit_open.';
revoke all on function private.plan_route(bigint, bigint, text, uuid, bigint, text[], text)
  from public, anon, authenticated, service_role;
create trigger llm_configs_require_permission before insert or update or delete on client_mgmt.llm_configs
  for each statement execute function private.require_permission('agents.manage');
