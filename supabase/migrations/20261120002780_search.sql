-- Search: the words and the meaning (vectors) of messages, turns and results.
-- Special: match operators are not leakproof, so behind a policy they use no index. search() names the
-- organization itself and repeats the policies of what it finds; tests compare its answers with what its
-- caller selects. Each indexed word begins with the id of its organization, so a search reads no entry of
-- another organization, and takes no longer because others have many rows. It uses no extension, so that
-- every server gives the same answers; the file embeddings fills the vectors.

-- ── search_words ──────────────────────────────────────────────────────────────────────────────

create table private.search_words (
  organization_id bigint not null references public.organizations (id) on delete cascade,
  id bigint generated always as identity,
  session_id uuid,
  message_id uuid,
  turn_id bigint,
  result_id bigint,
  language text not null,
  said_at timestamptz not null,
  words tsvector not null,
  primary key (organization_id, id),
  constraint search_words_message_key unique (organization_id, session_id, message_id),
  constraint search_words_turn_key unique (organization_id, turn_id),
  constraint search_words_result_key unique (organization_id, result_id),
  constraint search_words_of_one check (
    num_nonnulls(message_id, turn_id, result_id) = 1 and num_nulls(session_id, message_id) in (0, 2)
  ),
  constraint search_words_message_fkey foreign key (organization_id, session_id, message_id)
    references public.chat_messages (organization_id, session_id, id) on delete cascade,
  constraint search_words_turn_fkey foreign key (organization_id, turn_id)
    references conversation.turns (organization_id, id) on delete cascade,
  constraint search_words_result_fkey foreign key (organization_id, result_id)
    references conversation.block_lens_version (organization_id, id) on delete cascade
);
comment on table private.search_words is
  'The words of each message, turn and result, written by triggers of their tables.';
comment on column private.search_words.language is
  'The text search configuration that made the words. A query is read by each that the organization used.';
comment on column private.search_words.words is
  'Each word begins with the id of the organization and a colon.';
create index search_words_words_idx on private.search_words using gin (words);
create index search_words_language_idx on private.search_words (organization_id, language);
alter table private.search_words enable row level security;
alter table private.search_words force row level security;
revoke all on private.search_words from public, anon, authenticated, service_role;

create function private.result_text(result jsonb) returns text
language sql immutable security invoker set search_path = ''
as $$
  select string_agg(v #>> '{}', E'\n')
  from jsonb_path_query(result, '$.** ? (@.type() == "string" || @.type() == "number")') v
$$;
comment on function private.result_text(jsonb) is 'The texts and numbers of a result, one a line.';

create function private.search_text(item private.search_words) returns text
language sql stable security definer set search_path = ''
as $$
  -- Definer: called by functions that have checked the reader, and by those that make words and vectors.
  select case
    when item.message_id is not null then (
      select m.content from public.chat_messages m
      where m.organization_id = item.organization_id and m.id = item.message_id)
    when item.turn_id is not null then (
      select t.content from conversation.turns t
      where t.organization_id = item.organization_id and t.id = item.turn_id)
    else (
      select private.result_text(r.result) from conversation.block_lens_version r
      where r.organization_id = item.organization_id and r.id = item.result_id)
  end
$$;
comment on function private.search_text(private.search_words) is
  'The text of a message, turn or result that has words in private.search_words.';

-- ── Vectors ───────────────────────────────────────────────────────────────────────────────────

create table private.search_models (
  organization_id bigint not null references public.organizations (id) on delete cascade,
  model text not null,
  dimension integer constraint search_models_dimension check (dimension between 1 and 16000),
  wanted boolean not null,
  answers boolean not null,
  filled_to bigint,
  filled_at timestamptz,
  claimed_at timestamptz,
  failures integer not null default 0,
  retry_at timestamptz,
  last_error text,
  primary key (organization_id, model)
);
comment on table private.search_models is
  'The models whose vectors an organization keeps: the one that its setting search_model wants, and until '
  'that one has vectors of everything, the one before, which answers.';
comment on column private.search_models.model is
  'Provider, slash, the provider''s own name of the model. Vectors of two models are never compared.';
comment on column private.search_models.dimension is
  'Numbers of its vectors; null before the first. Only vectors of this dimension answer.';
comment on column private.search_models.filled_to is
  'Rows of search_words up to this id are queued or have a vector; null when all are.';
comment on column private.search_models.retry_at is 'No vectors are asked for before this time.';
create unique index search_models_wanted_key on private.search_models (organization_id) where wanted;
create unique index search_models_answers_key on private.search_models (organization_id) where answers;
alter table private.search_models enable row level security;
alter table private.search_models force row level security;
revoke all on private.search_models from public, anon, authenticated, service_role;

create function private.signs(vector real[]) returns bit varying
language sql immutable security invoker set search_path = ''
as $$
  select string_agg(case when x > 0 then '1' else '0' end, '' order by n)::bit varying
  from unnest(vector) with ordinality e(x, n)
$$;
comment on function private.signs(real[]) is 'A bit for each number of a vector: 1 where it is positive.';

create table private.search_vectors (
  organization_id bigint not null,
  item_id bigint not null,
  model text not null,
  dimension integer not null constraint search_vectors_dimension check (dimension = cardinality(vector)),
  vector real[] not null,
  signs bit varying not null generated always as (private.signs(vector)) stored,
  primary key (organization_id, model, item_id),
  constraint search_vectors_item_fkey foreign key (organization_id, item_id)
    references private.search_words (organization_id, id) on delete cascade,
  constraint search_vectors_model_fkey foreign key (organization_id, model)
    references private.search_models (organization_id, model) on delete cascade
);
comment on table private.search_vectors is
  'A vector of length 1 of each text and model. A changed text has a new row in search_words, and no vector.';
comment on column private.search_vectors.signs is
  'Chooses the rows whose vectors are read: vectors of a small angle differ in few signs.';
create index search_vectors_item_id_idx on private.search_vectors (organization_id, item_id);
alter table private.search_vectors enable row level security;
alter table private.search_vectors force row level security;
revoke all on private.search_vectors from public, anon, authenticated, service_role;

create function private.to_vector(numbers double precision[]) returns real[]
language sql immutable security invoker set search_path = ''
as $$
  -- A result that is too small or too large for its type would be an error.
  select case when l.length > 0 then (
    select array_agg(case when abs(x) < l.length * 1e-30 then 0 else x / l.length end::real order by n)
    from unnest(numbers) with ordinality e(x, n)
  ) end
  from (
    select case when count(x) = count(*) and max(abs(x)) < 1e150
      then sqrt(sum(case when abs(x) between 1e-150 and 1e150 then x * x else 0 end)) end as length
    from unnest(numbers) e(x)
  ) l
$$;
comment on function private.to_vector(double precision[]) is
  'The vector of length 1 in the same direction; null for zeros alone, and for what is no list of numbers.';

create function private.cosine(a real[], b real[]) returns double precision
language sql immutable security invoker set search_path = ''
as $$ select sum(x::double precision * y) from unnest(a, b) e(x, y) $$;
comment on function private.cosine(real[], real[]) is 'The cosine of the angle of two vectors of length 1.';

-- ── Words ─────────────────────────────────────────────────────────────────────────────────────

create function private.search_language(organization_id bigint) returns text
language sql stable security definer set search_path = ''
as $$
  -- Definer: called by triggers and search() only.
  select coalesce((
    select o.settings ->> 'search_language' from public.organizations o
    where o.id = search_language.organization_id
  ), 'simple')
$$;
comment on function private.search_language(bigint) is
  'The text search configuration for new content of an organization.';

create function private.spaced(content text) returns text
language sql immutable security invoker set search_path = ''
as $$
  select regexp_replace(
    translate(left(content, 65536), E'\x01\x02\x1e\x1f<', E'    \x1e'),
    '([\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff])', E'\x1f\\1\x1f', 'g'
  )
$$;
comment on function private.spaced(text) is
  'The first 65,536 characters of a text as the text search parser reads them: U+001F around each '
  'character of Chinese and Japanese, which have no spaces, and U+001E in place of each <, which would '
  'begin a tag. '
  'private.unspaced() takes both back.';

create function private.unspaced(content text) returns text
language sql immutable security invoker set search_path = ''
as $$ select translate(content, E'\x1e\x1f', '<') $$;
comment on function private.unspaced(text) is 'The text that private.spaced() was given.';

create function private.words_of(organization_id bigint, language text, content text) returns tsvector
language sql immutable security invoker set search_path = ''
as $$
  select coalesce(string_agg(
    '''' || organization_id || ':' || replace(replace(w.lexeme, '\', '\\'), '''', '''''') || ''':'
      || array_to_string(w.positions, ','), ' '), '')::tsvector
  from unnest(to_tsvector(('pg_catalog.' || language)::regconfig, private.spaced(content))) w
  where octet_length(w.lexeme) <= 512
$$;
comment on function private.words_of(bigint, text, text) is
  'The words of a text, each after the id of the organization and a colon; not those of more than 512 bytes.';

create function private.index_words() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no role holds a grant on the words.
begin
  -- A changed text gets a new row, so that no vector of the old text answers for it. An update of other
  -- columns keeps the row: the deletion of an account updates all its answers. With an offset, a subquery
  -- runs once a row, although the row names the language twice.
  if tg_table_name = 'chat_messages' then
    if tg_op = 'UPDATE' then
      delete from private.search_words w
      using before_rows b
      join after_rows a on a.organization_id = b.organization_id and a.id = b.id
      where a.content is distinct from b.content
        and w.organization_id = b.organization_id and w.session_id = b.session_id and w.message_id = b.id;
    end if;
    insert into private.search_words (organization_id, session_id, message_id, language, said_at, words)
    select a.organization_id, a.session_id, a.id, l.language, a.created_at,
      private.words_of(a.organization_id, l.language, a.content)
    from after_rows a
    cross join lateral (select private.search_language(a.organization_id) as language offset 0) l
    where a.content <> '' and (tg_op = 'INSERT' or not exists (
      select 1 from private.search_words w
      where w.organization_id = a.organization_id and w.session_id = a.session_id and w.message_id = a.id
    ));
  elsif tg_table_name = 'turns' then
    if tg_op = 'UPDATE' then
      delete from private.search_words w
      using before_rows b
      join after_rows a on a.organization_id = b.organization_id and a.id = b.id
      where (a.content, a."timestamp") is distinct from (b.content, b."timestamp")
        and w.organization_id = b.organization_id and w.turn_id = b.id;
    end if;
    insert into private.search_words (organization_id, turn_id, language, said_at, words)
    select a.organization_id, a.id, l.language, a."timestamp",
      private.words_of(a.organization_id, l.language, a.content)
    from after_rows a
    cross join lateral (select private.search_language(a.organization_id) as language offset 0) l
    where tg_op = 'INSERT' or not exists (
      select 1 from private.search_words w where w.organization_id = a.organization_id and w.turn_id = a.id
    );
  else
    if tg_op = 'UPDATE' then
      delete from private.search_words w
      using before_rows b
      join after_rows a on a.organization_id = b.organization_id and a.id = b.id
      where a.result is distinct from b.result
        and w.organization_id = b.organization_id and w.result_id = b.id;
    end if;
    insert into private.search_words (organization_id, result_id, language, said_at, words)
    select a.organization_id, a.id, l.language, a.created_at,
      private.words_of(a.organization_id, l.language, private.result_text(a.result))
    from after_rows a
    cross join lateral (select private.search_language(a.organization_id) as language offset 0) l
    where tg_op = 'INSERT' or not exists (
      select 1 from private.search_words w where w.organization_id = a.organization_id and w.result_id = a.id
    );
  end if;
  return null;
end
$$;
comment on function private.index_words() is 'Trigger: keeps the words of messages, turns and results.';
create trigger chat_messages_words_insert after insert on public.chat_messages
  referencing new table as after_rows for each statement execute function private.index_words();
create trigger chat_messages_words_update after update on public.chat_messages
  referencing old table as before_rows new table as after_rows
  for each statement execute function private.index_words();
create trigger turns_words_insert after insert on conversation.turns
  referencing new table as after_rows for each statement execute function private.index_words();
create trigger turns_words_update after update on conversation.turns
  referencing old table as before_rows new table as after_rows
  for each statement execute function private.index_words();
create trigger block_lens_version_words_insert after insert on conversation.block_lens_version
  referencing new table as after_rows for each statement execute function private.index_words();
create trigger block_lens_version_words_update after update on conversation.block_lens_version
  referencing old table as before_rows new table as after_rows
  for each statement execute function private.index_words();

-- ── Queries ───────────────────────────────────────────────────────────────────────────────────

create function private.read_query(language text, query text) returns tsquery
language sql immutable security invoker set search_path = ''
as $$ select websearch_to_tsquery(('pg_catalog.' || language)::regconfig, private.spaced(query)) $$;
comment on function private.read_query(text, text) is
  'A query as people type it: words, "phrases", or, and - before what is not wanted. No text is an error.';

create function private.words_wanted(organization_id bigint, query text) returns tsquery
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: called by search() only, which reads the words of its caller's organization.
#variable_conflict use_column
declare
  wanted tsquery;
  one tsquery;
  read_by text := (
    select min(w.language) from private.search_words w
    where w.organization_id = words_wanted.organization_id
  );
begin
  while read_by is not null loop
    one := private.read_query(read_by, query);
    -- A query of unwanted words alone would be answered with nearly everything.
    if querytree(one) not in ('', 'T') then
      wanted := coalesce(wanted || one, one);
    end if;
    read_by := (
      select min(w.language) from private.search_words w
      where w.organization_id = words_wanted.organization_id and w.language > read_by
    );
  end loop;
  begin
    return regexp_replace(
      wanted::text, '''((?:[^''\\]|''''|\\\\)*)''', '''' || words_wanted.organization_id || ':\1''', 'g'
    )::tsquery;
  exception when program_limit_exceeded then
    -- The word is longer than any that is kept.
    return null;
  end;
end
$$;
comment on function private.words_wanted(bigint, text) is
  'A query in each language that the organization has used, each word after the id of the organization; null '
  'when it wants nothing.';

create function private.search_snippet(content text, language text, query text)
returns table (snippet text, starts_at integer, highlights jsonb)
language plpgsql stable security invoker set search_path = ''
as $$
declare
  marked constant text := private.unspaced(ts_headline(
    ('pg_catalog.' || language)::regconfig, private.spaced(content), private.read_query(language, query),
    E'StartSel=\x01, StopSel=\x02, MinWords=15, MaxWords=35, ShortWord=0'
  ));
  shown constant text := translate(marked, E'\x01\x02', '');
  piece text;
  place integer;
begin
  starts_at := strpos(translate(content, E'\x01\x02\x1e\x1f', '    '), shown) - 1;
  highlights := '[]';
  if starts_at < 0 or shown = '' then
    starts_at := 0;
    snippet := left(content, 200);
    return next;
    return;
  end if;
  snippet := substr(content, starts_at + 1, char_length(shown));
  place := strpos(marked, E'\x01') - 1;
  foreach piece in array (string_to_array(marked, E'\x01'))[2:] loop
    highlights := highlights || jsonb_build_array(jsonb_build_array(place, strpos(piece, E'\x02') - 1));
    place := place + char_length(piece) - 1;
  end loop;
  return next;
end
$$;
comment on function private.search_snippet(text, text, text) is
  'A part of a text around what a query finds, where it starts in the text, and [start, length] of each word '
  'found in it. Counts characters (Unicode code points) from 0.';

-- ── search ────────────────────────────────────────────────────────────────────────────────────

create type private.search_match as (
  kind text, key text, item_id bigint, session_id uuid, block_id bigint, project_id bigint, user_id uuid,
  language text, said_at timestamptz, score real
);
comment on type private.search_match is 'Something that a search finds, before its text is read.';

create type public.search_result as (
  kind text, id text, session_id uuid, block_id bigint, project_id bigint, user_id uuid, said_at timestamptz,
  score real, snippet text, starts_at integer, highlights jsonb, cursor text
);
comment on type public.search_result is
  'A row of search(): kind (message, turn, result) and id of what was found, and the part of its text '
  'around the words. user_id: whose conversation or persona. starts_at and highlights ([start, length] in '
  'the snippet) count characters from 0.';

create function private.read_cursor(value text) returns private.search_match
language plpgsql stable security invoker set search_path = '' set timezone = 'UTC'
as $$
declare
  part constant text[] := regexp_match(
    value, '^([0-9.e-]{1,20})\|([^|]{1,40})\|(message|turn|result)\|([0-9a-f-]{1,36})$');
  match private.search_match;
begin
  match.score := part[1]::real;
  match.said_at := part[2]::timestamptz;
  match.kind := part[3];
  match.key := part[4];
  if value is not null and part is null then
    raise invalid_parameter_value;
  end if;
  return match;
exception when data_exception then
  raise exception using errcode = '22023', message = 'invalid_request',
    detail = 'after: must be the cursor of a row of an earlier answer.';
end
$$;
comment on function private.read_cursor(text) is 'The row after which a page begins; nulls for null.';

create function private.search_depth() returns integer
language sql immutable security invoker set search_path = ''
as $$ select 2000 $$;
comment on function private.search_depth() is
  'The number of texts whose vectors a search by meaning reads: all that the caller may read where there are '
  'no more, else those whose signs differ least from the query''s.';

create function private.ranked_depth() returns integer
language sql immutable security invoker set search_path = ''
as $$ select 100 $$;
comment on function private.ranked_depth() is 'The number of ranks by words and by meaning that are joined.';

create function private.search_matches(
  organization_id bigint, wanted tsquery, by_model private.search_models, nearest real[], kinds text[],
  project_id bigint, user_id uuid, since timestamptz, until timestamptz
) returns setof private.search_match
language plpgsql stable security definer set search_path = '' set plan_cache_mode = 'force_custom_plan'
as $$
-- Definer: called by search() only. Repeats the policies of messages, turns and results. Planned for each
-- query, because a plan for any query does not know that a word is rare.
#variable_conflict use_column
declare
  account constant uuid := private.current_user_id();
  reads_all constant boolean := private.has_permission('content.read_all');
  answers constant boolean := private.has_permission('sessions.answer');
  hidden constant bigint[] := private.hidden_blocks();
  query_signs constant bit varying := private.signs(nearest);
  its_model constant text := by_model.model;
  its_dimension constant integer := by_model.dimension;
begin
  return query
  with found as (
    select w.id, w.session_id, w.message_id, w.turn_id, w.result_id, w.language, w.said_at,
      ts_rank(w.words, wanted, 1) as score
    from private.search_words w
    where w.organization_id = search_matches.organization_id and w.words @@ wanted
    union all
    select w.id, w.session_id, w.message_id, w.turn_id, w.result_id, w.language, w.said_at,
      -bit_count(v.signs # query_signs)::real
    from private.search_vectors v
    join private.search_words w on w.organization_id = v.organization_id and w.id = v.item_id
    where v.organization_id = search_matches.organization_id and v.model = its_model
      and v.dimension = its_dimension and query_signs is not null
  )
  select 'message', f.message_id::text, f.id, s.id, null::bigint, s.project_id, s.user_id, f.language,
    f.said_at, f.score
  from found f
  join public.chat_sessions s on s.organization_id = search_matches.organization_id and s.id = f.session_id
  where 'message' = any (kinds)
    and (s.user_id = account or reads_all or s.visibility = 'organization' or (s.of_guest and answers))
    and (search_matches.project_id is null or s.project_id = search_matches.project_id)
    and (search_matches.user_id is null or s.user_id = search_matches.user_id)
    and f.said_at >= coalesce(since, '-infinity') and f.said_at < coalesce(until, 'infinity')
  union all
  select 'turn', f.turn_id::text, f.id, null, b.id, b.project_id, p.user_id, f.language, f.said_at, f.score
  from found f
  join conversation.turns t on t.organization_id = search_matches.organization_id and t.id = f.turn_id
  join conversation.participants p on p.organization_id = t.organization_id and p.id = t.participant_id
  left join lateral (
    select k.id, k.project_id
    from conversation.block_turns x
    join conversation.blocks k on k.organization_id = x.organization_id and k.id = x.block_id
    where x.organization_id = t.organization_id and x.turn_id = t.id and k.id <> all (hidden)
      and (search_matches.project_id is null or k.project_id = search_matches.project_id)
    order by k.id
    limit 1
  ) b on true
  where 'turn' = any (kinds)
    and (not t.is_restricted or private.may_read_turn(t.organization_id, t.id))
    and (search_matches.project_id is null or b.id is not null)
    and (search_matches.user_id is null or p.user_id = search_matches.user_id)
    and f.said_at >= coalesce(since, '-infinity') and f.said_at < coalesce(until, 'infinity')
  union all
  select 'result', f.result_id::text, f.id, null, b.id, b.project_id, null, f.language, f.said_at, f.score
  from found f
  join conversation.block_lens_version r
    on r.organization_id = search_matches.organization_id and r.id = f.result_id
  join conversation.blocks b on b.organization_id = r.organization_id and b.id = r.block_id
  where 'result' = any (kinds) and b.id <> all (hidden)
    and (search_matches.project_id is null or b.project_id = search_matches.project_id)
    and search_matches.user_id is null
    and f.said_at >= coalesce(since, '-infinity') and f.said_at < coalesce(until, 'infinity');
end
$$;
comment on function private.search_matches(
  bigint, tsquery, private.search_models, real[], text[], bigint, uuid, timestamptz, timestamptz
) is
  'The messages, turns and results that a query finds by its words (wanted), or all that have a vector of a '
  'model (nearest), which their caller may read. The score is ts_rank(), or the number of signs that differ, '
  'negative.';

create function private.nearest_matches(
  by_model private.search_models, nearest real[], kinds text[], project_id bigint, user_id uuid,
  since timestamptz, until timestamptz
) returns setof private.search_match
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: called by search() only. The order has no ties, so that it is one.
#variable_conflict use_column
begin
  return query
  select c.kind, c.key, c.item_id, c.session_id, c.block_id, c.project_id, c.user_id, c.language, c.said_at,
    private.cosine(v.vector, nearest)::real
  from (
    select m.* from private.search_matches(
      by_model.organization_id, null, by_model, nearest, kinds, nearest_matches.project_id,
      nearest_matches.user_id, since, until
    ) m
    order by m.score desc, m.said_at desc, m.kind, m.key collate "C"
    limit private.search_depth()
  ) c
  join private.search_vectors v on v.organization_id = by_model.organization_id and v.model = by_model.model
    and v.item_id = c.item_id
  order by 10 desc, c.said_at desc, c.kind, c.key collate "C"
  limit private.ranked_depth();
end
$$;
comment on function private.nearest_matches(
  private.search_models, real[], text[], bigint, uuid, timestamptz, timestamptz
) is
  'The texts whose vectors have the smallest angle to the query''s, and that the caller may read; the score '
  'is the cosine.';

create function private.fuse_matches(
  by_words private.search_match[], by_meaning private.search_match[]
) returns setof private.search_match
language sql immutable security invoker set search_path = ''
as $$
  select kind, key, item_id, min(session_id::text)::uuid, min(block_id), min(project_id),
    min(user_id::text)::uuid, min(language), min(said_at), sum(1.0 / (60 + place))::real
  from (
    select w.*, w.place from unnest(by_words) with ordinality
      w(kind, key, item_id, session_id, block_id, project_id, user_id, language, said_at, score, place)
    union all
    select m.*, m.place from unnest(by_meaning) with ordinality
      m(kind, key, item_id, session_id, block_id, project_id, user_id, language, said_at, score, place)
  ) ranked (kind, key, item_id, session_id, block_id, project_id, user_id, language, said_at, score, n, place)
  group by kind, key, item_id
$$;
comment on function private.fuse_matches(private.search_match[], private.search_match[]) is
  'Reciprocal rank fusion: the score is the sum of 1 / (60 + rank) over the lists that have the match.';

create function private.search(
  query text, kinds text[], project_id bigint, max_rows integer, user_id uuid, since timestamptz,
  until timestamptz, after text, mode text, embedding double precision[], embedding_model text
) returns setof public.search_result
language plpgsql stable security definer set search_path = '' set timezone = 'UTC' set extra_float_digits = 1
as $$
-- Definer: behind a policy a text search uses no index. search_matches() names the organization and repeats
-- the policies. The settings make the text of a cursor exact.
#variable_conflict use_column
declare
  organization constant bigint := private.require_organization();
  begins private.search_match;
  by_model private.search_models;
  nearest constant real[] := private.to_vector(embedding);
  asked constant text[] := coalesce(kinds, array['message', 'turn', 'result']);
  problem text := case
    when query is null or char_length(query) > 10000 then 'query: must be a text of 10000 characters at most.'
    when not asked <@ array['message', 'turn', 'result'] then
      'kinds: must be a list of message, turn and result.'
    when max_rows is null or max_rows not between 1 and 100 then
      'limit: must be a whole number from 1 to 100.'
    when mode is null or mode not in ('words', 'meaning', 'both') then
      'mode: must be words, meaning or both.'
    when mode = 'words' and num_nonnulls(embedding, embedding_model) > 0 then
      'embedding: can come only with the modes meaning and both.'
    when mode <> 'words' and after is not null then
      'after: pages the mode words only. The modes meaning and both give 100 rows at most.'
  end;
  wanted tsquery;
  by_words private.search_match[];
  by_meaning private.search_match[];
  page private.search_match[];
begin
  if problem is null and mode <> 'words' then
    select m.* into by_model from private.search_models m
    where m.organization_id = organization and m.answers;
    problem := case
      when by_model.model is null then
        'mode: the organization makes no vectors. Its setting search_model names the model that makes them.'
      when nearest is null then 'embedding: must be the vector of the query.'
      when by_model.model is distinct from embedding_model then
        'embedding_model: must be the model whose vectors answer. search_model() names it.'
      when by_model.dimension <> cardinality(nearest) then format(
        'embedding: has %s numbers, and the vectors of the organization have %s.', cardinality(nearest),
        by_model.dimension)
    end;
  end if;
  if problem is not null then
    raise exception using errcode = '22023', message = 'invalid_request', detail = problem;
  end if;
  begins := private.read_cursor(after);
  wanted := case when mode <> 'meaning' then private.words_wanted(organization, query) end;
  if wanted is not null then
    by_words := array(
      select m from private.search_matches(
        organization, wanted, null, null, asked, search.project_id, search.user_id, since, until
      ) m
      where after is null or (m.score, m.said_at) < (begins.score, begins.said_at)
        or ((m.score, m.said_at) = (begins.score, begins.said_at)
          and (m.kind, m.key collate "C") > (begins.kind, begins.key collate "C"))
      order by m.score desc, m.said_at desc, m.kind, m.key collate "C"
      limit case mode when 'words' then max_rows else private.ranked_depth() end
    );
  end if;
  if mode <> 'words' and by_model.model is not null then
    by_meaning := array(
      select m from private.nearest_matches(
        by_model, nearest, asked, search.project_id, search.user_id, since, until
      ) m
      order by m.score desc, m.said_at desc, m.kind, m.key collate "C"
    );
  end if;
  page := case mode when 'words' then by_words when 'meaning' then by_meaning
    else array(select m from private.fuse_matches(by_words, by_meaning) m) end;
  return query
  select p.kind, p.key, p.session_id, p.block_id, p.project_id, p.user_id, p.said_at, p.score, s.snippet,
    s.starts_at, s.highlights,
    case mode when 'words' then concat_ws('|', p.score, p.said_at, p.kind, p.key) end
  from (
    select * from unnest(page) m
    order by m.score desc, m.said_at desc, m.kind, m.key collate "C"
    limit max_rows
  ) p
  join private.search_words w on w.organization_id = organization and w.id = p.item_id
  cross join lateral private.search_snippet(private.search_text(w), p.language, query) s
  order by p.score desc, p.said_at desc, p.kind, p.key collate "C";
end
$$;
comment on function private.search(
  text, text[], bigint, integer, uuid, timestamptz, timestamptz, text, text, double precision[], text
) is 'Body of public.search().';

create function public.search(
  query text, kinds text[] default null, project_id bigint default null, "limit" integer default 20,
  user_id uuid default null, since timestamptz default null, until timestamptz default null,
  after text default null, mode text default 'words', embedding double precision[] default null,
  embedding_model text default null
) returns setof public.search_result
language sql stable security invoker set search_path = ''
as $$
  select * from private.search(
    query, kinds, project_id, "limit", user_id, since, until, after, mode, embedding, embedding_model
  )
$$;
comment on function public.search(
  text, text[], bigint, integer, uuid, timestamptz, timestamptz, text, text, double precision[], text
) is
  'Finds the messages, turns and results that the caller may read, the best first: by words, by meaning, or '
  'by both (mode). kinds (null: all), project_id, user_id (whose conversation or persona), since and until '
  '(excluded) filter. after is the cursor of the last row of the page before. meaning and both need the '
  'vector of the query and its model, which search_model() names; POST /agents/search makes it. 22023 '
  'invalid_request.';

revoke all on function
  private.search_language(bigint), private.spaced(text), private.unspaced(text),
  private.words_of(bigint, text, text), private.result_text(jsonb), private.index_words(),
  private.search_text(private.search_words), private.signs(real[]),
  private.to_vector(double precision[]), private.cosine(real[], real[]),
  private.read_query(text, text), private.words_wanted(bigint, text),
  private.search_snippet(text, text, text), private.read_cursor(text),
  private.search_depth(), private.ranked_depth(),
  private.search_matches(
    bigint, tsquery, private.search_models, real[], text[], bigint, uuid, timestamptz, timestamptz
  ),
  private.nearest_matches(private.search_models, real[], text[], bigint, uuid, timestamptz, timestamptz),
  private.fuse_matches(private.search_match[], private.search_match[]),
  private.search(
    text, text[], bigint, integer, uuid, timestamptz, timestamptz, text, text, double precision[], text
  ),
  public.search(
    text, text[], bigint, integer, uuid, timestamptz, timestamptz, text, text, double precision[], text
  )
  from public, anon, authenticated, service_role;
grant execute on function
  private.search(
    text, text[], bigint, integer, uuid, timestamptz, timestamptz, text, text, double precision[], text
  ),
  public.search(
    text, text[], bigint, integer, uuid, timestamptz, timestamptz, text, text, double precision[], text
  )
  to authenticated;
