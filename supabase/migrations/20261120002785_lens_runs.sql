-- Runs of lenses: what a run will take, which block is next, and what became of it.
-- Special: a model is called through begin_execution() like any other, so a run has no rights, budgets or
-- limits of its own. A worker claims one block after the other in the caller's name, and only the service
-- role writes results. The same content, lens version and model are not asked again.

-- ── Content, as a model reads it ────────────────────────────────────────────────────────────────

create function private.block_lines(organization_id bigint, block_ids bigint[])
returns table (block_id bigint, place integer, line text)
language sql stable security invoker set search_path = ''
as $$
  -- Invoker: a view calls it for its reader.
  select k.block_id, k.sequence_order, format('[%s] %s, %s: %s', k.sequence_order, p.name,
    to_char(t."timestamp" at time zone 'UTC', 'YYYY-MM-DD HH24:MI'), t.content)
  from conversation.block_turns k
  join conversation.turns t on t.organization_id = k.organization_id and t.id = k.turn_id
  join conversation.participants p on p.organization_id = t.organization_id and p.id = t.participant_id
  where k.organization_id = block_lines.organization_id and k.block_id = any (block_lines.block_ids)
$$;
comment on function private.block_lines(bigint, bigint[]) is
  'The turns of blocks, each as `[place] speaker, time: words`.';

create function private.block_hash(organization_id bigint, block_id bigint) returns text
language sql stable security invoker set search_path = ''
as $$
  select encode(sha256(convert_to(coalesce(string_agg(l.line, E'\n' order by l.place), ''), 'UTF8')), 'hex')
  from private.block_lines(block_hash.organization_id, array[block_hash.block_id]) l
$$;
comment on function private.block_hash(bigint, bigint) is
  'SHA-256, in hexadecimal, of what a model reads of a block.';

create function private.block_parts(organization_id bigint, block_id bigint, part_bytes integer)
returns text[]
language plpgsql stable security invoker set search_path = ''
as $$
declare
  parts text[] := array[]::text[];
  part text := '';
  rest text;
  most integer;
begin
  for rest in
    select l.line from private.block_lines(block_parts.organization_id, array[block_parts.block_id]) l
    order by l.place
  loop
    if part <> '' and octet_length(part) + octet_length(rest) + 1 > part_bytes then
      parts := parts || part;
      part := '';
    end if;
    -- A turn that is longer than a part is cut.
    while octet_length(rest) > part_bytes loop
      most := part_bytes;
      while octet_length(left(rest, most)) > part_bytes loop
        most := (most::bigint * part_bytes / octet_length(left(rest, most)))::integer;
      end loop;
      parts := parts || left(rest, most);
      rest := substr(rest, most + 1);
    end loop;
    part := case when part = '' then rest else part || E'\n' || rest end;
    -- One more than a run accepts, so that its caller sees that there are too many.
    exit when cardinality(parts) > 100;
  end loop;
  return case when part = '' then parts else parts || part end;
end
$$;
comment on function private.block_parts(bigint, bigint, integer) is
  'What a model reads of a block, in parts of part_bytes at most: whole turns where they fit.';

-- ── The plan of a run ───────────────────────────────────────────────────────────────────────────

create type private.lens_plan as (
  lens_id bigint, version integer, project_id bigint, agent text, model text, part_bytes integer,
  block_ids bigint[], block_calls integer[], calls integer, input_tokens bigint, max_output_tokens bigint,
  max_cost_usd numeric
);
comment on type private.lens_plan is 'What a run of a lens will read and call.';

create type public.lens_run_estimate as (
  blocks integer, calls integer, input_tokens bigint, max_output_tokens bigint, max_cost_usd numeric,
  version integer, agent text, model text
);
comment on type public.lens_run_estimate is
  'What a run of a lens would take: blocks to read, calls of a model, tokens, and US dollars at most (null: '
  'a price is unknown).';

create function private.require_lens(organization_id bigint, lens_id bigint, version integer)
returns conversation.lens_versions
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: called by definer functions only.
#variable_conflict use_column
declare
  found_version conversation.lens_versions;
begin
  select v.* into found_version
  from conversation.lens_prototypes l
  join conversation.lens_versions v on v.lens_id = l.id
    and v.version = coalesce(require_lens.version, l.version)
  where l.id = require_lens.lens_id
    and (l.organization_id is null or l.organization_id = require_lens.organization_id);
  if not found then
    raise exception using errcode = 'PT404', message = 'lens_not_found',
      detail = 'The organization sees no lens with this id and version. Check them.';
  end if;
  return found_version;
end
$$;
comment on function private.require_lens(bigint, bigint, integer) is
  'A version of a lens of the organization or the platform, the current one for null; PT404 lens_not_found.';

create function private.lens_project(organization_id bigint, project_id bigint, block_id bigint)
returns bigint
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: called by plan_lens_run() only.
#variable_conflict use_column
declare
  project bigint := lens_project.project_id;
begin
  if num_nonnulls(lens_project.project_id, lens_project.block_id) <> 1 then
    raise exception using errcode = '22023', message = 'invalid_request',
      detail = 'block_id: exactly one of block_id and project_id is required.';
  end if;
  if lens_project.block_id is not null then
    select b.project_id into project from conversation.blocks b
    where b.organization_id = lens_project.organization_id and b.id = lens_project.block_id
      and b.id <> all (private.hidden_blocks());
    if not found then
      raise exception using errcode = 'PT404', message = 'block_not_found',
        detail = 'The organization has no block with this id. Check the id.';
    end if;
  end if;
  perform private.require_project(lens_project.organization_id, project);
  return project;
end
$$;
comment on function private.lens_project(bigint, bigint, bigint) is
  'The project of a run: the given one, or that of the block. PT404 block_not_found, project_not_found.';

create function private.plan_lens_run(
  organization_id bigint, lens_id bigint, project_id bigint, block_id bigint, stale_only boolean,
  version integer, agent text, model text, providers text[]
) returns private.lens_plan
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: called by estimate_lens_run() and begin_lens_run() only, which check their caller.
#variable_conflict use_column
declare
  lens conversation.lens_versions := private.require_lens(plan_lens_run.organization_id,
    plan_lens_run.lens_id, plan_lens_run.version);
  plan private.lens_plan;
  chosen public.agents;
  route jsonb;
  bytes bigint;
  -- The instructions and the schema go with each call, and 1 KiB of our own words.
  overhead constant integer := octet_length(lens.prompt_template) + octet_length(lens.variables::text)
    + octet_length(lens.output_schema::text) + 1024;
  most_output bigint;
  too_long bigint;
begin
  plan.lens_id := lens.lens_id;
  plan.version := lens.version;
  plan.project_id := private.lens_project(
    plan_lens_run.organization_id, plan_lens_run.project_id, plan_lens_run.block_id);
  plan.agent := coalesce(plan_lens_run.agent, lens.agent);
  plan.model := case when plan_lens_run.agent is null then coalesce(plan_lens_run.model, lens.model)
    else plan_lens_run.model end;
  chosen := private.find_agent(plan_lens_run.organization_id, coalesce(plan.agent, private.preferred_agent(
    plan_lens_run.organization_id, plan.project_id, plan_lens_run.providers)), null);
  route := private.plan_route(plan_lens_run.organization_id, chosen.id, plan.model, null, plan.project_id,
    plan_lens_run.providers);
  -- A part has at most half of the smallest window of the route, three bytes a token.
  select least(3 * (min(coalesce((r -> 'context_tokens')::bigint, 32768)) / 2 - overhead / 3), 1048576),
    max(coalesce((r -> 'params' ->> 'max_output_tokens')::bigint, 4096))
  into plan.part_bytes, most_output
  from jsonb_array_elements(route) r;
  if plan.part_bytes < 1024 then
    raise exception using errcode = 'PT400', message = 'context_length_exceeded',
      detail = 'The window of the model does not hold the lens and 1024 bytes of content.';
  end if;

  with said as (
    select l.block_id, string_agg(l.line, E'\n' order by l.place) as text
    from private.block_lines(plan_lens_run.organization_id, array(
      select b.id from conversation.blocks b
      where b.organization_id = plan_lens_run.organization_id and b.project_id = plan.project_id
        and (plan_lens_run.block_id is null or b.id = plan_lens_run.block_id)
        and b.id <> all ((select private.hidden_blocks())::bigint[])
    )) l
    group by l.block_id
  ), wanted as (
    -- As block_hash().
    select s.block_id as id, octet_length(s.text) as bytes,
      encode(sha256(convert_to(s.text, 'UTF8')), 'hex') as hash
    from said s
  ), due as (
    select w.id, w.bytes from wanted w
    where not exists (
      select 1 from conversation.block_lens_version r
      where r.organization_id = plan_lens_run.organization_id and r.block_id = w.id
        and r.lens_id = plan.lens_id
        and r.version = plan.version and r.input_hash = w.hash and r.result is not null
        and (r.agent, r.model) is not distinct from (plan.agent, plan.model)
    ) and (not stale_only or exists (
      select 1 from conversation.block_lens_version r
      where r.organization_id = plan_lens_run.organization_id and r.block_id = w.id
        and r.lens_id = plan.lens_id
        and r.result is not null
    ))
    order by w.id limit 1001
  ), counted as (
    select d.id, d.bytes, case when d.bytes <= plan.part_bytes then 1 else
      cardinality(private.block_parts(plan_lens_run.organization_id, d.id, plan.part_bytes)) end as parts
    from due d
  )
  select coalesce(array_agg(c.id order by c.id), '{}'),
    coalesce(array_agg(c.parts + (c.parts > 1)::integer order by c.id), '{}'),
    coalesce(sum(c.parts + (c.parts > 1)::integer), 0), coalesce(sum(c.bytes), 0),
    min(c.id) filter (where c.parts > 100)
  into plan.block_ids, plan.block_calls, plan.calls, bytes, too_long
  from counted c;
  if too_long is not null then
    raise exception using errcode = 'PT422', message = 'lens_run_too_large',
      detail = format('Block %s has more than 100 parts for this model. Name a model with a larger window.',
        too_long);
  elsif cardinality(plan.block_ids) > 1000 or plan.calls > 2000 then
    raise exception using errcode = 'PT422', message = 'lens_run_too_large',
      detail = 'A run reads at most 1000 blocks with 2000 calls. Run the lens over single blocks or smaller '
        'projects.';
  end if;
  plan.max_output_tokens := plan.calls * most_output;
  plan.input_tokens := ceil((bytes + plan.calls::bigint * overhead) / 4.0)
    -- The results of parts, which one more call joins.
    + most_output * (
      select coalesce(sum(c - 1) filter (where c > 1), 0) from unnest(plan.block_calls) c
    );
  plan.max_cost_usd := private.route_cost(
    plan_lens_run.organization_id, route, plan.input_tokens, plan.max_output_tokens);
  return plan;
end
$$;
comment on function private.plan_lens_run(
  bigint, bigint, bigint, bigint, boolean, integer, text, text, text[]
) is
  'The blocks that have no result of this content, version and model, with the calls, tokens and cost that '
  'they need. PT404 lens_not_found, block_not_found, project_not_found; PT422 lens_run_too_large.';

create function private.estimate_lens_run(
  lens_id bigint, project_id bigint, block_id bigint, stale_only boolean, version integer, agent text,
  model text
) returns public.lens_run_estimate
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: plan_lens_run() reads routes and prices. Checks the permission that a run needs.
declare
  plan constant private.lens_plan := private.plan_lens_run(private.require_organization('projects.manage'),
    estimate_lens_run.lens_id, estimate_lens_run.project_id, estimate_lens_run.block_id,
    coalesce(stale_only, true), estimate_lens_run.version, estimate_lens_run.agent,
    estimate_lens_run.model, null);
begin
  return row(cardinality(plan.block_ids), plan.calls, plan.input_tokens, plan.max_output_tokens,
    plan.max_cost_usd, plan.version, plan.agent, plan.model)::public.lens_run_estimate;
end
$$;
comment on function private.estimate_lens_run(bigint, bigint, bigint, boolean, integer, text, text) is
  'Body of public.estimate_lens_run().';

create function public.estimate_lens_run(
  lens_id bigint, project_id bigint default null, block_id bigint default null,
  stale_only boolean default false, version integer default null, agent text default null,
  model text default null
) returns public.lens_run_estimate
language sql stable security invoker set search_path = ''
as $$
  select e.* from private.estimate_lens_run(
    lens_id, project_id, block_id, stale_only, version, agent, model) e
$$;
comment on function public.estimate_lens_run(bigint, bigint, bigint, boolean, integer, text, text) is
  'What a run of a lens over a block or a project would take; it calls no model and writes nothing. Needs '
  'projects.manage. PT404 lens_not_found, block_not_found, project_not_found, agent_not_found, '
  'model_not_found; PT422 lens_run_too_large.';

-- ── A run ───────────────────────────────────────────────────────────────────────────────────────

create function private.begin_lens_run(
  lens_id bigint, project_id bigint, block_id bigint, stale_only boolean, version integer, agent text,
  model text, providers text[]
) returns bigint
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no client may write runs. Names the caller's organization in each statement.
#variable_conflict use_column
declare
  organization constant bigint := private.require_organization('projects.manage');
  plan private.lens_plan;
  run bigint;
begin
  perform private.require_organization('agents.invoke');
  -- Runs of an organization begin one after the other, so that two do not both find a result missing.
  perform pg_advisory_xact_lock(hashtextextended('lens runs of ' || organization, 0));
  plan := private.plan_lens_run(organization, begin_lens_run.lens_id, begin_lens_run.project_id,
    begin_lens_run.block_id, coalesce(stale_only, true), begin_lens_run.version, begin_lens_run.agent,
    begin_lens_run.model, begin_lens_run.providers);
  insert into conversation.lens_runs (
    organization_id, user_id, lens_id, version, project_id, agent, model, part_bytes, calls, input_tokens,
    max_output_tokens, max_cost_usd, status, completed_at
  )
  select organization, private.current_user_id(), plan.lens_id, plan.version, plan.project_id, plan.agent,
    plan.model, plan.part_bytes, plan.calls, plan.input_tokens, plan.max_output_tokens, plan.max_cost_usd,
    case when plan.calls = 0 then 'done' else 'running' end, case when plan.calls = 0 then now() end
  returning id into run;
  insert into conversation.lens_run_blocks (organization_id, run_id, block_id, calls)
  select organization, run, b.id, b.calls from unnest(plan.block_ids, plan.block_calls) b(id, calls);
  delete from conversation.lens_runs r
  where r.organization_id = organization and r.status <> 'running' and r.id <= (
    select k.id from conversation.lens_runs k where k.organization_id = organization
    order by k.id desc offset 1000 limit 1
  );
  perform private.write_audit_event(organization, 'lens.run', 'lens', plan.lens_id::text, jsonb_build_object(
    'run_id', run, 'version', plan.version, 'project_id', plan.project_id, 'blocks',
    cardinality(plan.block_ids), 'calls', plan.calls));
  return run;
end
$$;
comment on function private.begin_lens_run(
  bigint, bigint, bigint, boolean, integer, text, text, text[]
) is 'Body of public.begin_lens_run().';

create function public.begin_lens_run(
  lens_id bigint, project_id bigint default null, block_id bigint default null,
  stale_only boolean default false, version integer default null, agent text default null,
  model text default null, providers text[] default null
) returns bigint
language sql volatile security invoker set search_path = ''
as $$
  select private.begin_lens_run(lens_id, project_id, block_id, stale_only, version, agent, model, providers)
$$;
comment on function public.begin_lens_run(
  bigint, bigint, bigint, boolean, integer, text, text, text[]
) is
  'Begins a run of a lens over a block or a project and returns its id. A block with a result of the same '
  'content, version and model is left out. For the function agents, which then calls the model. Needs '
  'projects.manage and agents.invoke. Errors as estimate_lens_run().';

create function private.end_lens_run(organization_id bigint, run_id bigint) returns void
language sql volatile security definer set search_path = ''
as $$
  -- Definer: called by claim_lens_block() and finish_lens_block() only.
  update conversation.lens_runs r set status = 'done', completed_at = clock_timestamp()
  where r.organization_id = end_lens_run.organization_id and r.id = end_lens_run.run_id
    and r.status = 'running' and not exists (
      select 1 from conversation.lens_run_blocks i
      where i.organization_id = r.organization_id and i.run_id = r.id and i.status in ('pending', 'running')
    )
$$;
comment on function private.end_lens_run(bigint, bigint) is
  'Ends a run in which no block is left to read; a deleted block leaves its run.';

create function private.claim_lens_block(run_id bigint) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no client may write runs. Gives the caller content of their own organization, for a run of their
-- own. An update that skips locked rows gives each block to one worker.
#variable_conflict use_column
declare
  organization constant bigint := private.require_organization('projects.manage');
  run conversation.lens_runs;
  lens conversation.lens_versions;
  block bigint;
  hash text;
  tries integer;
begin
  select r.* into run from conversation.lens_runs r
  where r.organization_id = organization and r.id = claim_lens_block.run_id
    and r.user_id = private.current_user_id();
  if not found then
    raise exception using errcode = 'PT404', message = 'lens_run_not_found',
      detail = 'The caller has no run of a lens with this id. Check the id.';
  end if;
  -- Blocks that the caller no longer reads leave the run.
  update conversation.lens_run_blocks i set status = 'cancelled'
  where i.organization_id = organization and i.run_id = run.id and i.status in ('pending', 'running')
    and coalesce(i.lease_expires_at <= clock_timestamp(), true)
    and i.block_id = any (private.hidden_blocks());
  update conversation.lens_run_blocks i
  set status = 'running', attempts = i.attempts + 1,
    lease_expires_at = clock_timestamp() + interval '10 minutes',
    input_hash = private.block_hash(i.organization_id, i.block_id)
  where i.organization_id = organization and i.run_id = run.id and i.block_id = (
    select k.block_id from conversation.lens_run_blocks k
    where k.organization_id = organization and k.run_id = run.id and (
      k.status = 'pending' or (k.status = 'running' and k.lease_expires_at <= clock_timestamp())
    )
    order by k.block_id
    limit 1
    for update skip locked
  )
  returning i.block_id, i.input_hash, i.attempts into block, hash, tries;
  if block is null then
    perform private.end_lens_run(organization, run.id);
    return null;
  end if;
  lens := private.require_lens(organization, run.lens_id, run.version);
  return jsonb_build_object(
    'run_id', run.id, 'block_id', block, 'project_id', run.project_id, 'agent', run.agent,
    'model', run.model, 'input_hash', hash, 'given_up', tries > 5,
    'instructions', private.render_template(lens.prompt_template, lens.variables, '{}'),
    'schema', lens.output_schema,
    'parts', to_jsonb(private.block_parts(organization, block, run.part_bytes))
  );
end
$$;
comment on function private.claim_lens_block(bigint) is 'Body of public.claim_lens_block().';

create function public.claim_lens_block(run_id bigint) returns jsonb
language sql volatile security invoker set search_path = ''
as $$ select private.claim_lens_block(run_id) $$;
comment on function public.claim_lens_block(bigint) is
  'The next block of the caller''s own run for ten minutes, with all that a worker sends to a model; null '
  'when none is left. For the function agents. PT404 lens_run_not_found.';

create function public.finish_lens_block(
  organization_id bigint, run_id bigint, block_id bigint, outcome jsonb
) returns void
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: service_role holds no grant on runs. Executable by service_role only, because a caller must write
-- neither a result nor its cost.
#variable_conflict use_column
declare
  run conversation.lens_runs;
  executions constant uuid[] := array(
    select jsonb_array_elements_text(outcome -> 'execution_ids')::uuid);
  failed constant text := outcome ->> 'error_code';
begin
  select r.* into run from conversation.lens_runs r
  where r.organization_id = finish_lens_block.organization_id and r.id = finish_lens_block.run_id
  for no key update;
  if not found then
    return;
  end if;
  update conversation.lens_run_blocks i set
    status = case when outcome ? 'result' then 'done' when failed = 'execution_cancelled' then 'cancelled'
      when failed is not null then 'failed' else 'pending' end,
    -- A worker that gave the block back did not die of it.
    attempts = case when outcome ? 'result' or failed is not null then i.attempts else 0 end,
    lease_expires_at = null
  where i.organization_id = run.organization_id and i.run_id = run.id
    and i.block_id = finish_lens_block.block_id and i.status = 'running';
  -- A cancelled run keeps what was paid for; a block that another worker has finished has its row.
  if (outcome ? 'result' or failed is not null) and exists (
    select 1 from conversation.blocks b
    where b.organization_id = run.organization_id and b.id = finish_lens_block.block_id
  ) and not exists (
    select 1 from conversation.block_lens_version v
    where v.organization_id = run.organization_id and v.block_id = finish_lens_block.block_id
      and v.lens_id = run.lens_id and v.version = run.version and v.run_id = run.id
  ) then
    insert into conversation.block_lens_version (
      organization_id, run_id, block_id, lens_id, version, agent, model, answered_by, result, error_code,
      input_hash, execution_ids, input_tokens, output_tokens, cost_usd
    )
    select run.organization_id, run.id, finish_lens_block.block_id, run.lens_id, run.version, run.agent,
      run.model, outcome ->> 'answered_by', case when failed is null then outcome -> 'result' end, failed,
      outcome ->> 'input_hash', executions, sum(u.input_tokens), sum(u.output_tokens),
      case when count(*) = count(u.cost_usd) then coalesce(sum(u.cost_usd), 0) end
    from client_mgmt.usage_ledger u
    where u.organization_id = run.organization_id and u.execution_id = any (executions);
  end if;
  perform private.end_lens_run(run.organization_id, run.id);
end
$$;
comment on function public.finish_lens_block(bigint, bigint, bigint, jsonb) is
  'Ends the work on a block of a run: outcome has input_hash, execution_ids, answered_by, and result or '
  'error_code; without both, the block waits for another worker. The cost is that of the executions in '
  'usage_ledger. Service role only.';

create function private.cancel_lens_run(run_id bigint) returns text
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no client may write runs or executions. Cancels runs of the caller's organization only.
#variable_conflict use_column
declare
  organization constant bigint := private.require_organization('projects.manage');
  run conversation.lens_runs;
begin
  update conversation.lens_runs r
  set status = case when r.status = 'running' then 'cancelled' else r.status end,
    completed_at = coalesce(r.completed_at, clock_timestamp())
  where r.organization_id = organization and r.id = cancel_lens_run.run_id
  returning r.* into run;
  if not found then
    raise exception using errcode = 'PT404', message = 'lens_run_not_found',
      detail = 'The organization has no run of a lens with this id. Check the id.';
  end if;
  if run.status = 'cancelled' then
    update public.agent_executions x
    set cancel_requested_at = coalesce(x.cancel_requested_at, clock_timestamp())
    from conversation.lens_run_blocks i
    cross join lateral generate_series(1, i.calls) n
    where i.organization_id = organization and i.run_id = run.id and i.status = 'running'
      and x.organization_id = organization and x.user_id = run.user_id
      and x.idempotency_key = format('lens/%s/%s/%s', run.id, i.block_id, n)
      and x.status in ('pending', 'running');
    update conversation.lens_run_blocks i set status = 'cancelled'
    where i.organization_id = organization and i.run_id = run.id and i.status in ('pending', 'running');
  end if;
  return run.status;
end
$$;
comment on function private.cancel_lens_run(bigint) is 'Body of public.cancel_lens_run().';

create function public.cancel_lens_run(run_id bigint) returns text
language sql volatile security invoker set search_path = ''
as $$ select private.cancel_lens_run(run_id) $$;
comment on function public.cancel_lens_run(bigint) is
  'Ends a run of a lens and returns its status. No further block begins, and calls under way are cancelled; '
  'results that are there stay. Needs projects.manage. PT404 lens_run_not_found.';

-- ── Views ─────────────────────────────────────────────────────────────────────────────────────

create view conversation.lens_run_progress with (security_invoker = true) as
select r.organization_id, r.id, r.lens_id, r.version, r.project_id, r.user_id, r.agent, r.model, r.status,
  r.calls, r.input_tokens, r.max_output_tokens, r.max_cost_usd, i.blocks, i.done, i.failed, i.cancelled,
  i.blocks - i.done - i.failed - i.cancelled as remaining, c.cost_usd, r.created_at, r.completed_at
from conversation.lens_runs r
cross join lateral (
  select count(*) as blocks, count(*) filter (where k.status = 'done') as done,
    count(*) filter (where k.status = 'failed') as failed,
    count(*) filter (where k.status = 'cancelled') as cancelled
  from conversation.lens_run_blocks k
  where k.organization_id = r.organization_id and k.run_id = r.id
) i
cross join lateral (
  select case when count(*) = count(v.cost_usd) then coalesce(sum(v.cost_usd), 0) end as cost_usd
  from conversation.lens_run_blocks k
  join conversation.block_lens_version v on v.organization_id = k.organization_id
    and v.block_id = k.block_id and v.lens_id = r.lens_id and v.version = r.version and v.run_id = r.id
  where k.organization_id = r.organization_id and k.run_id = r.id
) c;
comment on view conversation.lens_run_progress is
  'Runs of lenses: the estimate, how many blocks are done, failed, cancelled and remaining, and the cost so '
  'far (null: a price is unknown).';

create function public.lens_run_state(run_id bigint) returns jsonb
language sql stable security invoker set search_path = ''
as $$
  select to_jsonb(p) - 'organization_id' from conversation.lens_run_progress p
  where p.organization_id = (select private.current_organization_id()) and p.id = lens_run_state.run_id
$$;
comment on function public.lens_run_state(bigint) is
  'The row of lens_run_progress of a run, for the function agents; null without one.';

create view conversation.lens_results with (security_invoker = true) as
select r.organization_id, r.id, b.project_id, r.block_id, b.name as block_name, r.lens_id,
  l.name as lens_name, r.version, r.agent, r.model, r.answered_by, r.result, r.error_code, r.input_tokens,
  r.output_tokens, r.cost_usd, r.run_id, r.created_at,
  r.version <> l.version
    or r.input_hash <> private.block_hash(r.organization_id, r.block_id) as is_stale
from conversation.block_lens_version r
join conversation.blocks b on b.organization_id = r.organization_id and b.id = r.block_id
join conversation.lens_prototypes l on l.id = r.lens_id
where not exists (
  select 1 from conversation.block_lens_version n
  where n.organization_id = r.organization_id and n.block_id = r.block_id and n.lens_id = r.lens_id
    and n.version = r.version and (n.agent, n.model) is not distinct from (r.agent, r.model) and n.id > r.id
);
comment on view conversation.lens_results is
  'The newest result of each block, lens, version and model. is_stale: the block or the lens has changed '
  'since.';

create view conversation.lens_comparisons with (security_invoker = true) as
select a.organization_id, a.id, z.id as other_id, a.project_id, a.block_id, a.block_name, a.lens_id,
  a.lens_name, a.version, a.agent, a.model, a.answered_by, a.result, a.error_code, a.cost_usd, a.is_stale,
  z.version as other_version, z.agent as other_agent, z.model as other_model,
  z.answered_by as other_answered_by, z.result as other_result, z.error_code as other_error_code,
  z.cost_usd as other_cost_usd, z.is_stale as other_is_stale,
  a.result is not distinct from z.result as is_same
from conversation.lens_results a
join conversation.lens_results z on z.organization_id = a.organization_id and z.block_id = a.block_id
  and z.lens_id = a.lens_id and z.id > a.id;
comment on view conversation.lens_comparisons is
  'Two versions or models of a lens side by side, for each block that has results of both.';
revoke all on conversation.lens_run_progress, conversation.lens_results, conversation.lens_comparisons
  from anon, authenticated, service_role;
grant select on conversation.lens_run_progress, conversation.lens_results, conversation.lens_comparisons
  to authenticated, service_role;

revoke all on function
  private.block_lines(bigint, bigint[]), private.block_hash(bigint, bigint),
  private.block_parts(bigint, bigint, integer), private.require_lens(bigint, bigint, integer),
  private.lens_project(bigint, bigint, bigint),
  private.plan_lens_run(bigint, bigint, bigint, bigint, boolean, integer, text, text, text[]),
  private.estimate_lens_run(bigint, bigint, bigint, boolean, integer, text, text),
  public.estimate_lens_run(bigint, bigint, bigint, boolean, integer, text, text),
  private.begin_lens_run(bigint, bigint, bigint, boolean, integer, text, text, text[]),
  public.begin_lens_run(bigint, bigint, bigint, boolean, integer, text, text, text[]),
  private.end_lens_run(bigint, bigint),
  private.claim_lens_block(bigint), public.claim_lens_block(bigint),
  public.finish_lens_block(bigint, bigint, bigint, jsonb),
  private.cancel_lens_run(bigint), public.cancel_lens_run(bigint), public.lens_run_state(bigint)
  from public, anon, authenticated, service_role;
grant execute on function
  private.block_lines(bigint, bigint[]), private.block_hash(bigint, bigint)
  to authenticated, service_role;
grant execute on function
  private.estimate_lens_run(bigint, bigint, bigint, boolean, integer, text, text),
  public.estimate_lens_run(bigint, bigint, bigint, boolean, integer, text, text),
  private.begin_lens_run(bigint, bigint, bigint, boolean, integer, text, text, text[]),
  public.begin_lens_run(bigint, bigint, bigint, boolean, integer, text, text, text[]),
  private.claim_lens_block(bigint), public.claim_lens_block(bigint),
  private.cancel_lens_run(bigint), public.cancel_lens_run(bigint), public.lens_run_state(bigint)
  to authenticated;
grant execute on function public.finish_lens_block(bigint, bigint, bigint, jsonb) to service_role;
