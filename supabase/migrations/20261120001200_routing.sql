-- Routing: which agent and model answer, and the circuit breakers on the way.
-- Special: one function names every layer and the winner, for the invocation and for the explanation of it.

-- ── Routing ─────────────────────────────────────────────────────────────────────────────────────

create function private.effective_llm(
  organization_id bigint, agent_id bigint, model text, session_id uuid, project_id bigint
) returns table (
  layer_order integer, layer text, model_id bigint, name text, provider text, settings jsonb,
  is_winner boolean
)
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: called by definer functions, which have checked that session and project are the caller's.
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
      and (m.organization_id is null or m.organization_id = effective_llm.organization_id)
    order by m.priority, m.id limit 1)
  ),
  candidates as (
    select n.layer_order, n.layer, m.id as model_id, m.name, m.provider, n.settings
    from named n
    join public.models m
      on m.agent_id = effective_llm.agent_id and m.enabled
      and (m.organization_id is null or m.organization_id = effective_llm.organization_id)
      and (m.id = n.model_id or (n.model_id is null and m.name = n.name))
      and (n.provider is null or m.provider = n.provider)
  )
  select c.layer_order, c.layer, c.model_id, c.name, c.provider, c.settings,
    row_number() over (order by c.layer_order, c.model_id) = 1
  from candidates c
  order by c.layer_order, c.model_id;
end
$$;
comment on function private.effective_llm(bigint, bigint, text, uuid, bigint) is
  'Every layer that names an enabled model of the agent: request, session, project, schema '
  'preference, organization, agent.';
revoke all on function private.effective_llm(bigint, bigint, text, uuid, bigint)
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
      detail = 'No such agent, or it is disabled.';
  end if;
  return result;
end
$$;
comment on function private.find_agent(bigint, text, bigint) is
  'An enabled agent by name or id, the organization''s before the platform''s; PT404 agent_not_found.';
revoke all on function private.find_agent(bigint, text, bigint)
  from public, anon, authenticated, service_role;

-- The agent of a request that names none: the session's, else the organization's preference, else the
-- first one. Names are looked up by find_agent.
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
      ),
      (
        select a.name from public.agents a
        where a.enabled and (a.organization_id is null or a.organization_id = preferred_agent.organization_id)
          and (providers is null or a.type = any (providers) or exists (
            select 1 from client_mgmt.provider_credentials c
            where c.organization_id = preferred_agent.organization_id and c.provider = a.type
          ))
        order by a.organization_id nulls last, a.id limit 1
      )
    )
  );
end
$$;
comment on function private.preferred_agent(bigint, bigint, text[]) is
  'Name of the agent that answers when none is named: preference default_agent, else the first '
  'whose provider is configured.';
revoke all on function private.preferred_agent(bigint, bigint, text[])
  from public, anon, authenticated, service_role;

create function private.require_own_session(
  organization_id bigint,
  session_id uuid
) returns public.chat_sessions
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: locks the row. Another person's session, another organization's and none at all are one error.
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
      detail = 'No session of yours has this id.';
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
    raise exception using errcode = 'PT404', message = 'project_not_found', detail = 'No such project.';
  end if;
end
$$;
comment on function private.require_project(bigint, bigint) is
  'Passes for null and for the organization''s project; else PT404 project_not_found.';
revoke all on function private.require_project(bigint, bigint) from public, anon, authenticated, service_role;

create function private.explain_effective_llm(agent text, model text, session_id uuid, project_id bigint)
returns table (layer text, model_name text, provider text, settings jsonb, is_winner boolean)
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: explains what begin_execution() would choose, from the same functions, for the caller only.
#variable_conflict use_column
declare
  organization constant bigint := private.require_organization();
  chat public.chat_sessions;
  project bigint := explain_effective_llm.project_id;
  chosen public.agents;
begin
  if explain_effective_llm.session_id is not null then
    chat := private.require_own_session(organization, explain_effective_llm.session_id);
  end if;
  project := coalesce(project, chat.project_id);
  perform private.require_project(organization, project);
  chosen := private.find_agent(
    organization,
    coalesce(explain_effective_llm.agent,
      case when chat.agent_id is null then private.preferred_agent(organization, project, null) end),
    case when explain_effective_llm.agent is null then chat.agent_id end
  );
  return query
  select e.layer, e.name, e.provider, e.settings, e.is_winner
  from private.effective_llm(organization, chosen.id, explain_effective_llm.model, chat.id, project) e;
end
$$;
comment on function private.explain_effective_llm(text, text, uuid, bigint) is
  'Body of public.explain_effective_llm().';
revoke all on function private.explain_effective_llm(text, text, uuid, bigint)
  from public, anon, authenticated, service_role;
grant execute on function private.explain_effective_llm(text, text, uuid, bigint) to authenticated;

create function public.explain_effective_llm(
  agent text default null, model text default null, session_id uuid default null,
  project_id bigint default null
) returns table (layer text, model_name text, provider text, settings jsonb, is_winner boolean)
language sql volatile security invoker set search_path = ''
as $$ select * from private.explain_effective_llm(agent, model, session_id, project_id) $$;
comment on function public.explain_effective_llm(text, text, uuid, bigint) is
  'Which model an invocation with these arguments would use: every layer that names one, in order, '
  'and the winner.';
revoke all on function public.explain_effective_llm(text, text, uuid, bigint)
  from public, anon, authenticated, service_role;
grant execute on function public.explain_effective_llm(text, text, uuid, bigint) to authenticated;

create function private.available_models(providers text[])
returns table (agent text, model text, owned_by text, created_at timestamptz)
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: sees which providers have a key of the organization's own, which members do not.
#variable_conflict use_column
declare
  organization constant bigint := private.require_organization();
begin
  return query
  select a.name, m.name, case
    when m.organization_id is null then 'platform'
    else 'organization' end, m.created_at
  from (
    -- As find_agent(): the organization's agent hides the platform's of the same name.
    select distinct on (every.name) every.id, every.name, every.organization_id
    from public.agents every
    where every.enabled and (every.organization_id is null or every.organization_id = organization)
    order by every.name, every.organization_id nulls last
  ) a
  join public.models m on m.agent_id = a.id and m.enabled
    and (m.organization_id is null or m.organization_id = organization)
  where providers is null or m.provider = any (providers) or exists (
    select 1 from client_mgmt.provider_credentials c
    where c.organization_id = organization and c.provider = m.provider
  )
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
  'The enabled models that begin_execution() finds for the caller''s organization, by agent, each '
  'agent''s in the order of its route. providers: those the platform has a key for; null asks for '
  'no key. 42501 no_organization.';
revoke all on function public.available_models(text[]) from public, anon, authenticated, service_role;
grant execute on function public.available_models(text[]) to authenticated;

-- ── Circuit breaker ─────────────────────────────────────────────────────────────────────────────
-- Opens after 5 provider faults in a row; after 30 s exactly one caller may probe, for at most 60 s.
-- A closed breaker without faults has no row to write. One update decides who probes.

create function private.check_breaker(
  credential_owner bigint, agent_id bigint, model_id bigint, out generation bigint, out needs_probe boolean
)
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: the table denies everyone. Called by plan_route() only, and only looks: a caller who could
-- take the one probe and sit on it would keep a breaker open for everyone.
#variable_conflict use_column
declare
  breaker public.circuit_breaker_state;
begin
  select b.* into breaker from public.circuit_breaker_state b
  where b.organization_id is not distinct from credential_owner
    and b.agent_id = check_breaker.agent_id and b.model_id = check_breaker.model_id;
  if not found then
    generation := 0;
    needs_probe := false;
  elsif breaker.state = 'closed' then
    generation := breaker.generation;
    needs_probe := false;
  elsif (breaker.state = 'open' and breaker.opened_at <= clock_timestamp() - interval '30 seconds')
    or (breaker.state = 'half_open' and breaker.probe_expires_at <= clock_timestamp())
  then
    generation := breaker.generation;
    needs_probe := true;
  end if;
end
$$;
comment on function private.check_breaker(bigint, bigint, bigint) is
  'Generation under which a call may be made, and whether acquire_probe() must come first; nulls '
  'while the breaker is open or another worker probes. credential_owner: the organization whose '
  'own key is used; null for the platform''s.';

create function private.settle_breaker(
  credential_owner bigint, agent_id bigint, model_id bigint, generation bigint, outcome text
) returns void
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: the table denies everyone. Called by finish_execution() only. outcome: success, fault, neutral.
#variable_conflict use_column
begin
  if outcome = 'fault' then
    insert into public.circuit_breaker_state as b (
      organization_id, agent_id, model_id, failure_count, last_failure_time
    ) values (credential_owner, settle_breaker.agent_id, settle_breaker.model_id, 1, clock_timestamp())
    on conflict on constraint circuit_breaker_state_key do update set
      failure_count = b.failure_count + 1,
      last_failure_time = clock_timestamp(),
      state = case when b.state = 'half_open' or b.failure_count + 1 >= 5 then 'open' else b.state end,
      opened_at = case
        when b.state = 'half_open'
        or b.failure_count + 1 >= 5 then clock_timestamp()
        else b.opened_at end,
      generation = case
        when b.state = 'half_open'
        or b.failure_count + 1 >= 5 then b.generation + 1
        else b.generation end,
      probe_expires_at = null
    -- A late fault of an older generation says nothing of the provider now.
    where b.generation = settle_breaker.generation and b.state <> 'open';
  elsif outcome = 'success' then
    update public.circuit_breaker_state b
    set state = 'closed', failure_count = 0, probe_expires_at = null, last_success_time = clock_timestamp(),
      success_count = b.success_count + case when b.state = 'half_open' then 1 else 0 end
    where b.organization_id is not distinct from credential_owner
      and b.agent_id = settle_breaker.agent_id
      and b.model_id = settle_breaker.model_id
      and b.generation = settle_breaker.generation and (b.state <> 'closed' or b.failure_count > 0);
  else
    -- The probe ended without a word on the provider: the next caller may probe.
    update public.circuit_breaker_state b set probe_expires_at = clock_timestamp()
    where b.organization_id is not distinct from credential_owner
      and b.agent_id = settle_breaker.agent_id
      and b.model_id = settle_breaker.model_id
      and b.generation = settle_breaker.generation and b.state = 'half_open';
  end if;
end
$$;
comment on function private.settle_breaker(bigint, bigint, bigint, bigint, text) is
  'Counts an outcome under the generation it was made in. A success on a closed breaker without '
  'faults writes nothing.';
revoke all on function private.check_breaker(bigint, bigint, bigint),
  private.settle_breaker(bigint, bigint, bigint, bigint, text)
  from public, anon, authenticated, service_role;

-- ── Planning a route ────────────────────────────────────────────────────────────────────────

-- The route of an invocation as JSON: the model that won, then, when nobody asked for a particular
-- one, the agent's others in order; without the providers that have no key, without open breakers.
create function private.plan_route(
  organization_id bigint, agent_id bigint, model text, session_id uuid, project_id bigint, providers text[]
) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: called by begin_execution() and start_execution() only.
#variable_conflict use_column
declare
  winner record;
  candidate record;
  breaker record;
  route jsonb := jsonb_build_array();
  has_provider boolean := false;
begin
  select e.* into winner
  from private.effective_llm(
    plan_route.organization_id, plan_route.agent_id, plan_route.model, plan_route.session_id,
    plan_route.project_id
  ) e
  where e.is_winner and (plan_route.model is null or e.layer = 'request');
  if not found then
    raise exception using errcode = 'PT404', message = 'model_not_found',
      detail = 'The agent has no such enabled model.';
  end if;

  for candidate in
    select m.id, m.name, m.provider, m.model_id, a.config || m.config as config,
      c.organization_id as credential_owner
    from public.models m
    join public.agents a on a.id = m.agent_id
    left join client_mgmt.provider_credentials c
      on c.organization_id = plan_route.organization_id and c.provider = m.provider
    where m.agent_id = plan_route.agent_id and m.enabled
      and (m.organization_id is null or m.organization_id = plan_route.organization_id)
      and (m.id = winner.model_id or winner.layer not in ('request', 'session'))
    order by m.id <> winner.model_id, m.priority, m.id
  loop
    continue when candidate.credential_owner is null
      and plan_route.providers is not null and not candidate.provider = any (plan_route.providers);
    has_provider := true;
    breaker := private.check_breaker(candidate.credential_owner, plan_route.agent_id, candidate.id);
    continue when breaker.generation is null;
    route := route || jsonb_build_array(jsonb_build_object(
      'model_id', candidate.id, 'name', candidate.name, 'provider', candidate.provider,
      'model', candidate.model_id, 'config', candidate.config, 'settings', winner.settings,
      'credential', case when candidate.credential_owner is null then 'platform' else 'organization' end,
      'generation', breaker.generation, 'probe', breaker.needs_probe
    ));
  end loop;

  if route = '[]' then
    raise exception using errcode = 'PT503',
      message = case when has_provider then 'circuit_open' else 'provider_not_configured' end,
      detail = case when has_provider
        then 'The provider has failed repeatedly. Try again in half a minute.'
        else 'No key is configured for the provider of this model.' end;
  end if;
  return route;
end
$$;
comment on function private.plan_route(bigint, bigint, text, uuid, bigint, text[]) is
  'Models to try in order. PT404 model_not_found; PT503 provider_not_configured or circuit_open.';
revoke all on function private.plan_route(bigint, bigint, text, uuid, bigint, text[])
  from public, anon, authenticated, service_role;
