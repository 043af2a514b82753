import type { ISql } from 'postgres'

import type { Actor } from './actors.ts'
import type { Catalog } from './catalog.ts'
import type { Row } from './rules.ts'

/** One statement by one actor. */
export interface Attempt {
  /** `owner` acts as the owner of the tables, with the actor's claims or none. */
  actor: Pick<Actor, 'role' | 'claims'> | 'owner'
  claims?: Actor['claims']
  sql: string
  /** The statement gives rows as one JSON array; else it is only run. */
  reads: boolean
  /** Such a statement writes nothing, so that nobody needs to look. */
  verb?: string
}

/** What came of it. Everything is undone before the next attempt. */
export interface Outcome {
  /** SQLSTATE; null when it succeeded. */
  code: string | null
  message: string | null
  detail: string | null
  hint: string | null
  /** When it reads. */
  rows: Row[] | null
  affected: number
  /** Rows written anywhere, by table; null when it failed or nobody looked. */
  written: Record<string, Row[]> | null
  /** Rows left in each table that was changed: all of them, and those of B. */
  left: Record<string, [number, number]> | null
}

const authTables = ['auth.users', 'auth.sessions']

/**
 * Makes the functions that attempts run in, on this connection. An attempt is a subtransaction in
 * the server that always ends in an error, so that nothing of it stays and no round trip is needed
 * in between. It looks into the tables whose counters moved: into all of them would take most of
 * the time.
 *
 * @param b the organization B
 */
export async function prepareAttempts(sql: ISql, catalog: Catalog, b: number): Promise<void> {
  const tables = catalog.relations.filter(({ kind }) => kind === 'table')
  const looked = [...tables, ...authTables.map((id) => ({ id, columns: [] }))]
  const parts = looked.map(({ id, columns }) => {
    const tenant = columns.some(({ name }) => name === 'organization_id')
    return `select '${id}' as id, count(*) as n,
      ${tenant ? `count(*) filter (where t.organization_id = ${b})` : '0'} as b,
      jsonb_agg(to_jsonb(t)) filter (where t.xmin::text::bigint > $1) as written from ${id} t`
  })
  await sql.unsafe(`
    -- Of each table: where its rows are, which a truncation changes, and how many rows were inserted,
    -- updated and deleted in this transaction, also by what was undone.
    create or replace function pg_temp.counters() returns bigint[] language sql as $$
      select array_agg((pg_relation_filenode(t.id)::bigint << 32) + pg_stat_get_xact_tuples_inserted(t.id)
        + pg_stat_get_xact_tuples_updated(t.id) + pg_stat_get_xact_tuples_deleted(t.id) order by t.n)
      from unnest('{${looked.map(({ id }) => id).join()}}'::regclass[]) with ordinality t (id, n)
    $$;

    create or replace function pg_temp.look(since bigint, since_counters bigint[], out written jsonb, out "left" jsonb)
    language plpgsql as $$
    declare
      parts constant text[] := array[${parts.map((part) => `$part$${part}$part$`).join(',\n')}];
      now_counters constant bigint[] := pg_temp.counters();
      query text;
    begin
      select string_agg(parts[n], ' union all ') into query
      from generate_subscripts(parts, 1) n where since_counters[n] is distinct from now_counters[n];
      if query is not null then
        execute 'select jsonb_object_agg(x.id, x.written) filter (where x.written is not null),
            jsonb_object_agg(x.id, jsonb_build_array(x.n, x.b)) from (' || query || ') x'
          into written, "left" using since;
      end if;
      written := coalesce(written, '{}');
      "left" := coalesce("left", '{}');
    end $$;

    create or replace function pg_temp.attempt(since bigint, role text, claims text, statement text, reads boolean, looks boolean)
    returns jsonb language plpgsql as $$
    declare
      counters bigint[];
      result jsonb; affected bigint; seen_written jsonb; seen_left jsonb;
      state text; said text; said_detail text; said_hint text;
    begin
      if looks then
        counters := pg_temp.counters();
      end if;
      begin
        perform set_config('role', role, true), set_config('request.jwt.claims', claims, true);
        if reads then
          execute statement into result;
        else
          execute statement;
        end if;
        get diagnostics affected = row_count;
        perform set_config('role', 'none', true), set_config('request.jwt.claims', '', true);
        if looks then
          select * into seen_written, seen_left from pg_temp.look(since, counters);
        end if;
        raise sqlstate 'ZZ000';
      exception when others then
        get stacked diagnostics state = returned_sqlstate, said = message_text,
          said_detail = pg_exception_detail, said_hint = pg_exception_hint;
      end;
      if state = 'ZZ000' then
        return jsonb_build_object('rows', coalesce(result, '[]'), 'affected', affected,
          'written', seen_written, 'left', seen_left);
      end if;
      return jsonb_build_object('code', state, 'message', said, 'detail', said_detail, 'hint', said_hint);
    end $$;`)
}

/** Rows left in every table, before anything is tried. */
export async function countRows(tx: ISql): Promise<NonNullable<Outcome['left']>> {
  const [row] = await tx<{ left: NonNullable<Outcome['left']> }[]>`
    select "left" from pg_temp.look(pg_current_xact_id()::text::bigint, null)`
  if (row === undefined) throw new Error('nobody looked')
  return row.left
}

/**
 * Runs attempts one after the other, inside a transaction that the caller rolls back. Sequences
 * begin at the same number for each batch, so that equal worlds give equal ids.
 */
export async function runAttempts(
  tx: ISql,
  attempts: readonly Attempt[],
  { looks = true }: { looks?: boolean } = {},
): Promise<Outcome[]> {
  const outcomes: Outcome[] = []
  for (let start = 0; start < attempts.length; start += 250) {
    const batch = attempts.slice(start, start + 250).map(({ actor, claims, sql, reads, verb }) => ({
      role: actor === 'owner' ? 'none' : actor.role,
      claims: JSON.stringify(claims ?? (actor === 'owner' ? undefined : actor.claims)) ?? '',
      statement: sql,
      reads,
      looks: looks && verb !== 'select',
    }))
    await tx`
      select setval(format('%I.%I', schemaname, sequencename)::regclass, 1000000)
      from pg_sequences where schemaname = any('{public,client_mgmt,conversation,private}')`
    const rows = await tx<{ outcome: Partial<Outcome> }[]>`
      select pg_temp.attempt(pg_current_xact_id()::text::bigint, x ->> 'role', x ->> 'claims',
        x ->> 'statement', (x ->> 'reads')::boolean, (x ->> 'looks')::boolean) as outcome
      from jsonb_array_elements(${tx.json(batch)}) with ordinality e (x, n) order by n`
    outcomes.push(...rows.map(({ outcome }) => ({ ...empty, ...outcome })))
  }
  return outcomes
}

const empty: Outcome = {
  code: null,
  message: null,
  detail: null,
  hint: null,
  rows: null,
  affected: 0,
  written: null,
  left: null,
}
