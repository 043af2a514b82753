import { expect, test } from 'vitest'
import { unboundedWrites } from '../../../../dev/check/unbounded-writes.ts'

test.each([
  ['delete from public.agents;', ['delete from public.agents']],
  ['update public.agents a set name = 1; select 1 where true;', ['update public.agents a set']],
  ['UPDATE public.agents SET name = (SELECT 1 WHERE true);', ['UPDATE public.agents SET']],
  ['with gone as (delete from a returning id) select 1 from gone where true;', ['delete from a']],
  ["update a set b = 'where'; -- where", ['update a set']],
  ['delete from a using b;', ['delete from a']],
])('%s has no WHERE of its own', (source, found) => {
  expect(unboundedWrites(source)).toEqual(found)
})

test.each([
  'delete from public.agents a where a.id = 1;',
  'update a set b = (select 1) where id = 1;',
  'with gone as (delete from a where id = 1 returning id) select 1 from gone;',
  'insert into a values (1) on conflict (id) do update set b = excluded.b;',
  'select 1 from a for update; select 2;',
  "execute 'delete from a';",
  'create trigger t before update on a;',
])('%s has, or writes nothing', (source) => {
  expect(unboundedWrites(source)).toEqual([])
})
