-- Lenses: kinds of analysis, the platform's and the organization's own.

-- ── lens_prototypes ─────────────────────────────────────────────────────────────────────────────

create table conversation.lens_prototypes (
  id bigint generated always as identity primary key,
  organization_id bigint default private.current_organization_id()
    references public.organizations (id) on delete cascade,
  name text not null constraint lens_prototypes_name_length check (char_length(name) between 1 and 200),
  prompt_template text not null
    constraint lens_prototypes_template_length check (char_length(prompt_template) between 1 and 65536),
  variables jsonb not null default '{}'
    constraint lens_prototypes_variables_length check (octet_length(variables::text) <= 65536),
  output_schema jsonb not null default
    '{"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"],
      "additionalProperties": false}'
    constraint lens_prototypes_schema_length check (octet_length(output_schema::text) <= 65536),
  agent text constraint lens_prototypes_agent_length check (char_length(agent) between 1 and 63),
  model text constraint lens_prototypes_model_length check (char_length(model) between 1 and 200)
    constraint lens_prototypes_model_of_agent check (model is null or agent is not null),
  version integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint lens_prototypes_name_key unique nulls not distinct (organization_id, name)
);
comment on table conversation.lens_prototypes is
  'Kinds of analysis of a block; organization_id null: the platform''s.';
comment on column conversation.lens_prototypes.variables is
  'The variables of the template: { name: { type: text|number|boolean|date, value } }.';
comment on column conversation.lens_prototypes.output_schema is
  'The JSON Schema that each result matches; an object at the root.';
comment on column conversation.lens_prototypes.agent is
  'The name of the agent that a run asks; null: the agent that answers when a request names none.';
comment on column conversation.lens_prototypes.version is
  'Counts the changes of all columns above but the name. lens_versions keeps each version.';

alter table conversation.lens_prototypes enable row level security;
alter table conversation.lens_prototypes force row level security;
create policy select_member on conversation.lens_prototypes for select to authenticated
  using (
    organization_id = (select private.current_organization_id())
    or (organization_id is null and (select private.current_organization_id()) is not null)
  );
comment on policy select_member on conversation.lens_prototypes is
  'The platform''s and the organization''s own.';
create policy insert_manager on conversation.lens_prototypes for insert to authenticated
  with check (
    organization_id = (select private.current_organization_id())
    and (select private.has_permission('projects.manage'))
  );
comment on policy insert_manager on conversation.lens_prototypes is 'With projects.manage.';
create policy update_manager on conversation.lens_prototypes for update to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and (select private.has_permission('projects.manage'))
  )
  with check (
    organization_id = (select private.current_organization_id())
    and (select private.has_permission('projects.manage'))
  );
comment on policy update_manager on conversation.lens_prototypes is 'With projects.manage.';
create policy delete_manager on conversation.lens_prototypes for delete to authenticated
  using (
    organization_id = (select private.current_organization_id())
    and (select private.has_permission('projects.manage'))
  );
comment on policy delete_manager on conversation.lens_prototypes is 'With projects.manage.';
revoke all on conversation.lens_prototypes from anon, authenticated, service_role;
grant select, delete on conversation.lens_prototypes to authenticated;
grant insert (name, prompt_template, variables, output_schema, agent, model),
  update (name, prompt_template, variables, output_schema, agent, model) on conversation.lens_prototypes
  to authenticated;
-- No insert or update of version: a trigger counts it.
grant select, insert, update, delete on conversation.lens_prototypes to service_role;
create trigger lens_prototypes_updated_at before update on conversation.lens_prototypes
  for each row execute function private.update_updated_at_column();
create trigger lens_prototypes_audit_insert after insert on conversation.lens_prototypes
  referencing new table as after_rows
  for each statement execute function private.audit_change('lens', 'id', 'prompt_template');
create trigger lens_prototypes_audit_update after update on conversation.lens_prototypes
  referencing old table as before_rows new table as after_rows
  for each statement execute function private.audit_change('lens', 'id', 'prompt_template');
create trigger lens_prototypes_audit_delete after delete on conversation.lens_prototypes
  referencing old table as before_rows
  for each statement execute function private.audit_change('lens', 'id', 'prompt_template');
create trigger lens_prototypes_require_permission
  before insert or update or delete on conversation.lens_prototypes
  for each statement execute function private.require_permission('projects.manage');
