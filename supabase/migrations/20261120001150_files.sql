-- Files: objects of the private bucket attachments, one folder per conversation.
-- Special: Storage owns storage.objects and the bytes. A database without schema storage has no files, and
-- this file applies there too. private.files repeats each object with its session, because the deletion of
-- a session must find its objects, and the deletion of a row of storage.objects deletes no bytes.

-- ── Names and types ───────────────────────────────────────────────────────────────────────────

create function private.file_extensions(media_type text) returns text[]
language sql immutable security invoker set search_path = ''
as $$
  select case media_type
    when 'image/png' then '{png}'::text[]
    when 'image/jpeg' then '{jpg,jpeg}'
    when 'image/gif' then '{gif}'
    when 'image/webp' then '{webp}'
    when 'application/pdf' then '{pdf}'
    when 'application/json' then '{json}'
    when 'text/plain' then '{txt,log}'
    when 'text/markdown' then '{md}'
    when 'text/csv' then '{csv}'
    when 'audio/wav' then '{wav}'
    when 'audio/mpeg' then '{mp3}'
  end
$$;
comment on function private.file_extensions(text) is
  'The extensions of a media type that a file may have; null for a type that no file may have.';

create function private.file_type(metadata jsonb) returns text
language sql immutable security invoker set search_path = ''
as $$ select lower(btrim(split_part(metadata ->> 'mimetype', ';', 1))) $$;
comment on function private.file_type(jsonb) is
  'The media type in the metadata of an object, without its parameters.';

create function private.file_address(
  path text, out organization_id bigint, out session_id uuid, out id uuid, out name text
)
language plpgsql immutable security invoker set search_path = ''
as $$
declare
  uuid_form constant text := '([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})';
  -- ASCII without a control character, a quote, a percent sign or a backslash: one path has one spelling.
  name_form constant text := '([A-Za-z0-9_](?:[A-Za-z0-9._ ()+-]{0,97}[A-Za-z0-9_)])?)';
  found constant text[] := regexp_match(
    path, '^([1-9][0-9]{0,17})/' || uuid_form || '/' || uuid_form || '/' || name_form || '$');
begin
  if found is null or position('..' in found[4]) > 0 then
    return;
  end if;
  organization_id := found[1]::bigint;
  session_id := found[2]::uuid;
  id := found[3]::uuid;
  name := found[4];
end
$$;
comment on function private.file_address(text) is
  'The parts of a path <organization_id>/<session_id>/<uuid>/<name>; nulls for another text.';

-- ── files ─────────────────────────────────────────────────────────────────────────────────────

-- No foreign key: a row outlives its session, its member and its organization until Storage has deleted the
-- object.
create table private.files (
  organization_id bigint not null,
  session_id uuid not null,
  id uuid not null,
  user_id uuid not null,
  name text not null,
  media_type text,
  file_bytes bigint not null constraint files_bytes check (file_bytes >= 0),
  named_at timestamptz,
  removed_at timestamptz,
  created_at timestamptz not null default now(),
  primary key (organization_id, session_id, id)
);
comment on table private.files is
  'The objects of the bucket attachments. Written by triggers on storage.objects and on conversations.';
comment on column private.files.user_id is 'The session''s user, whose quota the file fills.';
comment on column private.files.media_type is
  'The type that the upload declared; null when it declared none.';
comment on column private.files.file_bytes is 'The size of the object. private.count_quota() counts it.';
comment on column private.files.named_at is
  'When a message first named the file; the clean-up removes a file that no message named for 24 hours.';
comment on column private.files.removed_at is
  'Since then no policy shows the object, and the clean-up removes it with Storage''s API.';
create index files_removed_at_idx on private.files (removed_at) where removed_at is not null;
create index files_unnamed_idx on private.files (created_at)
  where named_at is null and removed_at is null;
alter table private.files enable row level security;
alter table private.files force row level security;
revoke all on private.files from public, anon, authenticated, service_role;

create function private.file_path(file private.files) returns text
language sql immutable security invoker set search_path = ''
as $$ select concat_ws('/', file.organization_id, file.session_id, file.id, file.name) $$;
comment on function private.file_path(private.files) is 'The name of the file''s object.';

-- ── Objects ───────────────────────────────────────────────────────────────────────────────────

create function private.is_removed_file(path text) returns boolean
language sql stable security definer set search_path = ''
as $$
  -- Definer: reads private.files, and tells nothing but that a file is about to be deleted.
  select exists (
    select 1 from private.file_address(path) a
    join private.files f on f.organization_id = a.organization_id and f.session_id = a.session_id
      and f.id = a.id
    where f.removed_at is not null
  )
$$;
comment on function private.is_removed_file(text) is
  'Whether the clean-up is about to delete the object of a path.';

create function private.may_read_file(path text) returns boolean
language plpgsql stable security invoker set search_path = ''
as $$
-- Invoker: the policies of chat_sessions decide. The session of a removed file may have been deleted, and
-- made again by another person.
declare
  file record;
begin
  select * into file from private.file_address(path);
  return exists (
      select 1 from public.chat_sessions s
      where s.organization_id = file.organization_id and s.id = file.session_id
    )
    and not private.is_removed_file(path);
end
$$;
comment on function private.may_read_file(text) is
  'Whether the caller may read the session of a path of the bucket attachments, and the file is not removed.';

create function private.may_write_file(path text) returns boolean
language plpgsql stable security invoker set search_path = ''
as $$
-- Invoker: as private.may_read_file().
declare
  file record;
begin
  select * into file from private.file_address(path);
  return private.may_converse()
    and exists (
      select 1 from public.chat_sessions s
      where s.organization_id = file.organization_id and s.id = file.session_id
        and s.user_id = private.current_user_id()
    );
end
$$;
comment on function private.may_write_file(text) is
  'Whether a path of the bucket attachments is in a session of the caller, who holds agents.invoke.';

create function private.check_file() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: Storage's own role holds no grant in private. It stores each object, and a signed upload address
-- skips the policies.
declare
  file record;
  media_type constant text := private.file_type(new.metadata);
  extensions constant text[] := private.file_extensions(media_type);
begin
  if tg_op = 'UPDATE' then
    -- A message names what was checked. lite writes the time of the last access.
    if (new.bucket_id, new.name, new.version, new.metadata)
      is distinct from (old.bucket_id, old.name, old.version, old.metadata)
    then
      raise exception using errcode = '42501', message = 'file_not_replaceable',
        detail = 'A file is neither replaced nor moved. Upload it under a new uuid.';
    end if;
    return new;
  end if;
  select * into file from private.file_address(new.name);
  if file.id is null then
    raise exception using errcode = '42501', message = 'file_name_not_allowed',
      detail = 'The path is <organization_id>/<session_id>/<uuid>/<name>; the name has at most 99 of the '
        'characters A-Z a-z 0-9 . _ - + ( ) and space.';
  end if;
  -- Who asks for a signed upload address sends JSON: the upload itself is checked.
  if current_setting('storage.operation', true) is distinct from 'storage.object.sign_upload_url'
    and media_type is not null and coalesce(
    lower(substring(file.name from '[.]([^.]+)$')) <> all (extensions), true
  ) then
    raise exception using errcode = '42501', message = 'file_type_not_allowed',
      detail = 'No file may have this type, or the name ends with the extension of another type.';
  end if;
  return new;
end
$$;
comment on function private.check_file() is
  'Trigger on storage.objects: refuses a path of another form, a type that no file may have, an extension of '
  'another type, and each change of an object.';

create function private.keep_file() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no role holds a grant on private.files. Storage's own role stores the object, so the owner's
-- rights are checked again: they may have ended since a signed address was made.
declare
  file record;
  size constant text := coalesce(new.metadata ->> 'size', new.metadata ->> 'contentLength');
  acting constant text := current_setting('colloquy.acting_user', true);
  owner uuid;
  explanation text;
begin
  select * into file from private.file_address(new.name);
  select s.user_id into owner
  from public.chat_sessions s
  join client_mgmt.client_users m on m.organization_id = s.organization_id and m.user_id = s.user_id
  join public.organizations o on o.id = s.organization_id
  join public.users u on u.id = s.user_id
  where s.organization_id = file.organization_id and s.id = file.session_id and o.is_active and u.is_active
    and m.ended_at is null
    and (m.role = 'guest' or 'agents.invoke' = any (private.role_permissions(m.role) || m.permissions))
    and (new.owner_id is null or new.owner_id = s.user_id::text);
  if owner is null then
    raise exception using errcode = '42501',
      message = 'new row violates row-level security policy for table "objects"';
  end if;
  perform set_config('colloquy.acting_user', owner::text, true);
  insert into private.files (organization_id, session_id, id, user_id, name, media_type, file_bytes)
  values (
    file.organization_id, file.session_id, file.id, owner, file.name, private.file_type(new.metadata),
    case when size ~ '^[0-9]{1,18}$' then size::bigint else 0 end
  );
  perform set_config('colloquy.acting_user', coalesce(acting, ''), true);
  return null;
exception
  -- Storage answers 500 to a SQLSTATE that it does not know.
  when sqlstate 'PT409' then
    get stacked diagnostics explanation = pg_exception_detail;
    raise exception using errcode = '42501', message = 'quota_exceeded', detail = explanation;
end
$$;
comment on function private.keep_file() is
  'Trigger on storage.objects: keeps a row of private.files, which a quota counts, for a session whose owner '
  'has access and owns the object.';

create function private.forget_file() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no role holds a grant on private.files.
declare
  file record;
begin
  select * into file from private.file_address(old.name);
  delete from private.files f
  where f.organization_id = file.organization_id and f.session_id = file.session_id and f.id = file.id;
  return null;
end
$$;
comment on function private.forget_file() is
  'Trigger on storage.objects: deletes the row of private.files, which frees its place in the quota.';

-- Storage owns its tables, and a migration can give them policies and triggers only where they are. Clients
-- have no policy on storage.buckets, so the bucket itself is invisible to them. There is no policy for
-- update.
do $$
begin
  if to_regclass('storage.objects') is null then
    raise notice 'files_are_off: the database has no table storage.objects. When Storage has made it, run '
      'this block again.';
    return;
  end if;
  insert into storage.buckets (id, name, public, file_size_limit, allowed_mime_types)
  values (
    'attachments', 'attachments', false, 8388608,
    array[
      'image/png', 'image/jpeg', 'image/gif', 'image/webp', 'application/pdf', 'application/json',
      'text/plain', 'text/markdown', 'text/csv', 'audio/wav', 'audio/mpeg'
    ]
  )
  on conflict (id) do update set public = excluded.public, file_size_limit = excluded.file_size_limit,
    allowed_mime_types = excluded.allowed_mime_types;

  drop policy if exists select_attachment_reader on storage.objects;
  create policy select_attachment_reader on storage.objects for select to authenticated
    using (bucket_id = 'attachments' and private.may_read_file(name));
  drop policy if exists insert_attachment_self on storage.objects;
  create policy insert_attachment_self on storage.objects for insert to authenticated
    with check (bucket_id = 'attachments' and private.may_write_file(name));
  drop policy if exists delete_attachment_self on storage.objects;
  create policy delete_attachment_self on storage.objects for delete to authenticated
    using (bucket_id = 'attachments' and private.may_write_file(name));

  create or replace trigger attachments_check before insert or update on storage.objects
    for each row when (new.bucket_id = 'attachments') execute function private.check_file();
  create or replace trigger attachments_check_move before update on storage.objects
    for each row when (old.bucket_id = 'attachments' and new.bucket_id is distinct from 'attachments')
    execute function private.check_file();
  create or replace trigger attachments_keep after insert on storage.objects
    for each row when (new.bucket_id = 'attachments') execute function private.keep_file();
  create or replace trigger attachments_forget after delete on storage.objects
    for each row when (old.bucket_id = 'attachments') execute function private.forget_file();
end
$$;

-- ── Messages and sessions ─────────────────────────────────────────────────────────────────────

create function private.name_files(organization_id bigint, session_id uuid, parts jsonb) returns void
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: called by begin_execution(), which has checked the session. A file of another session, an absent
-- and a removed one give one error.
#variable_conflict use_column
declare
  part jsonb;
begin
  for part in select p from jsonb_array_elements(parts) p where p ? 'path' order by p ->> 'path'
  loop
    update private.files f set named_at = coalesce(f.named_at, clock_timestamp())
    from private.file_address(part ->> 'path') a
    where f.organization_id = name_files.organization_id and f.session_id = name_files.session_id
      and a.organization_id = f.organization_id and a.session_id = f.session_id and a.id = f.id
      and a.name = f.name and f.removed_at is null and f.media_type = part ->> 'media_type';
    if not found then
      raise exception using errcode = 'PT404', message = 'file_not_found',
        detail = 'The session has no file at this path. Check the path.';
    end if;
  end loop;
end
$$;
comment on function private.name_files(bigint, uuid, jsonb) is
  'Marks the files that the parts of a message name as named; PT404 file_not_found for a file that is not in '
  'the session or has another type.';

create function private.document_bytes(organization_id bigint, session_id uuid, history jsonb) returns bigint
language sql stable security definer set search_path = ''
as $$
  -- Definer: called by private.execution_input() only. A picture costs the same at any size. The worker sends
  -- files of 8 MiB at most, and notes in place of the others.
  select least(coalesce(sum(f.file_bytes), 0), 8388608)::bigint
  from jsonb_path_query(history, '$[*].parts[*] ? (@.type == "file" && exists(@.path))') p
  cross join lateral private.file_address(p ->> 'path') a
  join private.files f
    on f.organization_id = a.organization_id and f.session_id = a.session_id and f.id = a.id
  where f.organization_id = document_bytes.organization_id and f.session_id = document_bytes.session_id
$$;
comment on function private.document_bytes(bigint, uuid, jsonb) is
  'The bytes of the files, other than pictures, that a model gets of what messages of a session name.';

create function private.remove_files() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no role holds a grant on private.files. A message that another message of the session repeats
-- does not take the file along.
begin
  if tg_table_name = 'chat_sessions' then
    update private.files f set removed_at = clock_timestamp()
    from before_rows b
    where f.organization_id = b.organization_id and f.session_id = b.id and f.removed_at is null;
    return null;
  end if;
  update private.files f set removed_at = clock_timestamp()
  from (
    select distinct b.organization_id, b.session_id, p ->> 'path' as path
    from before_rows b
    cross join lateral jsonb_array_elements(b.parts) p
    where p ? 'path'
  ) named
  cross join lateral private.file_address(named.path) a
  where f.organization_id = named.organization_id and f.session_id = named.session_id
    and a.organization_id = f.organization_id and a.session_id = f.session_id and a.id = f.id
    and f.removed_at is null
    and not exists (
      select 1 from public.chat_messages m
      where m.organization_id = named.organization_id and m.session_id = named.session_id
        and m.parts @> jsonb_build_array(jsonb_build_object('path', named.path))
    );
  return null;
end
$$;
comment on function private.remove_files() is
  'Trigger: removes the files of deleted sessions, and of deleted messages that no other message repeats.';
create trigger chat_sessions_remove_files_delete after delete on public.chat_sessions
  referencing old table as before_rows
  for each statement execute function private.remove_files();
create trigger chat_messages_remove_files_delete after delete on public.chat_messages
  referencing old table as before_rows
  for each statement execute function private.remove_files();

create function public.claim_removed_files(batch integer default 100) returns setof text
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no role holds a grant on private.files. Executable by service_role only. A claimed file goes to
-- the end of the queue, so that one that Storage refuses to delete does not block the others.
begin
  return query
  with due as (
    select f.organization_id, f.session_id, f.id from private.files f
    where f.removed_at <= clock_timestamp()
      or (f.removed_at is null and f.named_at is null
        and f.created_at <= clock_timestamp() - interval '24 hours')
    order by f.removed_at
    limit greatest(batch, 0)
    for update skip locked
  )
  update private.files f set removed_at = clock_timestamp() + interval '1 minute'
  from due
  where f.organization_id = due.organization_id and f.session_id = due.session_id and f.id = due.id
  returning private.file_path(f.*);
end
$$;
comment on function public.claim_removed_files(integer) is
  'The paths of up to batch files that the caller must delete with Storage''s API: removed ones, and those '
  'that no message named for 24 hours. A path that is still there is given again after a minute.';

revoke all on function
  private.file_extensions(text), private.file_type(jsonb), private.file_address(text),
  private.file_path(private.files),
  private.is_removed_file(text), private.may_read_file(text), private.may_write_file(text),
  private.check_file(), private.keep_file(), private.forget_file(),
  private.name_files(bigint, uuid, jsonb),
  private.document_bytes(bigint, uuid, jsonb), private.remove_files(), public.claim_removed_files(integer)
  from public, anon, authenticated, service_role;
grant execute on function
  private.file_address(text), private.is_removed_file(text), private.may_read_file(text),
  private.may_write_file(text)
  to authenticated;
grant execute on function public.claim_removed_files(integer) to service_role;
