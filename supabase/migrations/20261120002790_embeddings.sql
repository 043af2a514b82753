-- Embeddings: the vectors of messages, turns and results, made in batches by a model of the organization.
-- Special: a worker claims a batch, calls the model and stores the vectors or the failure. The claim reserves
-- the budgets of the organization, and the end of the batch writes the usage ledger, as for an execution.
-- Locks come in one order: model of the organization, batch, budgets, items. Items that another transaction
-- holds are left for a later batch, so that no deletion waits in a circle.

-- ── embedding_queue, embedding_batches ────────────────────────────────────────────────────────

create table private.embedding_queue (
  organization_id bigint not null,
  item_id bigint not null,
  due_at timestamptz not null default clock_timestamp(),
  attempts integer not null default 0,
  last_error text,
  primary key (organization_id, item_id),
  constraint embedding_queue_item_fkey foreign key (organization_id, item_id)
    references private.search_words (organization_id, id) on delete cascade
);
comment on table private.embedding_queue is
  'The texts that lack a vector of the wanted model. A text that failed before is sent alone.';
comment on column private.embedding_queue.due_at is
  'Not sent before. A claimed text is due again when the lease of its batch ends; infinity: given up.';
create index embedding_queue_due_idx on private.embedding_queue (organization_id, due_at);
alter table private.embedding_queue enable row level security;
alter table private.embedding_queue force row level security;
revoke all on private.embedding_queue from public, anon, authenticated, service_role;

create table private.embedding_batches (
  organization_id bigint not null,
  id uuid not null default private.uuid_v7(),
  model text not null,
  agent_id bigint not null,
  model_id bigint not null,
  provider text not null,
  provider_model text not null,
  credential_owner bigint,
  generation bigint not null,
  item_ids bigint[] not null,
  estimated_tokens bigint not null,
  lease_expires_at timestamptz not null,
  created_at timestamptz not null default now(),
  primary key (organization_id, id),
  constraint embedding_batches_model_fkey foreign key (organization_id, model)
    references private.search_models (organization_id, model) on delete cascade
);
comment on table private.embedding_batches is
  'The texts that a worker sends to a model. The end of a batch deletes its row.';
comment on column private.embedding_batches.generation is 'Of the breaker of the model, at the claim.';
create index embedding_batches_model_idx on private.embedding_batches (organization_id, model);
alter table private.embedding_batches enable row level security;
alter table private.embedding_batches force row level security;
revoke all on private.embedding_batches from public, anon, authenticated, service_role;

-- ── What is wanted ────────────────────────────────────────────────────────────────────────────

create function private.embedding_models(organization_id bigint)
returns table (name text, key text, model public.models)
language sql stable security definer set search_path = ''
as $$
  -- Definer: called by functions that have checked the organization, or act for it.
  select a.name || '/' || m.name, m.provider || '/' || m.model_id, m
  from public.models m
  join public.agents a on a.id = m.agent_id
  where m.enabled and a.enabled and m.capabilities @> '{embeddings}'
    and (m.organization_id is null or m.organization_id = embedding_models.organization_id)
    and (a.organization_id is null or a.organization_id = embedding_models.organization_id)
  order by a.organization_id nulls last, m.organization_id nulls last, m.priority, m.id
$$;
comment on function private.embedding_models(bigint) is
  'The enabled models that make vectors for an organization, by agent/model, those of its own first.';

create function private.follow_search_settings() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no role holds a grant on the queue. An unchanged setting changes nothing.
declare
  chosen constant text := new.settings ->> 'search_model';
  wanted_model text;
begin
  if tg_op = 'UPDATE' and (old.settings -> 'search_language')
    is distinct from (new.settings -> 'search_language')
  then
    insert into private.search_reindexing (organization_id) values (new.id)
    on conflict on constraint search_reindexing_pkey do update set done_to = 0;
  end if;
  if tg_op = 'UPDATE' and old.settings ->> 'search_model' is not distinct from chosen then
    return null;
  end if;
  select e.key into wanted_model from private.embedding_models(new.id) e where e.name = chosen limit 1;
  if chosen is not null and wanted_model is null then
    raise exception using errcode = '22023', message = 'invalid_settings',
      detail = 'settings.search_model: must be agent/model of an enabled model that makes embeddings.';
  end if;
  perform private.want_search_model(new.id, wanted_model);
  return null;
end
$$;
comment on function private.follow_search_settings() is
  'Trigger: a changed search_model begins or ends the making of vectors, a changed search_language begins '
  'the reading of all texts in it. 22023 invalid_settings for a model that makes no vectors.';

create function private.want_search_model(organization_id bigint, model text) returns void
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: called by follow_search_settings() and claim_embeddings() only. The rows are locked in one order.
#variable_conflict use_column
begin
  perform 1 from private.search_models m
  where m.organization_id = want_search_model.organization_id order by m.model for update;
  update private.search_models m
  set wanted = false, answers = m.answers and want_search_model.model is not null
  where m.organization_id = want_search_model.organization_id
    and m.model is distinct from want_search_model.model;
  if want_search_model.model is not null then
    insert into private.search_models as m (organization_id, model, wanted, answers, filled_to)
    values (
      want_search_model.organization_id, want_search_model.model, true, not exists (
        select 1 from private.search_models o
        where o.organization_id = want_search_model.organization_id and o.answers
      ), 0
    )
    on conflict on constraint search_models_pkey do update
      set wanted = true, filled_to = 0, failures = 0, retry_at = null, last_error = null;
  end if;
  -- Of the texts that were given up by the model before, too.
  delete from private.embedding_queue q where q.organization_id = want_search_model.organization_id;
end
$$;
comment on function private.want_search_model(bigint, text) is
  'Makes a model the wanted one of an organization; null: none. The model before answers until then.';

create function private.queue_embedding() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no role holds a grant on the queue.
begin
  insert into private.embedding_queue (organization_id, item_id)
  select a.organization_id, a.id from after_rows a
  where exists (
    select 1 from private.search_models m where m.organization_id = a.organization_id and m.wanted
  )
  on conflict on constraint embedding_queue_pkey do nothing;
  return null;
end
$$;
comment on function private.queue_embedding() is
  'Trigger: queues new texts of an organization that wants vectors.';
create trigger search_words_queue_insert after insert on private.search_words
  referencing new table as after_rows
  for each statement execute function private.queue_embedding();

-- ── search_reindexing ─────────────────────────────────────────────────────────────────────────

create table private.search_reindexing (
  organization_id bigint primary key references public.organizations (id) on delete cascade,
  done_to bigint not null default 0
);
comment on table private.search_reindexing is
  'Organizations whose texts are being read in another language, up to a row of search_words.';
alter table private.search_reindexing enable row level security;
alter table private.search_reindexing force row level security;
revoke all on private.search_reindexing from public, anon, authenticated, service_role;
create trigger organizations_search_settings after insert or update of settings on public.organizations
  for each row execute function private.follow_search_settings();

create function public.reindex_search(batch integer default 1000) returns integer
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no role holds a grant on the words. Executable by service_role only. A text may be long, so that
-- a statement reads 200 of them at most.
declare
  work private.search_reindexing;
  chosen text;
  last_id bigint;
  handled integer;
begin
  select r.* into work from private.search_reindexing r
  order by r.organization_id limit 1 for update skip locked;
  if not found then
    return 0;
  end if;
  chosen := private.search_language(work.organization_id);
  with next as (
    select w.organization_id, w.id from private.search_words w
    where w.organization_id = work.organization_id and w.id > work.done_to
    order by w.id
    limit least(greatest(batch, 0), 200)
  ),
  free as (
    select w.organization_id, w.id, w.language, private.search_text(w) as content
    from private.search_words w
    join next n on n.organization_id = w.organization_id and n.id = w.id
    for no key update of w skip locked
  ),
  written as (
    update private.search_words w
    set language = chosen, words = private.words_of(w.organization_id, chosen, f.content)
    from free f
    where w.organization_id = f.organization_id and w.id = f.id and f.language <> chosen
  )
  select max(n.id), count(*) into last_id, handled from next n;
  if last_id is null then
    delete from private.search_reindexing r where r.organization_id = work.organization_id;
  else
    update private.search_reindexing r set done_to = last_id where r.organization_id = work.organization_id;
  end if;
  return handled;
end
$$;
comment on function public.reindex_search(integer) is
  'Reads up to batch texts of an organization in its language, after that has changed. Returns how many. '
  'A text that another transaction changes keeps its language.';

-- ── Filling the queue ─────────────────────────────────────────────────────────────────────────

create function private.finish_filling(organization_id bigint, model text) returns void
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: called by queue_embeddings() and store_embeddings() only, which hold the row of the model.
#variable_conflict use_column
begin
  if exists (
    select 1 from private.search_models m
    where m.organization_id = finish_filling.organization_id and m.model = finish_filling.model and m.answers
  ) then
    return;
  end if;
  -- The model before answers while texts wait, unless nothing can make the vector of a query with it.
  if exists (
    select 1 from private.embedding_queue q
    where q.organization_id = finish_filling.organization_id and q.due_at < 'infinity'
  ) and exists (
    select 1 from private.search_models m
    join private.embedding_models(m.organization_id) e on e.key = m.model
    where m.organization_id = finish_filling.organization_id and m.answers
  ) then
    return;
  end if;
  update private.search_models m set answers = false
  where m.organization_id = finish_filling.organization_id and m.answers;
  update private.search_models m set answers = true
  where m.organization_id = finish_filling.organization_id and m.model = finish_filling.model;
end
$$;
comment on function private.finish_filling(bigint, text) is
  'Makes the wanted model the one that answers, once no text waits for its vector.';

create function public.queue_embeddings(batch integer default 1000) returns integer
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no role holds a grant on the queue. Executable by service_role only. Once a day it looks at all
-- texts again: one that was written while the setting changed may be in no queue, and one that was given up
-- gets another try.
declare
  work private.search_models;
  last_id bigint;
  handled integer;
begin
  select m.* into work from private.search_models m
  where m.wanted and (
    m.filled_to is not null or m.filled_at < clock_timestamp() - interval '1 day' or not m.answers)
  order by m.filled_to is null, m.filled_at nulls first, m.organization_id
  limit 1
  for update skip locked;
  if not found then
    return 0;
  end if;
  if work.filled_to is null and work.filled_at >= clock_timestamp() - interval '1 day' then
    perform private.finish_filling(work.organization_id, work.model);
    -- Behind the others.
    update private.search_models m set filled_at = clock_timestamp()
    where m.organization_id = work.organization_id and m.model = work.model;
    return 0;
  end if;
  with next as (
    select w.id, not exists (
      select 1 from private.search_vectors v
      where v.organization_id = w.organization_id and v.model = work.model and v.item_id = w.id
        and v.dimension = coalesce(work.dimension, v.dimension)
    ) as lacks
    from private.search_words w
    where w.organization_id = work.organization_id and w.id > coalesce(work.filled_to, 0)
    order by w.id
    limit greatest(batch, 0)
  ),
  queued as (
    insert into private.embedding_queue as q (organization_id, item_id)
    select work.organization_id, n.id from next n where n.lacks
    on conflict on constraint embedding_queue_pkey do update
      set due_at = clock_timestamp(), attempts = 1 where q.due_at = 'infinity'
  )
  select max(n.id), count(*) into last_id, handled from next n;
  update private.search_models m
  set filled_to = last_id, filled_at = clock_timestamp()
  where m.organization_id = work.organization_id and m.model = work.model;
  if last_id is null then
    perform private.finish_filling(work.organization_id, work.model);
  end if;
  return handled;
end
$$;
comment on function public.queue_embeddings(integer) is
  'Looks at up to batch texts of an organization and queues those that lack a vector of the wanted model. '
  'When none waits, the wanted model answers. Returns how many texts it looked at.';

create function public.cleanup_old_embeddings(batch integer default 1000) returns integer
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no role holds a grant on vectors. Executable by service_role only.
declare
  old private.search_models;
  ended private.embedding_batches;
  handled integer;
begin
  select m.* into old from private.search_models m
  where not m.wanted and not m.answers
  order by m.organization_id, m.model limit 1 for update skip locked;
  if not found then
    return 0;
  end if;
  for ended in
    select b.* from private.embedding_batches b
    where b.organization_id = old.organization_id and b.model = old.model
      and b.lease_expires_at <= clock_timestamp()
  loop
    perform private.end_embedding_batch(ended, null, null, true);
  end loop;
  delete from private.search_vectors v
  using (
    select o.organization_id, o.model, o.item_id from private.search_vectors o
    where o.organization_id = old.organization_id and o.model = old.model
    limit greatest(batch, 0)
    for update skip locked
  ) gone
  where v.organization_id = gone.organization_id and v.model = gone.model and v.item_id = gone.item_id;
  get diagnostics handled = row_count;
  if handled = 0 then
    delete from private.search_models m
    where m.organization_id = old.organization_id and m.model = old.model
      and not exists (
        select 1 from private.embedding_batches b
        where b.organization_id = m.organization_id and b.model = m.model)
      and not exists (
        select 1 from private.search_vectors v
        where v.organization_id = m.organization_id and v.model = m.model);
  end if;
  return handled;
end
$$;
comment on function public.cleanup_old_embeddings(integer) is
  'Deletes up to batch vectors of a model that an organization neither wants nor searches with. Returns how '
  'many.';

-- ── Batches ───────────────────────────────────────────────────────────────────────────────────

create function private.end_embedding_batch(
  batch private.embedding_batches, input_tokens bigint, cost_usd numeric, estimated boolean
) returns void
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no role holds a grant on usage or budgets. No person makes the vectors of an organization, so its
-- own budgets count them, and none of a project or a person. Usage that the provider did not count is
-- estimated and charged, as that of an execution.
declare
  tokens constant bigint := coalesce(
    end_embedding_batch.input_tokens, case when estimated then batch.estimated_tokens end);
  cost constant numeric(18, 9) := coalesce(end_embedding_batch.cost_usd, private.execution_cost(
    batch.organization_id, batch.provider, batch.provider_model, tokens, 0, 0));
  reserved public.agent_executions;
begin
  if tokens is not null then
    insert into client_mgmt.usage_ledger (
      organization_id, execution_id, agent_name, provider, model_id, input_tokens, output_tokens, cost_usd,
      is_estimated
    )
    select batch.organization_id, batch.id, (select a.name from public.agents a where a.id = batch.agent_id),
      batch.provider, batch.provider_model, tokens, 0, cost, end_embedding_batch.input_tokens is null;
  end if;
  reserved.organization_id := batch.organization_id;
  reserved.id := batch.id;
  reserved := private.settle_budgets(
    reserved, case when tokens is null then 0 else cost end, coalesce(tokens, 0));
  delete from private.embedding_batches b where b.organization_id = batch.organization_id and b.id = batch.id;
end
$$;
comment on function private.end_embedding_batch(private.embedding_batches, bigint, numeric, boolean) is
  'Writes the usage of a batch, settles its budgets and deletes it. Without tokens nothing is charged, '
  'unless they are to be estimated.';

create function private.first_bytes(content text, bytes integer) returns text
language plpgsql immutable security invoker set search_path = ''
as $$
declare
  encoded constant bytea := convert_to(left(content, bytes), 'UTF8');
  cut integer := least(bytes, octet_length(encoded));
begin
  -- A byte of the form 10xxxxxx continues the character before it.
  while cut > 0 and cut < octet_length(encoded) and get_byte(encoded, cut) & 192 = 128 loop
    cut := cut - 1;
  end loop;
  return convert_from(substring(encoded from 1 for cut), 'UTF8');
end
$$;
comment on function private.first_bytes(text, integer) is
  'The beginning of a text that has at most so many bytes, in whole characters.';

create function private.embedded_bytes(model public.models) returns integer
language sql immutable security invoker set search_path = ''
as $$ select least(coalesce(model.context_tokens, 2048), 65536) $$;
comment on function private.embedded_bytes(public.models) is
  'The bytes of a text that a model reads: no tokenizer makes more than one token per byte, so they are as '
  'many as the tokens of its window, 2,048 where that is unknown.';

create function private.next_embeddings(organization_id bigint, max_bytes integer)
returns table (item_id bigint, content text)
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: called by claim_embeddings() only.
#variable_conflict use_column
declare
  alone bigint;
begin
  select q.item_id into alone from private.embedding_queue q
  where q.organization_id = next_embeddings.organization_id and q.due_at <= clock_timestamp()
    and q.attempts > 0
  order by q.due_at, q.item_id limit 1;
  return query
  select t.item_id, t.content from (
    select d.item_id, x.content, sum(octet_length(x.content)) over (order by d.due_at, d.item_id) as bytes
    from (
      select q.* from private.embedding_queue q
      where q.organization_id = next_embeddings.organization_id and q.due_at <= clock_timestamp()
        and case when alone is null then q.attempts = 0 else q.item_id = alone end
      order by q.due_at, q.item_id limit 64
    ) d
    join private.search_words w on w.organization_id = d.organization_id and w.id = d.item_id
    cross join lateral (select private.first_bytes(private.search_text(w), max_bytes) as content) x
  ) t
  where t.bytes <= 65536
  order by t.item_id;
end
$$;
comment on function private.next_embeddings(bigint, integer) is
  'The texts of the next batch: at most 64, and 64 KiB together; one that failed before is alone.';

create function private.postpone_embeddings(
  organization_id bigint, model text, wait interval, reason text
) returns void
language sql volatile security definer set search_path = ''
as $$
  -- Definer: called by functions of the service role only, which hold the row of the model.
  update private.search_models m
  set retry_at = clock_timestamp() + postpone_embeddings.wait, last_error = postpone_embeddings.reason
  where m.organization_id = postpone_embeddings.organization_id and m.model = postpone_embeddings.model
$$;
comment on function private.postpone_embeddings(bigint, text, interval, text) is
  'Asks a model of an organization for no vectors for a time.';

create function private.claim_embeddings_of(work private.search_models, providers text[]) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: called by claim_embeddings() only, which holds the row of the model. Raises what keeps the
-- organization from vectors: no model, no key, an open breaker, a budget.
declare
  model public.models;
  step jsonb;
  batch private.embedding_batches;
  ids bigint[];
  texts text[];
  bytes bigint;
begin
  select (e.model).* into model from public.organizations o
  cross join lateral private.embedding_models(o.id) e
  where o.id = work.organization_id and o.is_active and e.name = o.settings ->> 'search_model'
  limit 1;
  if model.id is null then
    raise exception using errcode = 'PT404', message = 'model_not_found';
  end if;
  if model.provider || '/' || model.model_id <> work.model then
    -- The name means another model now.
    perform private.want_search_model(work.organization_id, model.provider || '/' || model.model_id);
    return null;
  end if;
  step := private.plan_route(
    work.organization_id, model.agent_id, model.name, null, null, providers, 'embeddings') -> 0;
  select array_agg(n.item_id order by n.item_id), array_agg(n.content order by n.item_id),
    sum(octet_length(n.content))
  into ids, texts, bytes
  from private.next_embeddings(work.organization_id, private.embedded_bytes(model)) n;
  if ids is null then
    return null;
  end if;
  batch.organization_id := work.organization_id;
  batch.id := private.uuid_v7();
  batch.model := work.model;
  batch.agent_id := model.agent_id;
  batch.model_id := model.id;
  batch.provider := model.provider;
  batch.provider_model := model.model_id;
  batch.credential_owner := case when step ->> 'credential' = 'organization' then work.organization_id end;
  batch.generation := (step ->> 'generation')::bigint;
  if (step -> 'probe')::boolean then
    batch.generation := private.take_probe(batch.credential_owner, model.agent_id, model.id);
    if batch.generation is null then
      raise exception using errcode = 'PT503', message = 'circuit_open';
    end if;
  end if;
  if private.has_budget(work.organization_id, null, null) then
    perform private.reserve_budgets(
      work.organization_id, batch.id, null, null,
      private.execution_cost(work.organization_id, model.provider, model.model_id, bytes, 0, 0), bytes);
  end if;
  batch.item_ids := ids;
  batch.estimated_tokens := ceil(bytes / 4.0);
  batch.lease_expires_at := clock_timestamp() + interval '2 minutes';
  batch.created_at := now();
  insert into private.embedding_batches values (batch.*);
  update private.embedding_queue q set due_at = batch.lease_expires_at
  from (
    select l.organization_id, l.item_id from private.embedding_queue l
    where l.organization_id = work.organization_id and l.item_id = any (ids)
    for update skip locked
  ) free
  where q.organization_id = free.organization_id and q.item_id = free.item_id;
  return jsonb_build_object(
    'organization_id', batch.organization_id, 'batch_id', batch.id, 'step', step - 'generation',
    'texts', to_jsonb(texts));
end
$$;
comment on function private.claim_embeddings_of(private.search_models, text[]) is
  'A batch of an organization, as claim_embeddings() gives it; null when nothing is due.';

create function public.claim_embeddings(providers text[]) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no role holds a grant on the queue. Executable by service_role only. Organizations take turns.
declare
  work private.search_models;
  ended private.embedding_batches;
  claimed jsonb;
  hint text;
begin
  for turn in 1..20 loop
    select m.* into work from private.search_models m
    where m.wanted and (m.retry_at is null or m.retry_at <= clock_timestamp()) and (
      exists (
        select 1 from private.embedding_queue q
        where q.organization_id = m.organization_id and q.due_at <= clock_timestamp()
      )
      or exists (
        select 1 from private.embedding_batches b
        where b.organization_id = m.organization_id and b.model = m.model
          and b.lease_expires_at <= clock_timestamp()
      )
    )
    order by m.claimed_at nulls first, m.organization_id
    limit 1
    for update skip locked;
    exit when not found;
    update private.search_models m set claimed_at = clock_timestamp()
    where m.organization_id = work.organization_id and m.model = work.model;
    -- Of workers that died: the model may have been called.
    for ended in
      select b.* from private.embedding_batches b
      where b.organization_id = work.organization_id and b.model = work.model
        and b.lease_expires_at <= clock_timestamp()
    loop
      perform private.end_embedding_batch(ended, null, null, true);
    end loop;
    begin
      claimed := private.claim_embeddings_of(work, providers);
    exception when sqlstate 'PT402' or sqlstate 'PT404' or sqlstate 'PT409' or sqlstate 'PT503' then
      get stacked diagnostics hint = pg_exception_hint;
      perform private.postpone_embeddings(
        work.organization_id, work.model,
        make_interval(secs => greatest(
          coalesce((nullif(hint, '')::jsonb ->> 'retry_after')::integer, 300), 30)),
        sqlerrm);
      claimed := null;
    end;
    if claimed is not null then
      return claimed;
    end if;
  end loop;
  return null;
end
$$;
comment on function public.claim_embeddings(text[]) is
  'The next texts to make vectors of: { organization_id, batch_id, step (of a route), texts }, for two '
  'minutes; null when none is due. providers: those with a key of the platform. What keeps an organization '
  'from vectors (no key, an open breaker, a spent budget) postpones it. Service role only.';

create function private.take_embedding_batch(organization_id bigint, batch_id uuid)
returns private.embedding_batches
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: called by store_embeddings() and fail_embeddings() only.
#variable_conflict use_column
declare
  batch private.embedding_batches;
begin
  perform 1 from private.search_models m
  where m.organization_id = take_embedding_batch.organization_id order by m.model for update;
  select b.* into batch from private.embedding_batches b
  where b.organization_id = take_embedding_batch.organization_id and b.id = take_embedding_batch.batch_id
  for update;
  return batch;
end
$$;
comment on function private.take_embedding_batch(bigint, uuid) is
  'Locks a batch that has not ended, and the models of its organization; nulls for another one.';

create function public.store_embeddings(
  organization_id bigint, batch_id uuid, vectors jsonb, input_tokens bigint default null,
  cost_usd numeric default null
) returns integer
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no role holds a grant on vectors. Executable by service_role only. Texts that were changed or
-- deleted meanwhile have no row any more; one that another transaction holds is sent again later.
#variable_conflict use_column
declare
  batch constant private.embedding_batches := private.take_embedding_batch(
    store_embeddings.organization_id, store_embeddings.batch_id);
  sizes integer[];
  stored integer;
begin
  if batch.id is null then
    return 0;
  end if;
  select array_agg(distinct coalesce(cardinality(private.to_vector(
    array(select n::double precision from jsonb_array_elements_text(v) with ordinality e(n, at) order by at)
  )), 0)) into sizes
  from jsonb_array_elements(store_embeddings.vectors) v;
  if jsonb_array_length(store_embeddings.vectors) <> cardinality(batch.item_ids)
    or cardinality(sizes) <> 1 or sizes[1] not between 1 and 16000
  then
    raise exception using errcode = '22023', message = 'invalid_request',
      detail = 'vectors: must have one for each text, of one size, and none of zeros alone.';
  end if;
  perform private.end_embedding_batch(
    batch, store_embeddings.input_tokens, store_embeddings.cost_usd, true);
  perform private.settle_breaker(
    batch.credential_owner, batch.agent_id, batch.model_id, batch.generation, 'success');
  -- The provider made its vectors longer or shorter: those before are none of this model.
  update private.search_models m
  set dimension = sizes[1], failures = 0, retry_at = null, last_error = null,
    filled_to = case when m.dimension is null or m.dimension = sizes[1] then m.filled_to else 0 end
  where m.organization_id = batch.organization_id and m.model = batch.model;
  with free as (
    select w.organization_id, w.id from private.search_words w
    where w.organization_id = batch.organization_id and w.id = any (batch.item_ids)
    for key share skip locked
  ),
  done as (
    delete from private.embedding_queue q using free f
    where q.organization_id = f.organization_id and q.item_id = f.id
  )
  insert into private.search_vectors as s (organization_id, item_id, model, dimension, vector)
  select f.organization_id, f.id, batch.model, sizes[1], private.to_vector(
    array(select n::double precision from jsonb_array_elements_text(v) with ordinality e(n, at) order by at))
  from jsonb_array_elements(store_embeddings.vectors) with ordinality e(v, place)
  join free f on f.id = batch.item_ids[place]
  on conflict on constraint search_vectors_pkey do update
    set dimension = excluded.dimension, vector = excluded.vector;
  get diagnostics stored = row_count;
  if exists (
    select 1 from private.search_models m
    where m.organization_id = batch.organization_id and m.model = batch.model and m.wanted
      and m.filled_to is null
  ) then
    perform private.finish_filling(batch.organization_id, batch.model);
  end if;
  return stored;
end
$$;
comment on function public.store_embeddings(bigint, uuid, jsonb, bigint, numeric) is
  'Stores the vectors of a batch, one for each text in their order, with what the provider counted (tokens) '
  'and charged. Returns how many; 0 for a batch whose lease is over. 22023 invalid_request for vectors of '
  'two sizes. Service role only.';

create function public.fail_embeddings(
  organization_id bigint, batch_id uuid, code text, fault text, retry_after integer default null,
  input_tokens bigint default null, cost_usd numeric default null
) returns void
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no role holds a grant on the queue. Executable by service_role only. What the model refuses is
-- sent alone until the refused text is found; a provider that fails is left alone for a growing time. After
-- three such failures the texts are sent alone too: one of them may be the cause.
#variable_conflict use_column
declare
  batch constant private.embedding_batches := private.take_embedding_batch(
    fail_embeddings.organization_id, fail_embeddings.batch_id);
  failed private.search_models;
  refused constant boolean := fail_embeddings.fault = 'caller';
begin
  if batch.id is null then
    return;
  end if;
  perform private.end_embedding_batch(
    batch, fail_embeddings.input_tokens, fail_embeddings.cost_usd, false);
  perform private.settle_breaker(
    batch.credential_owner, batch.agent_id, batch.model_id, batch.generation,
    case fail_embeddings.fault when 'provider' then 'fault' else 'neutral' end);
  update private.search_models m
  set failures = case when refused then 0 else m.failures + 1 end,
    last_error = left(fail_embeddings.code, 100),
    retry_at = case when not refused then clock_timestamp() + make_interval(secs => greatest(
      coalesce(fail_embeddings.retry_after, 0), least(30 * 2 ^ least(m.failures, 10), 3600))) end
  where m.organization_id = batch.organization_id and m.model = batch.model
  returning m.* into failed;
  update private.embedding_queue q
  set last_error = left(fail_embeddings.code, 100),
    attempts = q.attempts + (refused or failed.failures >= 3)::integer,
    due_at = case
      when refused and q.attempts >= 7 then 'infinity'
      when refused and q.attempts > 0
        then clock_timestamp() + make_interval(mins => (2 ^ q.attempts)::integer)
      else clock_timestamp() end
  from (
    select l.organization_id, l.item_id from private.embedding_queue l
    where l.organization_id = batch.organization_id and l.item_id = any (batch.item_ids)
    for update skip locked
  ) free
  where q.organization_id = free.organization_id and q.item_id = free.item_id;
end
$$;
comment on function public.fail_embeddings(bigint, uuid, text, text, integer, bigint, numeric) is
  'Ends a batch without vectors: code and fault (provider, caller, platform) of the failure, retry_after in '
  'seconds, and what the provider counted. The texts stay queued; after 8 refusals a text is given up for a '
  'day. Service role only.';

-- ── search_model ──────────────────────────────────────────────────────────────────────────────

create function private.search_model()
returns table (model text, embedding_model text, dimension integer, max_bytes integer)
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: reads the caller's own organization alone.
#variable_conflict use_column
declare
  organization constant bigint := private.require_organization();
begin
  return query
  select e.name, m.model, m.dimension, private.embedded_bytes(e.model)
  from private.search_models m
  cross join lateral (
    select a.name, a.model from private.embedding_models(organization) a where a.key = m.model limit 1
  ) e
  where m.organization_id = organization and m.answers;
end
$$;
comment on function private.search_model() is 'Body of public.search_model().';

create function public.search_model()
returns table (model text, embedding_model text, dimension integer, max_bytes integer)
language sql stable security invoker set search_path = ''
as $$ select * from private.search_model() $$;
comment on function public.search_model() is
  'The model whose vectors answer a search by meaning: agent/model that makes the vector of a query, the '
  'name that search() takes as embedding_model, the numbers of a vector (null before the first) and the '
  'bytes that it reads. No row: the organization makes no vectors. 42501 no_organization.';

revoke all on function
  private.embedding_models(bigint), private.follow_search_settings(),
  private.want_search_model(bigint, text), private.queue_embedding(), private.finish_filling(bigint, text),
  private.end_embedding_batch(private.embedding_batches, bigint, numeric, boolean),
  private.first_bytes(text, integer), private.embedded_bytes(public.models),
  private.next_embeddings(bigint, integer), private.postpone_embeddings(bigint, text, interval, text),
  private.claim_embeddings_of(private.search_models, text[]),
  private.take_embedding_batch(bigint, uuid), private.search_model(),
  public.reindex_search(integer), public.queue_embeddings(integer), public.cleanup_old_embeddings(integer),
  public.claim_embeddings(text[]), public.store_embeddings(bigint, uuid, jsonb, bigint, numeric),
  public.fail_embeddings(bigint, uuid, text, text, integer, bigint, numeric), public.search_model()
  from public, anon, authenticated, service_role;
grant execute on function
  public.reindex_search(integer), public.queue_embeddings(integer), public.cleanup_old_embeddings(integer),
  public.claim_embeddings(text[]), public.store_embeddings(bigint, uuid, jsonb, bigint, numeric),
  public.fail_embeddings(bigint, uuid, text, text, integer, bigint, numeric)
  to service_role;
grant execute on function private.search_model(), public.search_model() to authenticated;
