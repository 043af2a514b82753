import type { Catalog, Relation, Routine } from '../catalog.ts'
import type { Finding } from '../cases/types.ts'
import { grantedColumns, keptColumns } from '../facts.ts'
import { internalDefiners } from '../expectations/routines-internal.ts'
import { quotaTriggers } from '../expectations/quotas.ts'
import { guarded, kept } from '../expectations/triggers.ts'
import type { CatalogRule } from '../rules-list.ts'
import type { RelationExpectation, RoutineExpectation } from '../expectations/types.ts'

export interface Expectations {
  relations: Readonly<Record<string, RelationExpectation>>
  routines: Readonly<Record<string, RoutineExpectation>>
}

/** Compares the catalog with the expectations, object by object. */
export function compareCatalog(catalog: Catalog, expectations: Expectations): Finding[] {
  return [
    ...catalog.relations.flatMap((relation) =>
      compareRelation(relation, expectations.relations[relation.id]),
    ),
    ...catalog.routines.flatMap((routine) =>
      compareRoutine(routine, expectations.routines[routine.id]),
    ),
    ...gone(catalog, expectations),
    ...compareSchemas(catalog),
    ...catalog.sequenceGrants.map((line) =>
      finding('nobody may use a sequence', 'sequences', line),
    ),
  ]
}

const finding = (rule: CatalogRule, object: string, message: string): Finding => ({
  rule,
  object,
  actor: 'catalog',
  message,
})

/** A difference of two lists; `+` is in the database only. */
function difference(
  rule: CatalogRule,
  object: string,
  found: readonly string[],
  expected: readonly string[],
): Finding[] {
  return [
    ...found
      .filter((one) => !expected.includes(one))
      .map((one) => finding(rule, object, `+ ${one}`)),
    ...expected
      .filter((one) => !found.includes(one))
      .map((one) => finding(rule, object, `- ${one}`)),
  ]
}

function compareRelation(
  relation: Relation,
  expectation: RelationExpectation | undefined,
): Finding[] {
  const { id } = relation
  if (expectation === undefined) {
    return [
      finding(
        'every object has an expectation',
        id,
        'has none: say in expectations/ who may do what with it',
      ),
    ]
  }
  const [, table = ''] = id.split('.')
  const guard = expectation.guard?.split(' ').filter((permission) => permission !== '')
  const triggers = Object.entries({
    ...expectation.triggers,
    ...quotaTriggers(id),
    ...(guard === undefined ? {} : guarded(table, ...guard)),
    ...(expectation.kept === undefined ? {} : kept(table, expectation.kept)),
  }).map(([name, does]) => `${name} ${does}`)
  return [
    ...compareGrants(relation, expectation),
    ...difference(
      'every table has the policies it should have',
      id,
      relation.policies.map(
        ({ name, command, permissive, roles, using }) =>
          `${name} for ${command} to ${roles.join()}${permissive ? '' : ` restrictive ${using ?? ''}`}`,
      ),
      [
        ...(expectation.policies ?? []).map(
          (name) => `${name} for ${name.split('_')[0]} to authenticated`,
        ),
        // Every table that a client reads refuses the EXPLAIN of a request (1700_requests.sql).
        ...(relation.kind === 'table' && expectation.grants.authenticated?.select !== undefined
          ? [
              'select_unexplained for select to authenticated restrictive private.is_not_explained()',
            ]
          : []),
      ],
    ),
    ...relation.policies
      .filter((policy) => policy.permissive && !isClosedToGuests(id, policy))
      .map(({ name, using, check }) =>
        finding(
          'every policy is closed to guests, except those of their own conversations',
          id,
          `${name}: ${using ?? ''} ${check ?? ''}`,
        ),
      ),
    ...relation.policies
      .filter(({ command, using, check }) => command === 'update' && using !== check)
      .map(({ name }) =>
        finding('an update’s policy asks the same of the row before and after', id, name),
      ),
    ...difference(
      'every table has the triggers it should have, enabled',
      id,
      relation.triggers.map(
        ({ name, does, enabled }) => `${name} ${withoutWhen(does)}${enabled ? '' : ' (disabled)'}`,
      ),
      triggers,
    ),
    ...difference(
      'every reference has a valid foreign key that carries the tenant',
      id,
      relation.foreignKeys.map(
        ({ columns, parent, validated }) =>
          `${columns.join(' ')} -> ${parent}${validated ? '' : ' (not validated)'}`,
      ),
      Object.entries(expectation.references ?? {}).map(
        ([columns, parent]) => `${columns} -> ${parent}`,
      ),
    ),
    ...(relation.kind === 'view'
      ? relation.invoker
        ? []
        : [finding('every view reads as its caller', id, 'is not security_invoker')]
      : relation.rowSecurity && relation.forced
        ? []
        : [
            finding(
              'every table has row-level security, also for its owner',
              id,
              'does not force it',
            ),
          ]),
  ]
}

/** What a guest has: conversations, and an account, which is no organization's. */
const ofGuests = [
  'public.chat_sessions',
  'public.chat_messages',
  'public.agent_executions',
  'conversation.execution_events',
  'conversation.message_feedback',
]
const ofAccounts = ['public.users']

/**
 * The organization that a policy compares is null for a guest, unless it is the tenant, which only the
 * tables of guests may compare, and beside it the person or another table of guests.
 */
function isClosedToGuests(
  id: string,
  { using, check }: { using: string | null; check: string | null },
): boolean {
  return [using, check]
    .filter((one) => one !== null)
    .every((one) => {
      if (ofAccounts.includes(id)) return one.includes('current_account_id()')
      if (!ofGuests.includes(id))
        return one.includes('current_organization_id()') && !one.includes('current_tenant_id()')
      return (
        one.includes('current_user_id()') ||
        ofGuests.some((table) => new RegExp(`FROM (\\w+\\.)?${table.split('.')[1]} `).test(one))
      )
    })
}

const withoutWhen = (does: string): string => does.replace(/ WHEN \(.*\) EXECUTE/, ' EXECUTE')

function compareGrants(relation: Relation, expectation: RelationExpectation): Finding[] {
  return relation.grants.flatMap((row) => {
    const role = row.role as 'authenticated'
    const lines = (
      of: (privilege: 'select' | 'insert' | 'update') => readonly string[],
      other: readonly string[],
    ) => [
      ...(['select', 'insert', 'update'] as const).flatMap((privilege) =>
        of(privilege).map((column) => `${row.role} ${privilege} ${column}`),
      ),
      ...other.map((privilege) => `${row.role} ${privilege}`),
    ]
    return difference(
      'every role holds the grants it should hold',
      relation.id,
      lines(
        (privilege) => row[privilege],
        [...row.other, ...row.references.map((name) => `references ${name}`)],
      ),
      lines(
        (privilege) => [
          ...grantedColumns(relation, expectation, role, privilege),
          ...(role === 'authenticated' && privilege === 'update' ? keptColumns(expectation) : []),
        ],
        expectation.grants[role]?.delete === true ? ['delete'] : [],
      ),
    )
  })
}

function compareRoutine(routine: Routine, expectation: RoutineExpectation | undefined): Finding[] {
  const { id, executors, definer, closedPath } = routine
  const path = closedPath ? [] : [finding("every function has search_path = ''", id, 'has another')]
  if (expectation === undefined) {
    // What nobody can call and what has no rights of its own cannot harm.
    if (executors.length === 0 && (!definer || isInternal(routine))) return path
    return [
      ...path,
      finding(
        'every object has an expectation',
        id,
        'has none: say in expectations/ who may call it',
      ),
    ]
  }
  return [
    ...path,
    ...difference('every function has the executors it should have', id, executors, [
      ...expectation.executors,
    ]),
    ...(definer === expectation.definer
      ? []
      : [
          finding(
            'every function has the rights it should have',
            id,
            definer ? 'is definer' : 'is invoker',
          ),
        ]),
  ]
}

const isInternal = ({ schema, name }: Routine): boolean =>
  schema === 'private' && internalDefiners.includes(name)

function gone(catalog: Catalog, { relations, routines }: Expectations): Finding[] {
  const present = new Set([...catalog.relations, ...catalog.routines].map(({ id }) => id))
  for (const { schema, name } of catalog.routines) present.add(`${schema}.${name}`)
  const internal = internalDefiners.map((name) => `private.${name}`)
  return [...Object.keys(relations), ...Object.keys(routines), ...internal]
    .filter((id) => !present.has(id))
    .map((id) =>
      finding(
        'every expectation has an object',
        id,
        'does not exist: take it out of expectations/',
      ),
    )
}

const usage = (roles: readonly string[], schema: string) =>
  roles.map((role) => `${role} ${schema} usage`)

function compareSchemas(catalog: Catalog): Finding[] {
  const api = ['anon', 'authenticated', 'service_role']
  return difference('nobody may create objects', 'schemas', catalog.schemaGrants, [
    ...usage([...api, 'supabase_auth_admin'], 'public'),
    ...usage(api, 'client_mgmt'),
    ...usage(api, 'conversation'),
    ...usage(api, 'private'),
  ])
}
