-- Transcripts: what people said elsewhere, as JSON lines or WebVTT, becomes blocks of turns.
-- Special: one call stores every transcript or none. A reader gives a row per turn, and a row with a problem
-- for a line that it cannot read, so an error names its line. docs/analysis.md describes both formats.

create type private.spoken_turn as (
  line integer, speaker text, content text, said_at timestamptz, metadata jsonb, problem text
);
comment on type private.spoken_turn is
  'A turn of a transcript, and the line on which it begins; or what is wrong with that line.';

-- ── Values ────────────────────────────────────────────────────────────────────────────────────

create function private.read_moment(value jsonb) returns timestamptz
language plpgsql stable security invoker set search_path = ''
as $$
declare
  word constant text := case when jsonb_typeof(value) in ('string', 'number') then value #>> '{}' end;
  number numeric;
begin
  if word ~ '^[0-9]{1,14}(\.[0-9]{1,9})?$' then
    number := word::numeric;
    return to_timestamp((case when number >= 100000000000 then number / 1000 else number end)::float8);
  elsif word ~ ('^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?'
    '([Zz]|[+-][0-9]{2}(:?[0-9]{2})?)$') then
    return word::timestamptz;
  end if;
  return null;
exception when data_exception then
  return null;
end
$$;
comment on function private.read_moment(jsonb) is
  'A time of a transcript: ISO 8601 with a zone, or seconds since 1970 (milliseconds from 100000000000 on); '
  'null for any other value.';

create function private.spoken_problem(said private.spoken_turn) returns text
language sql immutable security invoker set search_path = ''
as $$
  select case
    when said.speaker is null or char_length(said.speaker) > 200 then
      'speaker: must be a text of 1 to 200 characters.'
    when said.content is null or octet_length(said.content) > 1048576 then
      'content: must be a text of 1 to 1048576 bytes.'
    when jsonb_typeof(said.metadata) is distinct from 'object'
      or octet_length(said.metadata::text) > 65536 then
      'metadata: must be an object of 65536 bytes at most.'
  end
$$;
comment on function private.spoken_problem(private.spoken_turn) is
  'What is wrong with a turn; null when it can be stored.';

-- ── JSON lines ────────────────────────────────────────────────────────────────────────────────

create function private.read_json_lines(document text, fields jsonb, begun_at timestamptz, speaker text)
returns setof private.spoken_turn
language plpgsql stable security invoker set search_path = ''
as $$
declare
  said private.spoken_turn;
  body text;
  item jsonb;
  given jsonb;
begin
  for said.line, body in
    select u.ordinality, btrim(u.body, E' \t\r')
    from unnest(string_to_array(document, E'\n')) with ordinality u(body, ordinality)
  loop
    continue when body = '';
    said.problem := null;
    begin
      item := body::jsonb;
    exception when data_exception or program_limit_exceeded then
      item := null;
    end;
    if jsonb_typeof(item) is distinct from 'object' then
      said.problem := 'must be a JSON object without the character U+0000.';
      return next said;
      return;
    end if;
    given := item -> coalesce(fields ->> 'speaker', 'speaker');
    said.speaker := case coalesce(jsonb_typeof(given), 'null')
      when 'string' then nullif(btrim(given #>> '{}'), '') when 'null' then read_json_lines.speaker end;
    given := item -> coalesce(fields ->> 'content', 'content');
    said.content := case jsonb_typeof(given) when 'string' then nullif(btrim(given #>> '{}'), '') end;
    given := item -> coalesce(fields ->> 'timestamp', 'timestamp');
    said.said_at := case when coalesce(jsonb_typeof(given), 'null') = 'null' then begun_at
      else private.read_moment(given) end;
    given := item -> coalesce(fields ->> 'metadata', 'metadata');
    said.metadata := case when coalesce(jsonb_typeof(given), 'null') = 'null' then '{}' else given end;
    said.problem := coalesce(private.spoken_problem(said), case when said.said_at is null then
      'timestamp: must be a time with a zone, such as 2026-11-29T12:00:00Z, or seconds since 1970.' end);
    return next said;
    exit when said.problem is not null;
  end loop;
end
$$;
comment on function private.read_json_lines(text, jsonb, timestamptz, text) is
  'The turns of JSON lines, up to the first line that it cannot read. fields names the keys of a line that '
  'stand for speaker, content, timestamp and metadata.';

-- ── WebVTT ────────────────────────────────────────────────────────────────────────────────────

create function private.read_cue(
  payload text, before text, speaker text, participants jsonb
) returns table (said_by text, words text)
language plpgsql immutable security invoker set search_path = ''
as $$
declare
  piece text;
  is_voice boolean := false;
begin
  said_by := coalesce(before, speaker);
  for piece in select regexp_split_to_table(payload, '<v(?=[.[:blank:]])') loop
    if is_voice then
      said_by := nullif(btrim(regexp_replace(split_part(piece, '>', 1), '^\.\S*', '')), '');
      piece := substr(piece, strpos(piece, '>') + 1);
    end if;
    words := regexp_replace(piece, '</?[a-z0-9:.][^>]*>', '', 'gi');
    words := btrim(replace(replace(replace(replace(replace(replace(
      words, '&lt;', '<'), '&gt;', '>'), '&nbsp;', ' '), '&lrm;', ''), '&rlm;', ''), '&amp;', '&'));
    if not is_voice and strpos(words, ': ') > 0 and participants ? split_part(words, ': ', 1) then
      said_by := split_part(words, ': ', 1);
      words := btrim(substr(words, char_length(said_by) + 2));
    end if;
    is_voice := true;
    if words <> '' then
      return next;
    end if;
  end loop;
end
$$;
comment on function private.read_cue(text, text, text, jsonb) is
  'What is said in a cue: its voice spans; before them, the words of a speaker that participants names '
  '(`Name: words`), else of the speaker before, else of the speaker of the transcript.';

create function private.read_web_vtt(document text, participants jsonb, begun_at timestamptz, speaker text)
returns setof private.spoken_turn
language plpgsql stable security invoker set search_path = ''
as $$
declare
  at integer;
  body text;
  clock text[];
  state text := 'header';
  payload text[];
  said private.spoken_turn;
  last private.spoken_turn;
  piece record;
begin
  said.metadata := '{}';
  for at, body in
    select u.ordinality, rtrim(u.body, E' \t')
    -- An empty line at the end ends the last cue.
    from unnest(string_to_array(
      replace(replace(document, E'\r\n', E'\n'), E'\r', E'\n') || E'\n', E'\n'
    )) with ordinality u(body, ordinality)
  loop
    said.line := coalesce(case when state = 'cue' then said.line end, at);
    if at = 1 then
      said.problem := case when ltrim(body, U&'\FEFF') !~ '^WEBVTT([[:blank:]]|$)' then 'must be WEBVTT.' end;
    elsif body = '' and state = 'cue' then
      for piece in select c.* from private.read_cue(
        array_to_string(payload, ' '), last.speaker, speaker, participants
      ) c loop
        if piece.said_by = last.speaker then
          last.content := last.content || ' ' || piece.words;
        else
          if last.speaker is not null then
            return next last;
          end if;
          said.speaker := piece.said_by;
          said.content := piece.words;
          last := said;
        end if;
        said.problem := private.spoken_problem(last);
        exit when said.problem is not null;
      end loop;
      state := 'between';
    elsif body = '' then
      said.problem := case when state = 'name' then 'must be a timing such as 00:01.000 --> 00:04.000.' end;
      state := 'between';
    elsif state = 'cue' then
      payload := payload || body;
    elsif strpos(body, '-->') > 0 and state in ('between', 'name') then
      clock := regexp_match(body, '^\s*(?:([0-9]{2,4}):)?([0-5][0-9]):([0-5][0-9])\.([0-9]{3})\s*-->'
        '\s*(?:[0-9]{2,4}:)?[0-5][0-9]:[0-5][0-9]\.[0-9]{3}(?:\s|$)');
      said.problem := case when clock is null then 'must be a timing such as 00:01.000 --> 00:04.000.' end;
      said.said_at := begun_at + make_interval(hours => coalesce(clock[1], '0')::integer,
        mins => clock[2]::integer, secs => (clock[3] || '.' || clock[4])::float8);
      payload := '{}';
      state := 'cue';
    elsif state = 'between' then
      state := case when body ~ '^(NOTE|STYLE|REGION)([[:blank:]]|$)' then 'note' else 'name' end;
    elsif state = 'name' then
      said.problem := 'must be a timing such as 00:01.000 --> 00:04.000.';
    end if;
    if said.problem is not null then
      return next said;
      return;
    end if;
  end loop;
  if last.speaker is not null then
    return next last;
  end if;
end
$$;
comment on function private.read_web_vtt(text, jsonb, timestamptz, text) is
  'The turns of WebVTT (W3C, section 4), up to the first line that it cannot read. Cues of one speaker that '
  'follow each other are one turn.';

-- ── A transcript ──────────────────────────────────────────────────────────────────────────────

create function private.speaker_problem(organization_id bigint, given jsonb) returns text
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: called by import_transcripts() only. A foreign and an absent persona give one answer.
declare
  word constant text := case when (select count(*) from jsonb_object_keys(given)) = 1
    then (select k from jsonb_object_keys(given) k) end;
  value constant text := given ->> word;
begin
  return case
    when word = 'user_id' and value ~ '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$' then
      case when not exists (
        select 1 from client_mgmt.client_users m
        where m.organization_id = speaker_problem.organization_id and m.user_id = value::uuid
          and m.ended_at is null
      ) then 'user_id: the organization has no active member with this id.' end
    when word = 'participant_id' and value ~ '^[0-9]{1,18}$' then
      case when not exists (
        select 1 from conversation.participants p
        where p.organization_id = speaker_problem.organization_id and p.id = value::bigint
      ) then 'participant_id: the organization has no persona with this id.' end
    when word = 'type' and value in ('person', 'agent', 'organization', 'other') then null
    else 'must have one of user_id, participant_id and type (person, agent, organization or other).'
  end;
end
$$;
comment on function private.speaker_problem(bigint, jsonb) is
  'What is wrong with the description of a speaker; null when it names a member, a persona or a type.';

create function private.transcript_problem(organization_id bigint, transcript jsonb) returns text
language plpgsql stable security definer set search_path = ''
as $$
-- Definer: called by import_transcripts() only.
declare
  odd text;
begin
  if jsonb_typeof(transcript) <> 'object' then
    return 'must be an object.';
  end if;
  select k into odd from jsonb_object_keys(transcript) k
  where k not in (
    'name', 'format', 'text', 'type', 'metadata', 'started_at', 'speaker', 'participants', 'fields')
  order by k limit 1;
  if found then
    return format('%s: is no key of a transcript.', left(odd, 63));
  end if;
  odd := case
    when jsonb_typeof(transcript -> 'name') is distinct from 'string'
      or char_length(transcript ->> 'name') not between 1 and 200 then
      'name: must be a text of 1 to 200 characters.'
    when transcript ->> 'format' is null or transcript -> 'format' not in ('"jsonl"', '"vtt"') then
      'format: must be jsonl or vtt.'
    when jsonb_typeof(transcript -> 'text') is distinct from 'string' then 'text: must be a text.'
    when transcript ? 'type' and (jsonb_typeof(transcript -> 'type') <> 'string'
      or char_length(transcript ->> 'type') > 200) then 'type: must be a text of 200 characters at most.'
    when transcript ? 'metadata' and (jsonb_typeof(transcript -> 'metadata') <> 'object'
      or octet_length((transcript -> 'metadata')::text) > 65536) then
      'metadata: must be an object of 65536 bytes at most.'
    when transcript ? 'started_at' and private.read_moment(transcript -> 'started_at') is null then
      'started_at: must be a time with a zone, such as 2026-11-29T12:00:00Z, or seconds since 1970.'
    when transcript ? 'speaker' and (jsonb_typeof(transcript -> 'speaker') <> 'string'
      or char_length(btrim(transcript ->> 'speaker')) not between 1 and 200) then
      'speaker: must be a text of 1 to 200 characters.'
    when transcript ? 'participants' and jsonb_typeof(transcript -> 'participants') <> 'object' then
      'participants: must be an object.'
    when transcript ? 'fields' and (jsonb_typeof(transcript -> 'fields') <> 'object'
      or transcript ->> 'format' <> 'jsonl') then 'fields: must be an object, and the format jsonl.'
  end;
  if odd is not null then
    return odd;
  end if;
  select format('fields.%s: must be speaker, content, timestamp or metadata, with the name of a key.',
    left(f.key, 63)) into odd
  from jsonb_each(coalesce(transcript -> 'fields', '{}')) f
  where f.key not in ('speaker', 'content', 'timestamp', 'metadata') or jsonb_typeof(f.value) <> 'string'
  order by f.key limit 1;
  if found then
    return odd;
  end if;
  select format('participants.%s: %s', left(p.key, 63), p.problem) into odd
  from (
    select e.key, case when jsonb_typeof(e.value) = 'object'
      then private.speaker_problem(transcript_problem.organization_id, e.value)
      else 'must be an object.' end as problem
    from jsonb_each(coalesce(transcript -> 'participants', '{}')) e
  ) p
  where p.problem is not null
  order by p.key limit 1;
  return odd;
end
$$;
comment on function private.transcript_problem(bigint, jsonb) is
  'What is wrong with a transcript beside its lines; null when they can be read.';

create function private.read_transcript(transcript jsonb) returns setof private.spoken_turn
language sql stable security invoker set search_path = ''
as $$
  select t.* from private.read_json_lines(
    transcript ->> 'text', transcript -> 'fields',
    coalesce(private.read_moment(transcript -> 'started_at'), now()), btrim(transcript ->> 'speaker')) t
  where transcript ->> 'format' = 'jsonl'
  union all
  select t.* from private.read_web_vtt(
    transcript ->> 'text', coalesce(transcript -> 'participants', '{}'),
    coalesce(private.read_moment(transcript -> 'started_at'), now()), btrim(transcript ->> 'speaker')) t
  where transcript ->> 'format' = 'vtt'
$$;
comment on function private.read_transcript(jsonb) is 'The turns of a transcript in its format.';

create function private.transcript_speakers(
  organization_id bigint, transcripts jsonb, numbers integer[], spoken private.spoken_turn[]
) returns table (number integer, speaker text, described jsonb, account uuid)
language sql stable security definer set search_path = ''
as $$
  -- Definer: called by import_transcripts() only.
  select h.number, h.speaker, d.described, case
    when d.described is null and strpos(h.speaker, '@') > 0 then (
      select m.user_id
      from client_mgmt.client_users m
      join public.users u on u.id = m.user_id
      where m.organization_id = transcript_speakers.organization_id and m.ended_at is null
        and m.role <> 'guest' and lower(u.email) = lower(h.speaker)
    )
    else (d.described ->> 'user_id')::uuid end
  from (
    select distinct s.number, s.speaker
    from unnest(numbers, spoken) s(number, line, speaker, content, said_at, metadata, problem)
  ) h
  cross join lateral (
    select transcripts -> (h.number - 1) -> 'participants' -> h.speaker as described
  ) d
$$;
comment on function private.transcript_speakers(bigint, jsonb, integer[], private.spoken_turn[]) is
  'The speakers of each transcript, how it describes them, and the member of each who is one: by user_id, or '
  'by an e-mail address in place of a name.';

-- ── import_transcripts ────────────────────────────────────────────────────────────────────────

create function private.import_transcripts(project_id bigint, transcripts jsonb)
returns table (transcript integer, block_id bigint, turns integer)
language plpgsql volatile security definer set search_path = ''
as $$
-- Definer: makes personas, blocks and turns at once. Names the organization in each statement.
#variable_conflict use_column
declare
  organization constant bigint := private.require_organization('projects.manage');
  given constant jsonb := import_transcripts.transcripts;
  wrong text;
  numbers integer[];
  spoken private.spoken_turn[];
  personas jsonb;
  made_blocks bigint[];
  made_turns bigint[];
begin
  if import_transcripts.project_id is null then
    wrong := 'project_id: is missing.';
  elsif jsonb_typeof(given) is distinct from 'array' or jsonb_array_length(given) not between 1 and 1000 then
    wrong := 'transcripts: must be a list of 1 to 1000 transcripts.';
  elsif octet_length(given::text) > 33554432 then
    wrong := 'transcripts: must have 33554432 bytes at most. Send them in several calls.';
  else
    select format('transcripts.%s.%s', t.number - 1, t.problem) into wrong
    from (
      select e.ordinality as number, private.transcript_problem(organization, e.value) as problem
      from jsonb_array_elements(given) with ordinality e(value, ordinality)
    ) t
    where t.problem is not null
    order by t.number limit 1;
  end if;
  if wrong is not null then
    raise exception using errcode = '22023', message = 'invalid_request', detail = wrong;
  end if;
  -- As in import_chat_session().
  perform pg_advisory_xact_lock(hashtextextended('imports of ' || organization, 0));
  perform private.require_project(organization, import_transcripts.project_id);

  select array_agg(e.ordinality::integer order by e.ordinality, t.place),
    array_agg(
      (t.line, t.speaker, t.content, t.said_at, t.metadata, t.problem)::private.spoken_turn
      order by e.ordinality, t.place
    )
  into numbers, spoken
  from jsonb_array_elements(given) with ordinality e(value, ordinality)
  cross join lateral private.read_transcript(e.value) with ordinality
    t(line, speaker, content, said_at, metadata, problem, place);
  select case when s.problem is null then format('transcripts.%s.text: has no turn.', e.number - 1)
    else format('transcripts.%s: line %s: %s', e.number - 1, s.line, s.problem) end
  into wrong
  from generate_series(1, jsonb_array_length(given)) e(number)
  left join unnest(numbers, spoken) s(number, line, speaker, content, said_at, metadata, problem)
    using (number)
  where s.problem is not null or s.number is null
  order by e.number, s.line limit 1;
  if wrong is null and cardinality(spoken) > 10000 then
    wrong := format('transcripts: has %s turns, and one call takes 10000. Send them in several calls.',
      cardinality(spoken));
  end if;
  if wrong is not null then
    raise exception using errcode = '22023', message = 'invalid_request', detail = wrong;
  end if;

  perform private.add_personas(
    organization, array_agg(h.account) filter (where h.account is not null),
    array_agg(h.speaker) filter (where h.account is null and h.described ->> 'participant_id' is null),
    array_agg(h.described ->> 'type')
      filter (where h.account is null and h.described ->> 'participant_id' is null)
  )
  from private.transcript_speakers(organization, given, numbers, spoken) h;
  select jsonb_object_agg(h.number || ' ' || h.speaker, coalesce(
    (h.described ->> 'participant_id')::bigint, private.persona_of(organization, h.account),
    private.persona_named(organization, h.speaker, h.described ->> 'type')))
  into personas
  from private.transcript_speakers(organization, given, numbers, spoken) h;

  -- Arrays and no join of what was inserted with what was read: the planner expects few rows of both, and
  -- would compare each with each.
  with made as (
    insert into conversation.blocks (organization_id, project_id, name, type, metadata)
    select organization, import_transcripts.project_id, e.value ->> 'name',
      coalesce(e.value ->> 'type', 'conversation'), coalesce(e.value -> 'metadata', '{}')
    from jsonb_array_elements(given) with ordinality e(value, number)
    order by e.number
    returning id
  )
  select array_agg(m.id order by m.id) into made_blocks from made m;
  with made as (
    insert into conversation.turns (organization_id, participant_id, content, "timestamp", metadata)
    select organization, (personas ->> (s.number || ' ' || s.speaker))::bigint, s.content, s.said_at,
      s.metadata
    from unnest(numbers, spoken) with ordinality
      s(number, line, speaker, content, said_at, metadata, problem, place)
    order by s.place
    returning id
  )
  select array_agg(m.id order by m.id) into made_turns from made m;
  insert into conversation.block_turns (organization_id, block_id, turn_id, sequence_order)
  select organization, made_blocks[t.number], t.id, row_number() over (partition by t.number order by t.id)
  from unnest(numbers, made_turns) t(number, id);
  return query
  select t.number - 1, made_blocks[t.number], count(*)::integer
  from unnest(numbers) t(number)
  group by t.number
  order by t.number;
  perform private.write_audit_event(organization, 'transcripts.import', 'project',
    import_transcripts.project_id::text,
    jsonb_build_object('transcripts', jsonb_array_length(given), 'turns', cardinality(spoken)));
end
$$;
comment on function private.import_transcripts(bigint, jsonb) is 'Body of public.import_transcripts().';

create function public.import_transcripts(project_id bigint, transcripts jsonb)
returns table (transcript integer, block_id bigint, turns integer)
language sql volatile security invoker set search_path = ''
as $$ select * from private.import_transcripts(project_id, transcripts) $$;
comment on function public.import_transcripts(bigint, jsonb) is
  'Makes a block of each transcript: { name, format (jsonl, vtt), text, type, metadata, started_at, speaker, '
  'participants, fields }. At most 1000 transcripts, 10000 turns and 32 MiB; all or none. Needs '
  'projects.manage. 22023 invalid_request names the transcript and the line; PT404 project_not_found.';
revoke all on function
  private.read_moment(jsonb), private.spoken_problem(private.spoken_turn),
  private.read_json_lines(text, jsonb, timestamptz, text), private.read_cue(text, text, text, jsonb),
  private.read_web_vtt(text, jsonb, timestamptz, text), private.speaker_problem(bigint, jsonb),
  private.transcript_problem(bigint, jsonb), private.read_transcript(jsonb),
  private.transcript_speakers(bigint, jsonb, integer[], private.spoken_turn[]),
  private.import_transcripts(bigint, jsonb), public.import_transcripts(bigint, jsonb)
  from public, anon, authenticated, service_role;
grant execute on function
  private.import_transcripts(bigint, jsonb), public.import_transcripts(bigint, jsonb)
  to authenticated;
