import type { Catalog } from '../database/isolation/catalog.ts'
import type { Definitions } from './from-functions.ts'
import type { Mutant } from './mutant.ts'

/** Replaces a part of a function; throws when the part is not there, so that no seed goes stale. */
function changed(definitions: Definitions, id: string, part: string | RegExp, by: string): string {
  const definition = definitions.get(id)
  if (definition === undefined) throw new Error(`${id} does not exist`)
  const result = definition.replace(part, by)
  if (result === definition) throw new Error(`${id} no longer says ${String(part)}`)
  return result
}

/** The defects of the systems that this one descends from, put back one by one. */
export function seededDefects(catalog: Catalog, definitions: Definitions): Mutant[] {
  const seed = (name: string, sql: string, objects: readonly string[]): Mutant => ({
    kind: 'seeded defect',
    name,
    sql,
    objects,
  })
  const views = catalog.relations.filter(({ kind, exposed }) => kind === 'view' && exposed)
  const cleanups = catalog.routines.filter(
    ({ schema, name }) => schema === 'public' && /^(cleanup|expire)_/.test(name),
  )
  const countOutcome = [...definitions.keys()].find((id) => id.startsWith('private.count_outcome('))
  return [
    seed(
      'a policy on users that reads users, and recurses',
      `create policy select_colleague on public.users for select to authenticated
       using (organization_id in (select u.organization_id from public.users u where u.id = private.current_user_id()))`,
      ['public.users'],
    ),
    seed(
      'an unqualified organization_id that binds to the inner table, so that an administrator plants an MCP server elsewhere',
      `grant insert (organization_id) on public.mcp_configurations to authenticated;
       create policy insert_administrator on public.mcp_configurations for insert to authenticated with check (
         exists (select 1 from client_mgmt.client_users u
           where u.user_id = private.current_user_id() and u.role in ('owner', 'admin') and u.organization_id = organization_id))`,
      ['public.mcp_configurations'],
    ),
    seed(
      'a member who can make himself administrator',
      `grant update (role, permissions) on client_mgmt.client_users to authenticated;
       create policy update_self on client_mgmt.client_users for update to authenticated
       using (user_id = (select private.current_user_id())) with check (user_id = (select private.current_user_id()))`,
      ['client_mgmt.client_users'],
    ),
    ...views.map(({ id }) =>
      seed(
        `a view that shows every tenant: ${id}`,
        `alter view ${id} set (security_invoker = false)`,
        [id],
      ),
    ),
    seed(
      'audit rows that anyone can forge',
      `grant insert on public.audit_logs to authenticated;
       create policy insert_anyone on public.audit_logs for insert to authenticated with check (true)`,
      ['public.audit_logs'],
    ),
    ...cleanups.map(({ id }) =>
      seed(`a clean-up that anon can call: ${id}`, `grant execute on function ${id} to anon`, [id]),
    ),
    seed(
      'a token clean-up that deletes tokens that can be refreshed',
      changed(
        definitions,
        'public.cleanup_expired_oauth_tokens(integer)',
        /t\.refresh_token is null and /,
        '',
      ),
      ['public.cleanup_expired_oauth_tokens(integer)'],
    ),
    seed(
      'a wrong key that decrypts to null',
      changed(
        definitions,
        'public.decrypt_token(text, text)',
        /raise exception using errcode = '22023'[^;]*;/,
        'return null;',
      ),
      ['public.decrypt_token(text, text)'],
    ),
    seed(
      'global prompts that any administrator can write',
      `alter table public.system_prompts disable trigger system_prompts_require_permission;
       grant insert (organization_id), update (organization_id) on public.system_prompts to authenticated;
       create policy update_administrator on public.system_prompts for update to authenticated
       using (private.has_permission('prompts.manage')) with check (private.has_permission('prompts.manage'));
       create policy insert_administrator on public.system_prompts for insert to authenticated
       with check (private.has_permission('prompts.manage'))`,
      ['public.system_prompts'],
    ),
    ...['public.chat_sessions', 'public.chat_messages'].map((id) =>
      seed(`a chat table without policies: ${id}`, `alter table ${id} disable row level security`, [
        id,
      ]),
    ),
    seed(
      'a plan that a request can have explained',
      changed(definitions, 'private.is_not_explained()', /perform private\.\w+\(\);/, 'null;'),
      ['private.is_not_explained()'],
    ),
    seed(
      'a header that asks for an estimate and is let through',
      changed(
        definitions,
        'private.check_request()',
        'perform private.refuse_estimates();',
        'null;',
      ),
      ['private.check_request()'],
    ),
    seed(
      'a person who runs as many requests at once as they send',
      changed(definitions, 'private.take_turn(text)', /\bbegin\b/, 'begin\n  return;'),
      ['private.take_turn(text)'],
    ),
    seed(
      'a write that computes a regular expression while it holds its locks',
      changed(definitions, 'private.refuse_patterns()', /raise exception[^;]*;/, 'null;'),
      ['private.refuse_patterns()'],
    ),
    seed(
      'a call that ends access and waits no longer than any other',
      changed(definitions, 'private.check_request()', `'/rpc/remove_member', `, ''),
      ['private.check_request()'],
    ),
    seed(
      'a person who tells of as many sessions as they change',
      changed(definitions, 'private.count_update()', 'used.updates > allowed', 'false'),
      ['private.count_update()'],
    ),
    seed(
      'a metric that counts only successes',
      changed(
        definitions,
        countOutcome ?? '',
        /\bbegin\b/,
        `begin\n  if execution.status <> 'success' then return; end if;`,
      ),
      [countOutcome ?? ''],
    ),
  ]
}
