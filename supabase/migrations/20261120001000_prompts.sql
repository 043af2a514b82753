-- Prompts: the library of an organization, and the system prompts before every conversation.
-- Special: a template can use only its declared variables, and these can use only constants, the sources of
-- private.prompt_sources() and, in the library, the values of a request. Global layers belong to the
-- platform; no client can write them.

-- ── prompts (library) ─────────────────────────────────────────────────────────────────────────

create table client_mgmt.prompts (
  organization_id bigint not null default private.current_organization_id()
    references public.organizations (id) on delete cascade,
  id bigint generated always as identity,
  name text not null constraint prompts_name_length check (char_length(name) between 1 and 200),
  template text not null constraint prompts_template_length check (char_length(template) between 1 and 65536),
  variables jsonb not null default '{}'
    constraint prompts_variables_object check (jsonb_typeof(variables) = 'object')
    constraint prompts_variables_length check (octet_length(variables::text) <= 65536),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (organization_id, id),
  constraint prompts_name_key unique (organization_id, name)
);
comment on table client_mgmt.prompts is
  'Prompts that a request names and fills in: one is sent as the last layer of its execution.';
comment on column client_mgmt.prompts.variables is
  'The variables of the template: { name: { type: text|number|boolean|date } }. A request must give the '
  'value of one without value (a default) or source (as in system_prompts.variables).';
alter table client_mgmt.prompts enable row level security;
alter table client_mgmt.prompts force row level security;
create policy select_member on client_mgmt.prompts for select to authenticated
  using (organization_id = (select private.current_organization_id()));
comment on policy select_member on client_mgmt.prompts is 'Every member uses the library.';
create policy insert_manager on client_mgmt.prompts for insert to authenticated
  with check (
    organization_id = (select private.current_organization_id())
    and (select private.has_permission('prompts.manage'))
  );
comment on policy insert_manager on client_mgmt.prompts is 'With prompts.manage.';
create policy update_manager on client_mgmt.prompts for update to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and (select private.has_permission('prompts.manage'))
  )
  with check (
    organization_id = (select private.current_organization_id())
    and (select private.has_permission('prompts.manage'))
  );
comment on policy update_manager on client_mgmt.prompts is 'With prompts.manage.';
create policy delete_manager on client_mgmt.prompts for delete to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and (select private.has_permission('prompts.manage'))
  );
comment on policy delete_manager on client_mgmt.prompts is 'With prompts.manage.';
revoke all on client_mgmt.prompts from anon, authenticated, service_role;
grant select, delete on client_mgmt.prompts to authenticated;
grant insert (name, template, variables), update (name, template, variables) on client_mgmt.prompts
  to authenticated;
grant select, insert, update, delete on client_mgmt.prompts to service_role;
create trigger prompts_updated_at before update on client_mgmt.prompts
  for each row execute function private.update_updated_at_column();
create trigger prompts_audit_insert after insert on client_mgmt.prompts
  referencing new table as after_rows
  for each statement execute function private.audit_change('prompt', 'id');
create trigger prompts_audit_update after update on client_mgmt.prompts
  referencing old table as before_rows new table as after_rows
  for each statement execute function private.audit_change('prompt', 'id');
create trigger prompts_audit_delete after delete on client_mgmt.prompts
  referencing old table as before_rows
  for each statement execute function private.audit_change('prompt', 'id');

create table public.system_prompts (
  id bigint generated always as identity primary key,
  scope text not null constraint system_prompts_scope check (scope in ('global', 'organization', 'user')),
  organization_id bigint default private.current_organization_id()
    references public.organizations (id) on delete cascade,
  user_id uuid,
  project_id bigint,
  context text constraint system_prompts_context check (context in ('support', 'sales')),
  content text not null
    constraint system_prompts_content_length check (char_length(content) between 1 and 65536),
  priority integer not null default 0,
  template boolean not null default false,
  variables jsonb not null default '{}'
    constraint system_prompts_variables_object check (jsonb_typeof(variables) = 'object')
    constraint system_prompts_variables_length check (octet_length(variables::text) <= 65536),
  mandatory boolean not null default false,
  version integer not null default 1,
  enabled boolean not null default true,
  created_by uuid default private.current_user_id(),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint system_prompts_scope_columns check (
    (scope = 'global' and organization_id is null and user_id is null and project_id is null)
    or (scope = 'organization' and organization_id is not null and user_id is null)
    or (scope = 'user' and organization_id is not null and user_id is not null and project_id is null)
  ),
  constraint system_prompts_user_fkey foreign key (organization_id, user_id)
    references client_mgmt.client_users (organization_id, user_id) on delete cascade,
  constraint system_prompts_project_fkey foreign key (organization_id, project_id)
    references client_mgmt.projects (organization_id, id) on delete cascade
);
comment on table public.system_prompts is
  'The layers that are sent before a conversation: global, organization, project, context, user (the '
  'agent''s instructions stand between project and context); in a layer the higher priority first.';
comment on column public.system_prompts.project_id is
  'The project whose executions alone get it; null: those of every project and of none.';
comment on column public.system_prompts.context is
  'The context of the chat sessions that alone get it; null: every context.';
comment on column public.system_prompts.template is 'True: {{variable}} is replaced. False: sent as it is.';
comment on column public.system_prompts.variables is
  'The variables of a template: { name: { type: text|number|boolean|date, value } } or { type, source }, '
  'where source is organization_name, user_name, workspace_path or current_date.';
comment on column public.system_prompts.mandatory is 'True: a member cannot opt out of it.';
comment on column public.system_prompts.version is
  'Counts changes; client_mgmt.system_prompt_versions keeps the last ones.';
comment on column public.system_prompts.created_by is 'Account that wrote it; null for the platform.';
create index system_prompts_user_id_idx on public.system_prompts (organization_id, user_id);
create index system_prompts_effective_idx on public.system_prompts (organization_id, scope, priority desc)
  where enabled;
create index system_prompts_scope_idx on public.system_prompts (scope, enabled);
create index system_prompts_project_id_idx on public.system_prompts (organization_id, project_id)
  where project_id is not null;

alter table public.system_prompts enable row level security;
alter table public.system_prompts force row level security;
create policy select_member on public.system_prompts for select to authenticated
  using (
    (organization_id = (select private.current_organization_id())
      and (user_id is null or user_id = (select private.current_user_id())))
    or (organization_id is null and (select private.current_organization_id()) is not null)
  );
comment on policy select_member on public.system_prompts is
  'Every member sees the global and organization layers, and their own.';
create policy insert_manager_or_self on public.system_prompts for insert to authenticated
  with check (
    organization_id = (select private.current_organization_id())
    and (
      (scope = 'organization' and (select private.has_permission('prompts.manage')))
      or (
        scope = 'user'
        and user_id = (select private.current_user_id())
        and (select private.has_permission('agents.invoke'))
      )
    )
  );
comment on policy insert_manager_or_self on public.system_prompts is
  'Organization layers, also of one project or context, with prompts.manage; a member''s own layer without.';
create policy update_manager_or_self on public.system_prompts for update to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and (
      (scope = 'organization' and (select private.has_permission('prompts.manage')))
      or (
        scope = 'user'
        and user_id = (select private.current_user_id())
        and (select private.has_permission('agents.invoke'))
      )
    )
  )
  with check (
    organization_id = (select private.current_organization_id())
    and (
      (scope = 'organization' and (select private.has_permission('prompts.manage')))
      or (
        scope = 'user'
        and user_id = (select private.current_user_id())
        and (select private.has_permission('agents.invoke'))
      )
    )
  );
comment on policy update_manager_or_self on public.system_prompts is
  'As for insert. A trigger keeps the column scope.';
create policy delete_manager_or_self on public.system_prompts for delete to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and (
      (scope = 'organization' and (select private.has_permission('prompts.manage')))
      or (
        scope = 'user'
        and user_id = (select private.current_user_id())
        and (select private.has_permission('agents.invoke'))
      )
    )
  );
comment on policy delete_manager_or_self on public.system_prompts is 'As for insert.';
revoke all on public.system_prompts from anon, authenticated, service_role;
grant select, delete on public.system_prompts to authenticated;
grant insert (
    scope, user_id, project_id, context, content, priority, template, variables, mandatory, enabled
  ),
  update (scope, user_id, project_id, context, content, priority, template, variables, mandatory, enabled)
  on public.system_prompts to authenticated;
grant select, insert, update, delete on public.system_prompts to service_role;
create trigger system_prompts_keep_columns before update of scope, user_id, project_id
  on public.system_prompts
  for each row when (
    current_user = 'authenticated'
    and (new.scope, new.user_id, new.project_id) is distinct from (old.scope, old.user_id, old.project_id)
  )
  execute function private.refuse_kept_columns('scope', 'user_id', 'project_id');
create trigger system_prompts_updated_at before update on public.system_prompts
  for each row execute function private.update_updated_at_column();
create trigger system_prompts_audit_insert after insert on public.system_prompts
  referencing new table as after_rows
  for each statement execute function private.audit_change('system_prompt', 'id', 'content');
create trigger system_prompts_audit_update after update on public.system_prompts
  referencing old table as before_rows new table as after_rows
  for each statement execute function private.audit_change('system_prompt', 'id', 'content');
create trigger system_prompts_audit_delete after delete on public.system_prompts
  referencing old table as before_rows
  for each statement execute function private.audit_change('system_prompt', 'id', 'content');

-- ── Templates ─────────────────────────────────────────────────────────────────────────────────

create function private.prompt_sources() returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: reads the caller's own account, session and organization past the policies.
declare
  result jsonb;
begin
  select jsonb_build_object(
    'organization_name', o.name,
    'user_name', coalesce(u.display_name, split_part(u.email, '@', 1), ''),
    'workspace_path', coalesce((private.current_session()).workspace_path, ''),
    'current_date', to_char(statement_timestamp() at time zone 'utc', 'YYYY-MM-DD')
  ) into result
  from public.organizations o, public.users u
  where o.id = private.current_tenant_id() and u.id = private.current_user_id();
  return coalesce(result, '{}');
end
$$;
comment on function private.prompt_sources() is
  'The sources of a variable: organization_name, user_name, workspace_path (of this sign-in), current_date '
  '(UTC).';

create function private.is_date(value text) returns boolean
language plpgsql immutable security invoker set search_path = ''
as $$
declare
  found constant text[] := regexp_match(value, '^(\d{4})-(\d{2})-(\d{2})$');
begin
  return found is not null and make_date(found[1]::integer, found[2]::integer, found[3]::integer) is not null;
exception
  when datetime_field_overflow then
    return false;
end
$$;
comment on function private.is_date(text) is 'Whether a text is a day of the calendar, as YYYY-MM-DD.';

create function private.has_variable_type(value jsonb, type text) returns boolean
language plpgsql immutable security invoker set search_path = ''
as $$
begin
  return case type
    when 'text' then jsonb_typeof(value) = 'string'
    when 'date' then jsonb_typeof(value) = 'string' and private.is_date(value #>> '{}')
    when 'number' then jsonb_typeof(value) = 'number'
    when 'boolean' then jsonb_typeof(value) = 'boolean'
    else false
  end;
end
$$;
comment on function private.has_variable_type(jsonb, text) is
  'Whether a value is of a type of variables: text, number, boolean or date.';

create function private.template_bound(content text, variables jsonb) returns bigint
language sql immutable security invoker set search_path = ''
as $$
  -- A short template may repeat a long value.
  select char_length(content) + coalesce(sum(n.times * case variables -> n.name ->> 'source'
    when 'workspace_path' then 4096
    else coalesce(char_length(variables -> n.name ->> 'value'), 200) end), 0)
  from (
    select m[1] as name, count(*) as times
    from regexp_matches(content, '\{\{\s*([a-z][a-z0-9_]*)\s*\}\}', 'g') m
    group by 1
  ) n
$$;
comment on function private.template_bound(text, jsonb) is
  'The most characters that a rendered template can have. The other sources have 200 at most.';

create function private.validate_template(content text, variables jsonb, may_ask boolean) returns void
language plpgsql immutable security invoker set search_path = ''
as $$
declare
  declared record;
  named text;
begin
  if jsonb_typeof(variables) is distinct from 'object' then
    raise exception using errcode = '22023', message = 'invalid_prompt',
      detail = 'Variables must be an object.';
  end if;
  for declared in select key, value from jsonb_each(variables) loop
    if declared.key !~ '^[a-z][a-z0-9_]{0,62}$'
      or jsonb_typeof(declared.value) <> 'object'
      or (declared.value - array['type', 'value', 'source']) <> '{}'
      or coalesce(declared.value ->> 'type', '') not in ('text', 'number', 'boolean', 'date')
      or (declared.value ? 'value' and declared.value ? 'source')
      or not (may_ask or declared.value ?| '{value,source}')
      or (declared.value ? 'source' and (
        declared.value ->> 'source'
          not in ('organization_name', 'user_name', 'workspace_path', 'current_date')
        or declared.value ->> 'type' <> case declared.value ->> 'source'
        when 'current_date' then 'date'
        else 'text' end
      ))
      or (declared.value ? 'value'
        and not private.has_variable_type(declared.value -> 'value', declared.value ->> 'type'))
    then
      raise exception using errcode = '22023', message = 'invalid_prompt',
        detail = format(
          'Variable %s: { type: text|number|boolean|date, and %s }.', left(declared.key, 63),
          case when may_ask then 'no more, or value of that type or source'
          else 'value of that type or source' end
        );
    end if;
  end loop;
  for named in select m[1] from regexp_matches(content, '\{\{\s*([^{}]*?)\s*\}\}', 'g') m loop
    if not variables ? named then
      raise exception using errcode = '22023', message = 'invalid_prompt',
        detail = format('The template names %s, which is not declared.', left(named, 63));
    end if;
  end loop;
  if private.template_bound(content, variables) > 262144 then
    raise exception using errcode = '22023', message = 'invalid_prompt',
      detail = 'The template becomes longer than 262144 characters.';
  end if;
end
$$;
comment on function private.validate_template(text, jsonb, boolean) is
  'Requires well-formed variables, a declaration for each {{name}} and a result within the length limit; '
  'else 22023 invalid_prompt. may_ask: a variable may have neither value nor source, so that a request gives '
  'its value.';

create function private.render_template(content text, variables jsonb, sources jsonb) returns text
language sql immutable security invoker set search_path = ''
as $$
  -- One pass over the text: a value that contains {{name}} is not replaced again.
  select string_agg(
    piece || coalesce(
      variables -> found[1] ->> 'value', sources ->> (variables -> found[1] ->> 'source'), ''
    ),
    '' order by n
  )
  from regexp_split_to_table(content, '\{\{\s*[a-z][a-z0-9_]*\s*\}\}') with ordinality pieces (piece, n)
  left join regexp_matches(content, '\{\{\s*([a-z][a-z0-9_]*)\s*\}\}', 'g') with ordinality names (found, n)
    using (n)
$$;
comment on function private.render_template(text, jsonb, jsonb) is
  'Replaces each {{name}} by the declared value or source.';

create function private.check_prompt() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: calls helpers that no API role may execute.
begin
  if new.template then
    perform private.validate_template(new.content, new.variables, false);
  end if;
  if tg_op = 'UPDATE' then
    new.version := old.version + 1;
  end if;
  return new;
end
$$;
comment on function private.check_prompt() is
  'Trigger: refuses a template with undeclared variables, and counts versions.';
create trigger system_prompts_check before insert or update on public.system_prompts
  for each row execute function private.check_prompt();

-- ── Prompts of the library in a request ───────────────────────────────────────────────────────

create function private.check_library_prompt() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: calls a helper that no API role may execute.
begin
  perform private.validate_template(new.template, new.variables, true);
  return new;
end
$$;
comment on function private.check_library_prompt() is
  'Trigger: refuses a template with undeclared variables, and a variable without a type.';
create trigger prompts_check before insert or update of template, variables on client_mgmt.prompts
  for each row execute function private.check_library_prompt();

create function private.variables_problem(declared jsonb, given jsonb) returns text
language sql immutable security invoker set search_path = ''
as $$
  select name || case
    when wanted is null then ': is no variable of the prompt.'
    when wanted ? 'source' then ': has a source, so a request cannot give its value.'
    when value is null then ': is required.'
    else ': must be a ' || case wanted ->> 'type' when 'date' then 'date, as YYYY-MM-DD.'
      else wanted ->> 'type' || '.' end
  end
  from (
    select left(name, 63) as name, d.value as wanted, g.value
    from jsonb_each(declared) d(name, value)
    full join jsonb_each(given) g(name, value) using (name)
  ) each_variable
  where wanted is null
    or (value is null and not wanted ?| '{value,source}')
    or (value is not null and (
      wanted ? 'source' or not private.has_variable_type(value, wanted ->> 'type')))
  order by name
  limit 1
$$;
comment on function private.variables_problem(jsonb, jsonb) is
  'The problem of the first wrong variable, as `name: what it must be`: undeclared, missing or of another '
  'type; else null.';

create function private.fill_prompt(organization bigint, prompt jsonb) returns text
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: called by functions that have checked that the caller is a member of this organization.
declare
  given constant jsonb := coalesce(prompt -> 'variables', '{}');
  found_prompt client_mgmt.prompts;
  filled jsonb;
  problem text;
begin
  select p.* into found_prompt from client_mgmt.prompts p
  where p.organization_id = organization and p.name = prompt ->> 'name';
  if not found then
    raise exception using errcode = 'PT404', message = 'prompt_not_found',
      detail = 'The library of the organization has no prompt of this name. Check the name.';
  end if;
  filled := found_prompt.variables;
  problem := private.variables_problem(filled, given);
  if problem is null then
    select coalesce(jsonb_object_agg(d.key, case
      when given ? d.key then d.value || jsonb_build_object('value', given -> d.key) else d.value end), '{}')
    into filled
    from jsonb_each(filled) d;
    if private.template_bound(found_prompt.template, filled) > 262144 then
      problem := 'make the prompt longer than 262144 characters.';
    end if;
  end if;
  if problem is not null then
    raise exception using errcode = '22023', message = 'invalid_request',
      detail = case when problem ~ '^make' then 'prompt.variables: ' else 'prompt.variables.' end || problem;
  end if;
  return private.render_template(found_prompt.template, filled, private.prompt_sources());
end
$$;
comment on function private.fill_prompt(bigint, jsonb) is
  'The text of a prompt of the library, { name, variables }, with the values of a request. PT404 '
  'prompt_not_found; 22023 invalid_request, whose detail begins with the name of the wrong variable.';

-- ── system_prompt_versions ────────────────────────────────────────────────────────────────────

create table client_mgmt.system_prompt_versions (
  id bigint generated always as identity primary key,
  organization_id bigint references public.organizations (id) on delete cascade,
  user_id uuid,
  system_prompt_id bigint not null,
  version integer not null,
  content text not null,
  priority integer not null,
  template boolean not null,
  variables jsonb not null,
  context text,
  mandatory boolean not null,
  enabled boolean not null,
  changed_by uuid,
  created_at timestamptz not null default clock_timestamp(),
  constraint system_prompt_versions_key unique (system_prompt_id, version),
  constraint system_prompt_versions_user_fkey foreign key (organization_id, user_id)
    references client_mgmt.client_users (organization_id, user_id) on delete cascade
);
comment on table client_mgmt.system_prompt_versions is
  'The last versions of every system prompt, with author and time. Those of a shared layer stay after its '
  'deletion; those of a personal layer go with it. Triggers write and delete them.';
comment on column client_mgmt.system_prompt_versions.user_id is
  'The person of a personal layer; null for shared layers.';
create index system_prompt_versions_prompt_idx
  on client_mgmt.system_prompt_versions (organization_id, system_prompt_id, version);
create index system_prompt_versions_user_id_idx
  on client_mgmt.system_prompt_versions (organization_id, user_id);
alter table client_mgmt.system_prompt_versions enable row level security;
alter table client_mgmt.system_prompt_versions force row level security;
create policy select_manager_or_self on client_mgmt.system_prompt_versions for select to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and (
      (user_id is null and (select private.has_permission('prompts.manage')))
      or user_id = (select private.current_user_id())
    )
  );
comment on policy select_manager_or_self on client_mgmt.system_prompt_versions is
  'Shared layers with prompts.manage; a member''s own layer without.';
revoke all on client_mgmt.system_prompt_versions from anon, authenticated, service_role;
grant select on client_mgmt.system_prompt_versions to authenticated, service_role;
-- No insert, update or delete: the trigger writes.

create function private.forget_prompt_versions(
  organization_id bigint,
  user_id uuid,
  prompts bigint[]
) returns void
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no role holds a grant to delete versions.
#variable_conflict use_column
begin
  delete from client_mgmt.system_prompt_versions v
  using public.system_prompts p
  where p.id = any (prompts) and v.system_prompt_id = p.id and v.version <= p.version - 50;
  -- A layer that is deleted and written again is a new prompt each time, so all versions together have a
  -- bound too.
  if forget_prompt_versions.organization_id is not null then
    delete from client_mgmt.system_prompt_versions v
    using (
      select k.id,
        sum(octet_length(k.content) + octet_length(k.variables::text)) over (order by k.id desc) as bytes,
        row_number() over (order by k.id desc) as nth
      from client_mgmt.system_prompt_versions k
      where k.organization_id = forget_prompt_versions.organization_id
        and (
          k.user_id = forget_prompt_versions.user_id
          or (forget_prompt_versions.user_id is null and k.user_id is null)
        )
    ) k
    where v.id = k.id and (k.bytes > 16777216 or k.nth > 5000);
  end if;
end
$$;
comment on function private.forget_prompt_versions(bigint, uuid, bigint[]) is
  'Keeps the last 50 versions of each of these prompts. Of all versions of a person, or of an '
  'organization''s shared layers, keeps the newest 16 MiB and 5,000.';

create function private.record_prompt_versions() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no role holds a grant to insert versions.
begin
  insert into client_mgmt.system_prompt_versions (
    organization_id, user_id, system_prompt_id, version, content, priority, template, variables, context,
    mandatory, enabled, changed_by
  )
  select c.organization_id, c.user_id, c.id, c.version, c.content, c.priority, c.template, c.variables,
    c.context, c.mandatory, c.enabled, private.current_user_id()
  from after_rows c
  order by c.id;
  perform private.forget_prompt_versions(o.organization_id, o.user_id, o.prompts)
  from (select c.organization_id, c.user_id, array_agg(c.id) as prompts from after_rows c group by 1, 2) o;
  return null;
end
$$;
comment on function private.record_prompt_versions() is
  'Trigger: stores a version of each system prompt that a statement wrote, and deletes the oldest.';
create trigger system_prompts_versions_insert after insert on public.system_prompts
  referencing new table as after_rows
  for each statement execute function private.record_prompt_versions();
create trigger system_prompts_versions_update after update on public.system_prompts
  referencing new table as after_rows
  for each statement execute function private.record_prompt_versions();

create function private.forget_private_versions() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no role holds a grant to delete versions.
begin
  delete from client_mgmt.system_prompt_versions v
  using before_rows b
  where v.system_prompt_id = b.id and b.user_id is not null;
  return null;
end
$$;
comment on function private.forget_private_versions() is
  'Trigger: deletes the versions of personal layers that a statement deleted.';
create trigger system_prompts_versions_delete after delete on public.system_prompts
  referencing old table as before_rows
  for each statement execute function private.forget_private_versions();

-- ── system_prompt_opt_outs ────────────────────────────────────────────────────────────────────

create table client_mgmt.system_prompt_opt_outs (
  organization_id bigint not null default private.current_organization_id(),
  user_id uuid not null default private.current_user_id(),
  system_prompt_id bigint not null references public.system_prompts (id) on delete cascade,
  created_at timestamptz not null default now(),
  primary key (organization_id, user_id, system_prompt_id),
  constraint system_prompt_opt_outs_user_fkey foreign key (organization_id, user_id)
    references client_mgmt.client_users (organization_id, user_id) on delete cascade
);
comment on table client_mgmt.system_prompt_opt_outs is
  'Layers that a person opted out of. A mandatory layer is still sent.';
create index system_prompt_opt_outs_prompt_idx on client_mgmt.system_prompt_opt_outs (system_prompt_id);
alter table client_mgmt.system_prompt_opt_outs enable row level security;
alter table client_mgmt.system_prompt_opt_outs force row level security;
create policy select_self on client_mgmt.system_prompt_opt_outs for select to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and user_id = (select private.current_user_id())
  );
comment on policy select_self on client_mgmt.system_prompt_opt_outs is 'One''s own.';
create policy insert_self on client_mgmt.system_prompt_opt_outs for insert to authenticated
  with check (
    organization_id = (select private.current_organization_id())
    and user_id = (select private.current_user_id())
    and (select private.has_permission('agents.invoke'))
    -- The policy refuses a layer that the caller cannot see before the foreign key could tell that it
    -- exists.
    and exists (select 1 from public.system_prompts p where p.id = system_prompt_opt_outs.system_prompt_id)
  );
comment on policy insert_self on client_mgmt.system_prompt_opt_outs is
  'A member''s own row, for a layer that the member can see.';
create policy delete_self on client_mgmt.system_prompt_opt_outs for delete to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and user_id = (select private.current_user_id())
    and (select private.has_permission('agents.invoke'))
  );
comment on policy delete_self on client_mgmt.system_prompt_opt_outs is 'One''s own.';
revoke all on client_mgmt.system_prompt_opt_outs from anon, authenticated, service_role;
grant select, delete on client_mgmt.system_prompt_opt_outs to authenticated;
grant insert (system_prompt_id) on client_mgmt.system_prompt_opt_outs to authenticated;

-- ── The layers that are sent ──────────────────────────────────────────────────────────────────

create function private.prompt_layers(
  organization bigint, account uuid, agent_id bigint, project_id bigint, context text, sent_only boolean
) returns table (
  id bigint, layer text, scope text, priority integer, mandatory boolean, version integer, left_out text,
  content text
)
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: this function alone decides which layers are sent. Called by functions that have checked that the
-- caller is this account, in this organization, and that the organization sees the agent and the project. A
-- guest adds no layer and opts out of none, also where they did so as a member.
#variable_conflict use_column
declare
  guest constant boolean := private.is_guest(organization, account);
begin
  return query
  select l.id, l.layer, l.scope, l.priority, l.mandatory, l.version, l.left_out,
    -- The subquery runs once, and only where a layer is a template.
    case when l.template
      then private.render_template(l.content, l.variables, (select private.prompt_sources()))
      else l.content end
  from (
    select p.id, p.scope, p.priority, p.mandatory, p.version, p.template, p.variables, p.content,
      case
        when p.scope = 'user' then 'user'
        when p.context is not null then 'context'
        when p.project_id is not null then 'project'
        else p.scope
      end as layer,
      case
        when not p.enabled then 'disabled'
        when p.project_id is not null and p.project_id is distinct from prompt_layers.project_id
          then 'project'
        when p.context is not null and p.context is distinct from prompt_layers.context then 'context'
        when not p.mandatory and not guest and exists (
          select 1 from client_mgmt.system_prompt_opt_outs o
          where o.organization_id = prompt_layers.organization and o.user_id = prompt_layers.account
            and o.system_prompt_id = p.id
        ) then 'opted_out'
      end as left_out
    from public.system_prompts p
    where (p.enabled or not prompt_layers.sent_only)
      and (
        p.organization_id is null
        or (p.organization_id = prompt_layers.organization
          and (p.user_id is null or (p.user_id = prompt_layers.account and not guest)))
      )
    union all
    select null, case when a.organization_id is null then 'global' else 'organization' end, 0, true, null,
      false, null, a.instructions, 'agent', null
    from public.agents a
    where a.id = prompt_layers.agent_id and a.instructions is not null
    union all
    select null, 'user', 0, true, null, false, null, s.system_prompt, 'sign_in', null
    from private.current_session() s
    where s.system_prompt <> '' and s.user_id = prompt_layers.account and not guest
  ) l
  where l.left_out is null or not prompt_layers.sent_only
  order by array_position(
      array['global', 'organization', 'project', 'agent', 'context', 'user', 'sign_in'], l.layer
    ), l.priority desc, l.id;
end
$$;
comment on function private.prompt_layers(bigint, uuid, bigint, bigint, text, boolean) is
  'The layers before an execution of the caller, rendered, in the order in which they are sent: global, '
  'organization, project, agent (its instructions), context, user, sign_in (the session''s own). left_out '
  'says why one is not sent: disabled, project, context, opted_out. For a guest without user and sign_in.';

create function private.preview_system_prompt(content text, variables jsonb) returns text
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: calls helpers that no API role may execute. Reads the caller's own sources only.
begin
  perform private.require_organization();
  if content is null or char_length(content) > 65536 or octet_length(variables::text) > 65536 then
    raise exception using errcode = '22023', message = 'invalid_prompt',
      detail = 'A template has 1 to 65536 characters, its variables as JSON 65536 bytes at most.';
  end if;
  perform private.validate_template(content, variables, false);
  return private.render_template(content, variables, private.prompt_sources());
end
$$;
comment on function private.preview_system_prompt(text, jsonb) is 'Body of public.preview_system_prompt().';

create function public.preview_system_prompt(content text, variables jsonb default '{}') returns text
language sql stable security invoker set search_path = ''
as $$ select private.preview_system_prompt(content, variables) $$;
comment on function public.preview_system_prompt(text, jsonb) is
  'Renders a template as it would be sent for the caller; stores nothing. 22023 invalid_prompt.';

revoke all on function
  private.prompt_sources(), private.is_date(text), private.has_variable_type(jsonb, text),
  private.template_bound(text, jsonb), private.validate_template(text, jsonb, boolean),
  private.render_template(text, jsonb, jsonb),
  private.check_prompt(), private.check_library_prompt(),
  private.variables_problem(jsonb, jsonb),
  private.fill_prompt(bigint, jsonb), private.record_prompt_versions(),
  private.forget_prompt_versions(bigint, uuid, bigint[]), private.forget_private_versions(),
  private.prompt_layers(bigint, uuid, bigint, bigint, text, boolean),
  private.preview_system_prompt(text, jsonb), public.preview_system_prompt(text, jsonb)
  from public, anon, authenticated, service_role;
grant execute on function
  private.preview_system_prompt(text, jsonb), public.preview_system_prompt(text, jsonb)
  to authenticated;
create trigger prompts_require_permission before insert or update or delete on client_mgmt.prompts
  for each statement execute function private.require_permission('prompts.manage');
create trigger system_prompts_require_permission before insert or update or delete on public.system_prompts
  for each statement execute function private.require_permission('agents.invoke', 'prompts.manage');
create trigger system_prompt_opt_outs_require_permission
  before insert or update or delete on client_mgmt.system_prompt_opt_outs
  for each statement execute function private.require_permission('agents.invoke');
