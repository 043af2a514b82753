-- Projects: an organization groups its conversations, budgets and model choices by them.

-- ── projects ──────────────────────────────────────────────────────────────────────────────────

create table client_mgmt.projects (
  organization_id bigint not null default private.current_organization_id()
    references public.organizations (id) on delete cascade,
  id bigint generated always as identity,
  name text not null constraint projects_name_length check (char_length(name) between 1 and 200),
  settings jsonb not null default '{}'
    constraint projects_settings_object check (jsonb_typeof(settings) = 'object')
    constraint projects_settings_length check (octet_length(settings::text) <= 65536),
  client_schema_id bigint,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (organization_id, id),
  constraint projects_name_key unique (organization_id, name),
  constraint projects_client_schema_fkey foreign key (organization_id, client_schema_id)
    references public.client_schemas (organization_id, id) on delete set null (client_schema_id)
);
comment on table client_mgmt.projects is
  'A piece of work inside an organization, with its own model choice and preferences.';
comment on column client_mgmt.projects.settings is
  'Parameters of a model call for the executions of the project. They win over those of the agent and its '
  'models; the settings of a model choice and a request win over them.';
create index projects_client_schema_id_idx on client_mgmt.projects (organization_id, client_schema_id);
alter table client_mgmt.projects enable row level security;
alter table client_mgmt.projects force row level security;
create policy select_member on client_mgmt.projects for select to authenticated
  using (organization_id = (select private.current_organization_id()));
comment on policy select_member on client_mgmt.projects is 'Every member sees the projects.';
create policy insert_manager on client_mgmt.projects for insert to authenticated
  with check (
    organization_id = (select private.current_organization_id())
    and (select private.has_permission('projects.manage'))
  );
comment on policy insert_manager on client_mgmt.projects is 'With projects.manage.';
create policy update_manager on client_mgmt.projects for update to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and (select private.has_permission('projects.manage'))
  )
  with check (
    organization_id = (select private.current_organization_id())
    and (select private.has_permission('projects.manage'))
  );
comment on policy update_manager on client_mgmt.projects is 'With projects.manage.';
create policy delete_manager on client_mgmt.projects for delete to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and (select private.has_permission('projects.manage'))
  );
comment on policy delete_manager on client_mgmt.projects is 'With projects.manage.';
revoke all on client_mgmt.projects from anon, authenticated, service_role;
grant select, delete on client_mgmt.projects to authenticated;
grant insert (name, settings, client_schema_id), update (name, settings, client_schema_id)
  on client_mgmt.projects to authenticated;
grant select, insert, update, delete on client_mgmt.projects to service_role;
create trigger projects_check_settings before insert or update of settings on client_mgmt.projects
  for each row execute function private.check_settings('settings');
create trigger projects_updated_at before update on client_mgmt.projects
  for each row execute function private.update_updated_at_column();
create trigger projects_audit_insert after insert on client_mgmt.projects
  referencing new table as after_rows
  for each statement execute function private.audit_change('project', 'id');
create trigger projects_audit_update after update on client_mgmt.projects
  referencing old table as before_rows new table as after_rows
  for each statement execute function private.audit_change('project', 'id');
create trigger projects_audit_delete after delete on client_mgmt.projects
  referencing old table as before_rows
  for each statement execute function private.audit_change('project', 'id');
create trigger projects_require_permission before insert or update or delete on client_mgmt.projects
  for each statement execute function private.require_permission('projects.manage');
