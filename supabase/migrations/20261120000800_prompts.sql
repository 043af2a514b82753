-- System prompts: the layers that precede every conversation.
-- Special: a template reaches only the variables listed in private.prompt_variables(); global layers
-- are the platform's and no client can write them.

create table public.system_prompts (
  id bigint generated always as identity primary key,
  scope text not null constraint system_prompts_scope check (scope in ('global', 'organization', 'user')),
  organization_id bigint default private.current_organization_id()
    references public.organizations (id) on delete cascade,
  user_id uuid,
  content text not null constraint system_prompts_content_length check (char_length(content) between 1 and 65536),
  priority integer not null default 0,
  template boolean not null default false,
  enabled boolean not null default true,
  created_by uuid default private.current_user_id(),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint system_prompts_scope_columns check (
    (scope = 'global' and organization_id is null and user_id is null)
    or (scope = 'organization' and organization_id is not null and user_id is null)
    or (scope = 'user' and organization_id is not null and user_id is not null)
  ),
  constraint system_prompts_user_fkey foreign key (organization_id, user_id)
    references client_mgmt.client_users (organization_id, user_id) on delete cascade
);
comment on table public.system_prompts is
  'Layers sent before a conversation: global, then organization, then user; inside a layer the higher priority first.';
comment on column public.system_prompts.template is 'True: {{variable}} is replaced. False: sent as it is.';
comment on column public.system_prompts.created_by is 'Account that wrote it; null for the platform.';
create index system_prompts_user_id_idx on public.system_prompts (organization_id, user_id);
create index system_prompts_effective_idx on public.system_prompts (organization_id, scope, priority desc) where enabled;
create index system_prompts_scope_idx on public.system_prompts (scope, enabled);

alter table public.system_prompts enable row level security;
alter table public.system_prompts force row level security;
create policy select_member on public.system_prompts for select to authenticated
  using (
    (organization_id = (select private.current_organization_id())
      and (user_id is null or user_id = (select private.current_user_id())))
    or (organization_id is null and (select private.current_organization_id()) is not null)
  );
comment on policy select_member on public.system_prompts is 'Global and organization layers, and one''s own.';
create policy insert_manager_or_self on public.system_prompts for insert to authenticated
  with check (
    organization_id = (select private.current_organization_id())
    and (
      (scope = 'organization' and (select private.has_permission('prompts.manage')))
      or (scope = 'user' and user_id = (select private.current_user_id()) and (select private.has_permission('agents.invoke')))
    )
  );
comment on policy insert_manager_or_self on public.system_prompts is 'Organization layers with prompts.manage; one''s own layer.';
create policy update_manager_or_self on public.system_prompts for update to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and (
      (scope = 'organization' and (select private.has_permission('prompts.manage')))
      or (scope = 'user' and user_id = (select private.current_user_id()) and (select private.has_permission('agents.invoke')))
    )
  )
  with check (
    organization_id = (select private.current_organization_id())
    and (
      (scope = 'organization' and (select private.has_permission('prompts.manage')))
      or (scope = 'user' and user_id = (select private.current_user_id()) and (select private.has_permission('agents.invoke')))
    )
  );
comment on policy update_manager_or_self on public.system_prompts is 'As for insert; the scope itself has no update grant.';
create policy delete_manager_or_self on public.system_prompts for delete to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and (
      (scope = 'organization' and (select private.has_permission('prompts.manage')))
      or (scope = 'user' and user_id = (select private.current_user_id()) and (select private.has_permission('agents.invoke')))
    )
  );
comment on policy delete_manager_or_self on public.system_prompts is 'As for insert.';
revoke all on public.system_prompts from anon, authenticated, service_role;
grant select, delete on public.system_prompts to authenticated;
grant insert (scope, user_id, content, priority, template, enabled), update (content, priority, template, enabled)
  on public.system_prompts to authenticated;
grant select, insert, update, delete on public.system_prompts to service_role;
create trigger system_prompts_updated_at before update on public.system_prompts
  for each row execute function private.update_updated_at_column();
create trigger system_prompts_audit after insert or update or delete on public.system_prompts
  for each row execute function private.audit_change('system_prompt', 'id', 'content');

create function private.prompt_variables() returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: reads the caller's own account and organization, whatever the policies of a later file say.
declare
  result jsonb;
begin
  select jsonb_build_object(
    'organization_name', o.name,
    'user_name', coalesce(u.display_name, split_part(u.email, '@', 1)),
    'current_date', to_char(statement_timestamp() at time zone 'utc', 'YYYY-MM-DD')
  ) into result
  from public.organizations o, public.users u
  where o.id = private.current_organization_id() and u.id = private.current_user_id();
  return coalesce(result, '{}');
end
$$;
comment on function private.prompt_variables() is 'All that a template can name: organization_name, user_name, current_date (UTC).';

create function private.render_template(content text, variables jsonb) returns text
language plpgsql immutable security invoker set search_path = ''
as $$
-- One pass over the text: a value that itself looks like a variable is not replaced again.
declare
  rest text := content;
  rendered text := '';
  found text[];
  start integer;
begin
  loop
    found := regexp_match(rest, '(\{\{\s*([a-z_]+)\s*\}\})');
    exit when found is null;
    start := strpos(rest, found[1]);
    rendered := rendered || left(rest, start - 1) || coalesce(variables ->> found[2], found[1]);
    rest := substr(rest, start + char_length(found[1]));
  end loop;
  return rendered || rest;
end
$$;
comment on function private.render_template(text, jsonb) is
  'Replaces {{name}} by variables -> name; an unknown name stays as it is written.';

create function private.effective_system_prompts()
returns table (id bigint, scope text, priority integer, content text)
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: the layers sent are decided here and nowhere else; it looks at the caller's own only.
declare
  organization constant bigint := private.current_organization_id();
  account constant uuid := private.current_user_id();
  variables constant jsonb := private.prompt_variables();
begin
  if organization is null then
    return;
  end if;
  return query
  select p.id, p.scope, p.priority,
    case when p.template then private.render_template(p.content, variables) else p.content end
  from public.system_prompts p
  where p.enabled and (
    p.organization_id is null
    or (p.organization_id = organization and (p.user_id is null or p.user_id = account))
  )
  order by case p.scope when 'global' then 0 when 'organization' then 1 else 2 end, p.priority desc, p.id;
end
$$;
comment on function private.effective_system_prompts() is 'Body of public.get_effective_system_prompts().';

revoke all on function
  private.prompt_variables(), private.render_template(text, jsonb), private.effective_system_prompts()
  from public, anon, authenticated, service_role;
grant execute on function private.effective_system_prompts() to authenticated;

create function public.get_effective_system_prompts()
returns table (id bigint, scope text, priority integer, content text)
language sql stable security invoker set search_path = ''
as $$ select * from private.effective_system_prompts() $$;
comment on function public.get_effective_system_prompts() is
  'The layers that precede the caller''s conversations, rendered and in the order they are sent.';
revoke all on function public.get_effective_system_prompts() from public, anon, authenticated, service_role;
grant execute on function public.get_effective_system_prompts() to authenticated;
