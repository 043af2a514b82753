-- Legacy preferences: moves the rows of an older public.site_preferences into the sets of preferences.
-- Special: the owner of the database runs it by hand, once or again. No API role may: it reads a table that
-- the migrations do not know, by a statement that is made when it runs.

create function public.migrate_site_preferences()
returns table (site text, preference text, outcome text, reason text)
language plpgsql volatile security invoker set search_path = ''
as $$
declare
  -- A name in a variable: the function is checked in databases that have no such table.
  place constant regclass := to_regclass('public.site_preferences');
  legacy jsonb;
  owning bigint;
  target bigint;
  kind public.preference_types;
  stored text;
begin
  if place is null then
    return;
  end if;
  for legacy in execute format('select to_jsonb(s) from %s s order by to_jsonb(s)::text', place) loop
    site := coalesce(
      legacy ->> 'schema_name', legacy ->> 'client_schema', legacy ->> 'site_name', legacy ->> 'site',
      legacy ->> 'site_id', legacy ->> 'organization_id');
    preference := coalesce(
      legacy ->> 'preference_name', legacy ->> 'preference', legacy ->> 'preference_key', legacy ->> 'key',
      legacy ->> 'name');
    stored := coalesce(legacy ->> 'preference_value', legacy ->> 'value');
    outcome := 'not_mapped';
    -- A set by its name; else the first one of the organization of this slug or id.
    select c.organization_id, c.id into owning, target
    from public.client_schemas c
    join public.organizations o on o.id = c.organization_id
    where site in (c.schema_name, o.slug, o.id::text)
    order by c.schema_name <> site, c.id
    limit 1;
    select t.* into kind from public.preference_types t where t.name = preference;
    reason := case
      when target is null then 'No set of preferences and no organization has this name.'
      when kind.id is null then 'No preference type has this name.'
      when stored is null then 'The row has no value.'
      else private.preference_problem(owning, kind, stored)
    end;
    if reason is null then
      insert into public.client_schema_preferences (
        organization_id, client_schema_id, preference_type_id, preference_value
      )
      values (owning, target, kind.id, stored)
      on conflict on constraint client_schema_preferences_key do nothing;
      outcome := case when found then 'moved' else 'kept' end;
    end if;
    return next;
  end loop;
end
$$;
comment on function public.migrate_site_preferences() is
  'Copies the rows of a legacy table public.site_preferences to client_schema_preferences, and tells for '
  'each row: moved, kept (the set has a value, which stays) or not_mapped with the reason. Without the table '
  'it returns no row. It may run again. The owner of the database only.';
revoke all on function public.migrate_site_preferences() from public, anon, authenticated, service_role;
