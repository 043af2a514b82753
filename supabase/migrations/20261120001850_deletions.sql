-- Deletions: what content refers to is kept, and the content of a deleted organization goes first.
-- Special: no foreign key from content to configuration cascades. The foreign keys alone would refuse the
-- deletion too; the trigger says why, and what to do instead.

create function private.refuse_deletion_in_use() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: counts past the caller's policies. A conversation of another member of the organization refers to
-- its agent too.
declare
  referring text;
begin
  -- The deletion of an organization deletes it all.
  if old.organization_id is not null
    and not exists (select 1 from public.organizations o where o.id = old.organization_id)
  then
    return old;
  end if;
  referring := case tg_table_name
    when 'agents' then case
      when exists (select 1 from public.chat_sessions s where s.agent_id = old.id) then 'chat sessions'
      when exists (select 1 from public.agent_executions x where x.agent_id = old.id) then 'executions'
      when exists (select 1 from public.agent_metrics m where m.agent_id = old.id) then 'metrics' end
    when 'models' then case
      when exists (select 1 from public.chat_sessions s where s.model_id = old.id) then 'chat sessions'
      when exists (select 1 from public.agent_executions x where x.model_id = old.id) then 'executions' end
    when 'projects' then case
      when exists (
        select 1 from public.chat_sessions s
        where s.organization_id = old.organization_id and s.project_id = old.id
      ) then 'chat sessions'
      when exists (
        select 1 from public.agent_executions x
        where x.organization_id = old.organization_id and x.project_id = old.id
      ) then 'executions'
      when exists (
        select 1 from conversation.blocks b
        where b.organization_id = old.organization_id and b.project_id = old.id
      ) then 'blocks' end
    when 'participants' then case
      when exists (
        select 1 from conversation.turns t
        where t.organization_id = old.organization_id and t.participant_id = old.id
      ) then 'turns' end
    when 'lens_prototypes' then case
      when exists (select 1 from conversation.block_lens_version v where v.lens_id = old.id)
        then 'results' end
  end;
  if referring is not null then
    raise exception using errcode = 'PT409', message = 'in_use', detail = format(
      '%s refer to this row of %s. %s', initcap(left(referring, 1)) || substr(referring, 2), tg_table_name,
      case when tg_table_name in ('agents', 'models') then 'Set enabled to false instead.'
        else 'Delete them first.' end
    );
  end if;
  return old;
end
$$;
comment on function private.refuse_deletion_in_use() is
  'Trigger: refuses to delete an agent, a model, a project, a participant or a lens while content refers to '
  'it; PT409 in_use.';

create trigger agents_in_use before delete on public.agents
  for each row execute function private.refuse_deletion_in_use();
create trigger models_in_use before delete on public.models
  for each row execute function private.refuse_deletion_in_use();
create trigger projects_in_use before delete on client_mgmt.projects
  for each row execute function private.refuse_deletion_in_use();
create trigger participants_in_use before delete on conversation.participants
  for each row execute function private.refuse_deletion_in_use();
create trigger lens_prototypes_in_use before delete on conversation.lens_prototypes
  for each row execute function private.refuse_deletion_in_use();

create function private.delete_content() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: deletes what the deletion of the organization would delete, in the order that its references need:
-- conversations and analysis before agents, projects, participants and lenses.
begin
  delete from public.chat_sessions s where s.organization_id = old.id;
  delete from conversation.blocks b where b.organization_id = old.id;
  delete from conversation.turns t where t.organization_id = old.id;
  delete from public.agent_metrics m where m.organization_id = old.id;
  return old;
end
$$;
comment on function private.delete_content() is
  'Trigger: deletes the content of an organization before its configuration.';
create trigger organizations_delete_content before delete on public.organizations
  for each row execute function private.delete_content();

revoke all on function private.refuse_deletion_in_use(), private.delete_content()
  from public, anon, authenticated, service_role;
