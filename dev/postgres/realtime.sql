-- What Realtime makes in a database of the platform, as far as messages from the database go: its table, its
-- rights and its two functions (supabase/realtime, lib/realtime/tenants/repo/migrations). Run as a user who may
-- become supabase_realtime_admin.

create schema realtime authorization supabase_realtime_admin;
set local role supabase_realtime_admin;
grant usage on schema realtime to anon, authenticated, service_role;

create table realtime.messages (
  topic text not null,
  extension text not null,
  payload jsonb,
  event text,
  private boolean default false,
  updated_at timestamp not null default now(),
  inserted_at timestamp not null default now(),
  id uuid not null default gen_random_uuid(),
  primary key (id, inserted_at)
) partition by range (inserted_at);
-- The platform has a partition for each day.
create table realtime.messages_default partition of realtime.messages default;
alter table realtime.messages enable row level security;
grant select, insert, update on realtime.messages to anon, authenticated, service_role;

create function realtime.topic() returns text language sql stable
return nullif(current_setting('realtime.topic', true), '');

create function realtime.send(payload jsonb, event text, topic text, private boolean default true)
returns void language plpgsql volatile
as $$
declare
  generated_id uuid := gen_random_uuid();
begin
  if not payload ? 'id' then
    payload := jsonb_set(payload, '{id}', to_jsonb(generated_id));
  end if;
  execute format('set local realtime.topic to %L', topic);
  -- The platform keeps the order of the log; the local server sorts by this time.
  insert into realtime.messages (id, payload, event, topic, private, extension, inserted_at)
  values (generated_id, payload, event, topic, private, 'broadcast', clock_timestamp());
exception when others then
  raise warning 'ErrorSendingBroadcastMessage: %', sqlerrm;
end
$$;

-- The platform's server reads the write-ahead log; the local one listens.
create function realtime.notify() returns trigger language plpgsql volatile
as $$
begin
  notify realtime_messages;
  return null;
end
$$;
create trigger notify after insert on realtime.messages
  for each statement execute function realtime.notify();
reset role;
