-- Search: the words of messages, turns and results.
-- Special: match operators are not leakproof, so behind a policy they use no index. search() names the
-- organization itself and repeats the policies of what it finds; tests compare its answers with what its
-- caller selects. Each indexed word begins with the id of its organization, so a search reads no entry of
-- another organization, and takes no longer because others have many rows.

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

create function private.result_text(result jsonb) returns text
language sql immutable security invoker set search_path = ''
as $$
  select string_agg(v #>> '{}', E'\n')
  from jsonb_path_query(result, '$.** ? (@.type() == "string" || @.type() == "number")') v
$$;
comment on function private.result_text(jsonb) is 'The texts and numbers of a result, one a line.';

create function private.index_words() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: no role holds a grant on the words.
begin
  -- An update of other columns keeps the words: the deletion of an account updates all its answers.
  if tg_op = 'UPDATE' and tg_table_name = 'chat_messages' then
    if not exists (
      select 1 from before_rows b join after_rows a using (organization_id, id)
      where a.content is distinct from b.content
    ) then
      return null;
    end if;
  end if;
  -- With an offset, a subquery runs once a row, although the row names the language twice.
  if tg_table_name = 'chat_messages' then
    insert into private.search_words as w (organization_id, session_id, message_id, language, said_at, words)
    select a.organization_id, a.session_id, a.id, l.language, a.created_at,
      private.words_of(a.organization_id, l.language, a.content)
    from after_rows a
    cross join lateral (select private.search_language(a.organization_id) as language offset 0) l
    where a.content <> '' or tg_op = 'UPDATE'
    on conflict on constraint search_words_message_key do update
      set language = excluded.language, said_at = excluded.said_at, words = excluded.words;
  elsif tg_table_name = 'turns' then
    insert into private.search_words as w (organization_id, turn_id, language, said_at, words)
    select a.organization_id, a.id, l.language, a."timestamp",
      private.words_of(a.organization_id, l.language, a.content)
    from after_rows a
    cross join lateral (select private.search_language(a.organization_id) as language offset 0) l
    on conflict on constraint search_words_turn_key do update
      set language = excluded.language, said_at = excluded.said_at, words = excluded.words;
  else
    insert into private.search_words as w (organization_id, result_id, language, said_at, words)
    select a.organization_id, a.id, l.language, a.created_at,
      private.words_of(a.organization_id, l.language, private.result_text(a.result))
    from after_rows a
    cross join lateral (select private.search_language(a.organization_id) as language offset 0) l
    on conflict on constraint search_words_result_key do update
      set language = excluded.language, said_at = excluded.said_at, words = excluded.words;
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
  kind text, key text, session_id uuid, block_id bigint, project_id bigint, user_id uuid,
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

create function private.search_matches(
  organization_id bigint, wanted tsquery, kinds text[], project_id bigint, user_id uuid, since timestamptz,
  until timestamptz
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
begin
  return query
  select 'message', w.message_id::text, s.id, null::bigint, s.project_id, s.user_id, w.language, w.said_at,
    ts_rank(w.words, wanted, 1)
  from private.search_words w
  join public.chat_sessions s on s.organization_id = w.organization_id and s.id = w.session_id
  where w.organization_id = search_matches.organization_id and w.words @@ wanted
    and 'message' = any (kinds)
    and (s.user_id = account or reads_all or s.visibility = 'organization' or (s.of_guest and answers))
    and (search_matches.project_id is null or s.project_id = search_matches.project_id)
    and (search_matches.user_id is null or s.user_id = search_matches.user_id)
    and w.said_at >= coalesce(since, '-infinity') and w.said_at < coalesce(until, 'infinity')
  union all
  select 'turn', w.turn_id::text, null, b.id, b.project_id, p.user_id, w.language, w.said_at,
    ts_rank(w.words, wanted, 1)
  from private.search_words w
  join conversation.turns t on t.organization_id = w.organization_id and t.id = w.turn_id
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
  where w.organization_id = search_matches.organization_id and w.words @@ wanted
    and 'turn' = any (kinds)
    and (not t.is_restricted or private.may_read_turn(t.organization_id, t.id))
    and (search_matches.project_id is null or b.id is not null)
    and (search_matches.user_id is null or p.user_id = search_matches.user_id)
    and w.said_at >= coalesce(since, '-infinity') and w.said_at < coalesce(until, 'infinity')
  union all
  select 'result', w.result_id::text, null, b.id, b.project_id, null, w.language, w.said_at,
    ts_rank(w.words, wanted, 1)
  from private.search_words w
  join conversation.block_lens_version r on r.organization_id = w.organization_id and r.id = w.result_id
  join conversation.blocks b on b.organization_id = r.organization_id and b.id = r.block_id
  where w.organization_id = search_matches.organization_id and w.words @@ wanted
    and 'result' = any (kinds) and b.id <> all (hidden)
    and (search_matches.project_id is null or b.project_id = search_matches.project_id)
    and search_matches.user_id is null
    and w.said_at >= coalesce(since, '-infinity') and w.said_at < coalesce(until, 'infinity');
end
$$;
comment on function
  private.search_matches(bigint, tsquery, text[], bigint, uuid, timestamptz, timestamptz) is
  'The messages, turns and results that a query finds and its caller may read.';

create function private.search(
  query text, kinds text[], project_id bigint, max_rows integer, user_id uuid, since timestamptz,
  until timestamptz, after text
) returns setof public.search_result
language plpgsql stable security definer set search_path = '' set timezone = 'UTC' set extra_float_digits = 1
as $$
-- Definer: behind a policy a text search uses no index. search_matches() names the organization and repeats
-- the policies. The settings make the text of a cursor exact.
#variable_conflict use_column
declare
  organization constant bigint := private.require_organization();
  begins private.search_match;
  problem constant text := case
    when query is null or char_length(query) > 10000 then 'query: must be a text of 10000 characters at most.'
    when not coalesce(kinds, '{}') <@ array['message', 'turn', 'result'] then
      'kinds: must be a list of message, turn and result.'
    when max_rows is null or max_rows not between 1 and 100 then
      'limit: must be a whole number from 1 to 100.'
  end;
  wanted tsquery;
begin
  if problem is not null then
    raise exception using errcode = '22023', message = 'invalid_request', detail = problem;
  end if;
  begins := private.read_cursor(after);
  wanted := private.words_wanted(organization, query);
  if wanted is null then
    return;
  end if;
  return query
  with page as (
    select m.*
    from private.search_matches(
      organization, wanted, coalesce(kinds, array['message', 'turn', 'result']), search.project_id,
      search.user_id, since, until
    ) m
    where after is null or (m.score, m.said_at) < (begins.score, begins.said_at)
      or ((m.score, m.said_at) = (begins.score, begins.said_at)
        and (m.kind, m.key collate "C") > (begins.kind, begins.key collate "C"))
    order by m.score desc, m.said_at desc, m.kind, m.key collate "C"
    limit max_rows
  )
  select p.kind, p.key, p.session_id, p.block_id, p.project_id, p.user_id, p.said_at, p.score, s.snippet,
    s.starts_at, s.highlights, concat_ws('|', p.score, p.said_at, p.kind, p.key)
  from page p
  cross join lateral (
    select case p.kind
      when 'message' then (
        select m.content from public.chat_messages m
        where m.organization_id = organization and m.id = p.key::uuid)
      when 'turn' then (
        select t.content from conversation.turns t
        where t.organization_id = organization and t.id = p.key::bigint)
      else (
        select private.result_text(r.result) from conversation.block_lens_version r
        where r.organization_id = organization and r.id = p.key::bigint)
    end as content
  ) c
  cross join lateral private.search_snippet(c.content, p.language, query) s
  order by p.score desc, p.said_at desc, p.kind, p.key collate "C";
end
$$;
comment on function private.search(text, text[], bigint, integer, uuid, timestamptz, timestamptz, text) is
  'Body of public.search().';

create function public.search(
  query text, kinds text[] default null, project_id bigint default null, "limit" integer default 20,
  user_id uuid default null, since timestamptz default null, until timestamptz default null,
  after text default null
) returns setof public.search_result
language sql stable security invoker set search_path = ''
as $$ select * from private.search(query, kinds, project_id, "limit", user_id, since, until, after) $$;
comment on function public.search(text, text[], bigint, integer, uuid, timestamptz, timestamptz, text) is
  'Finds words in the messages, turns and results that the caller may read, the best first. kinds (null: '
  'all), project_id, user_id (whose conversation or persona), since and until (excluded) filter. after is '
  'the cursor of the last row of the page before. 22023 invalid_request.';

revoke all on function
  private.search_language(bigint), private.spaced(text), private.unspaced(text),
  private.words_of(bigint, text, text), private.result_text(jsonb), private.index_words(),
  private.read_query(text, text), private.words_wanted(bigint, text),
  private.search_snippet(text, text, text), private.read_cursor(text),
  private.search_matches(bigint, tsquery, text[], bigint, uuid, timestamptz, timestamptz),
  private.search(text, text[], bigint, integer, uuid, timestamptz, timestamptz, text),
  public.search(text, text[], bigint, integer, uuid, timestamptz, timestamptz, text)
  from public, anon, authenticated, service_role;
grant execute on function
  private.search(text, text[], bigint, integer, uuid, timestamptz, timestamptz, text),
  public.search(text, text[], bigint, integer, uuid, timestamptz, timestamptz, text)
  to authenticated;
