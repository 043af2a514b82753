-- Versions of lenses: each change of what a lens asks is a new version, so that a result says what made it.
-- Special: a lens belongs to the platform or to an organization, and so do its versions.

create table conversation.lens_versions (
  id bigint generated always as identity primary key,
  organization_id bigint references public.organizations (id) on delete cascade,
  lens_id bigint not null references conversation.lens_prototypes (id) on delete cascade,
  version integer not null,
  prompt_template text not null,
  variables jsonb not null,
  output_schema jsonb not null,
  agent text,
  model text,
  changed_by uuid,
  created_at timestamptz not null default clock_timestamp(),
  constraint lens_versions_key unique (lens_id, version)
);
comment on table conversation.lens_versions is
  'The last 50 versions of each lens, with author and time. A trigger writes and deletes them.';
create index lens_versions_lens_id_idx on conversation.lens_versions (organization_id, lens_id, version);
create trigger lens_versions_check_references before insert or update of organization_id, lens_id
  on conversation.lens_versions for each row execute function private.check_shared_references();

alter table conversation.lens_versions enable row level security;
alter table conversation.lens_versions force row level security;
create policy select_member on conversation.lens_versions for select to authenticated
  using (
    organization_id = (select private.current_organization_id())
    or (organization_id is null and (select private.current_organization_id()) is not null)
  );
comment on policy select_member on conversation.lens_versions is 'As the lenses.';
revoke all on conversation.lens_versions from anon, authenticated, service_role;
grant select on conversation.lens_versions to authenticated, service_role;
-- No insert, update or delete: the trigger writes.

-- ── Checks ──────────────────────────────────────────────────────────────────────────────────────

create function private.schema_problem(schema jsonb, path text) returns text
language plpgsql immutable security invoker set search_path = ''
as $$
declare
  at constant text := case when path = '' then '' else path || '.' end;
  properties constant jsonb := schema -> 'properties';
  child record;
  problem text;
  -- Those of the function agents (parse-schema.ts), which checks answers.
  unknown constant text := (
    select min(k) from jsonb_object_keys(case jsonb_typeof(schema) when 'object' then schema else '{}' end) k
    where k <> all (array[
      '$ref', '$defs', 'definitions', 'type', 'enum', 'const', 'properties', 'required',
      'additionalProperties', 'propertyNames', 'minProperties', 'maxProperties', 'items', 'prefixItems',
      'minItems', 'maxItems', 'minLength', 'maxLength', 'minimum', 'maximum', 'exclusiveMinimum',
      'exclusiveMaximum', 'multipleOf', 'anyOf', 'oneOf', 'allOf', 'not', 'pattern', 'format',
      'contentEncoding', 'contentMediaType', '$schema', '$comment', 'title', 'description', 'default',
      'examples', 'deprecated', 'readOnly', 'writeOnly'
    ])
  );
begin
  if jsonb_typeof(schema) = 'boolean' then
    return case when schema = 'false' then path || ': no value matches false.' end;
  elsif jsonb_typeof(schema) is distinct from 'object' then
    return path || ': must be a schema.';
  end if;
  problem := case
    when unknown is not null then left(unknown, 64) || ': is not a supported keyword.'
    when schema ? 'type' and not (case jsonb_typeof(schema -> 'type') when 'array' then schema -> 'type'
      else jsonb_build_array(schema -> 'type') end)
      <@ '["null", "boolean", "object", "array", "number", "integer", "string"]'
      then 'type: must be a type of JSON.'
    when schema ? 'properties' and jsonb_typeof(properties) <> 'object'
      then 'properties: must be an object of schemas.'
    when schema ? 'required' and jsonb_typeof(schema -> 'required') <> 'array'
      then 'required: must be a list of names.'
    when schema ? 'enum' and (jsonb_typeof(schema -> 'enum') <> 'array' or schema -> 'enum' = '[]')
      then 'enum: must be a list of values.'
  end;
  -- Bounds that exclude each other, and names that must be there and may not.
  problem := coalesce(problem, case
    when private.is_above(schema -> 'minimum', schema -> 'maximum') then 'minimum: is above maximum.'
    when private.is_above(schema -> 'minLength', schema -> 'maxLength') then 'minLength: is above maxLength.'
    when private.is_above(schema -> 'minItems', schema -> 'maxItems') then 'minItems: is above maxItems.'
    when schema -> 'additionalProperties' = 'false' and exists (
      select 1 from jsonb_array_elements_text(schema -> 'required') r
      where not coalesce(properties, '{}') ? r
    ) then 'required: names a property that additionalProperties excludes.'
  end);
  if problem is not null then
    return at || problem;
  end if;
  for child in
    select 'properties.' || p.key as name, p.value from jsonb_each(coalesce(properties, '{}')) p
    union all select 'items', schema -> 'items' where schema ? 'items'
  loop
    problem := private.schema_problem(child.value, at || child.name);
    exit when problem is not null;
  end loop;
  return problem;
end
$$;
comment on function private.schema_problem(jsonb, text) is
  'The first place of a JSON Schema that is not well-formed or that no value can match, as `path: what is '
  'wrong`; else null. The function agents checks the other keywords before it calls a model.';

create function private.is_above(least_value jsonb, most jsonb) returns boolean
language sql immutable security invoker set search_path = ''
as $$
  select case when jsonb_typeof(least_value) = 'number' and jsonb_typeof(most) = 'number'
    then least_value > most else false end
$$;
comment on function private.is_above(jsonb, jsonb) is
  'Whether both are numbers and the first is greater than the second.';

create function private.check_lens() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: reads agents and models past the caller's policies, those of the lens's organization only, and
-- calls helpers that no API role may execute.
declare
  problem text;
begin
  perform private.validate_template(new.prompt_template, new.variables, false);
  problem := case
    when new.variables @? '$.* ? (exists (@.source))'
      then 'variables: have a value. A source would give the same content another result.'
    when not new.output_schema @> '{"type": "object"}'
      then 'output_schema: must have the type object at its root.'
    else 'output_schema.' || private.schema_problem(new.output_schema, '')
  end;
  if problem is not null then
    raise exception using errcode = '22023', message = 'invalid_lens', detail = problem;
  end if;
  if (new.agent is not null or new.model is not null) and not exists (
    select 1 from public.agents a
    where a.name = new.agent and (a.organization_id is null or a.organization_id = new.organization_id)
      and (new.model is null or exists (
        select 1 from public.models m
        where m.agent_id = a.id and m.name = new.model
          and (m.organization_id is null or m.organization_id = new.organization_id)
      ))
  ) then
    raise exception using errcode = '22023', message = 'invalid_lens',
      detail = 'agent: the organization sees no agent of this name, or the agent has no model of this name.';
  end if;
  if tg_op = 'UPDATE' and (
    new.prompt_template, new.variables, new.output_schema, new.agent, new.model
  ) is distinct from (old.prompt_template, old.variables, old.output_schema, old.agent, old.model) then
    new.version := old.version + 1;
  end if;
  return new;
end
$$;
comment on function private.check_lens() is
  'Trigger: refuses a template with undeclared variables (22023 invalid_prompt), and a variable with a '
  'source, a schema that no answer can meet, an unknown agent or model (22023 invalid_lens). It counts '
  'versions.';
create trigger lens_prototypes_check before insert or update on conversation.lens_prototypes
  for each row execute function private.check_lens();

create function private.record_lens_versions() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no role holds a grant to write versions.
begin
  insert into conversation.lens_versions (
    organization_id, lens_id, version, prompt_template, variables, output_schema, agent, model, changed_by
  )
  select a.organization_id, a.id, a.version, a.prompt_template, a.variables, a.output_schema, a.agent,
    a.model, private.current_user_id()
  from after_rows a
  on conflict on constraint lens_versions_key do nothing;
  delete from conversation.lens_versions v using after_rows a
  where v.lens_id = a.id and v.version <= a.version - 50;
  return null;
end
$$;
comment on function private.record_lens_versions() is
  'Trigger: keeps the last 50 versions of each lens.';
create trigger lens_prototypes_versions_insert after insert on conversation.lens_prototypes
  referencing new table as after_rows
  for each statement execute function private.record_lens_versions();
create trigger lens_prototypes_versions_update after update on conversation.lens_prototypes
  referencing new table as after_rows
  for each statement execute function private.record_lens_versions();
revoke all on function
  private.schema_problem(jsonb, text), private.is_above(jsonb, jsonb), private.check_lens(),
  private.record_lens_versions()
  from public, anon, authenticated, service_role;
