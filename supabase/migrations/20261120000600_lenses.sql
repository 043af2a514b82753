-- Lenses: kinds of analysis, the platform's and the organization's own.

-- ── lens_prototypes ─────────────────────────────────────────────────────────────────────────────

create table conversation.lens_prototypes (
  id bigint generated always as identity primary key,
  organization_id bigint default private.current_organization_id()
    references public.organizations (id) on delete cascade,
  name text not null constraint lens_prototypes_name_length check (char_length(name) between 1 and 200),
  prompt_template text not null
    constraint lens_prototypes_template_length check (char_length(prompt_template) between 1 and 65536),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint lens_prototypes_name_key unique nulls not distinct (organization_id, name)
);
comment on table conversation.lens_prototypes is
  'Kinds of analysis of a block; organization_id null: the platform''s.';

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
grant insert (name, prompt_template), update (name, prompt_template) on conversation.lens_prototypes
  to authenticated;
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
