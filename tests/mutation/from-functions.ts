import type { Catalog, Routine } from '../database/isolation/catalog.ts'
import type { Mutant, MutantKind } from './mutant.ts'

/** `id` of each function to the statement that makes it. */
export type Definitions = ReadonlyMap<string, string>

/**
 * Definer functions and triggers with one check less each: of the caller, of the tenant, or a
 * condition of those that decide; and what could be called with wider rights.
 */
export function functionMutants(catalog: Catalog, definitions: Definitions): Mutant[] {
  return catalog.routines.flatMap((routine) => {
    const definition = definitions.get(routine.id)
    if (definition === undefined) return []
    const objects = [routine.id, ...callersOf(catalog, routine)]
    return [
      ...bodyMutants(routine, definition).map((mutant) => ({
        ...mutant,
        objects,
        undo: definition,
      })),
      ...settings(routine).map((mutant) => ({ ...mutant, objects: [routine.id] })),
    ]
  })
}

type Draft = Omit<Mutant, 'objects'>

interface Operator {
  kind: MutantKind
  pattern: RegExp
  replacement: string
  /** Only in functions of these names. */
  only?: RegExp
  /** What it is called when all of them go at once: a function finds its row by the first, and says it again. */
  all?: string
}

const uncheckedTenant = `(private.jwt_claims() ->> 'organization_id')::bigint`
const deciding =
  /^(current_session|current_account_id|derive_session_access|take_invitation|invitation_stands|my_invitations|my_organizations|close_ownerless_organizations|has_owner_beside|appoint_owner|require_\w+|check_\w+|keep_an_owner|revoke_\w+|close_break_glass|switch_organization|verify_audit_chain|set_mcp_bearer_token|claim_mcp_authorization|read_execution_result|read_response|follow_execution|explained_invocation|prompt_layers|fill_prompt|variables_problem|end_expired_execution|cleanup_\w+|custom_access_token_hook|count_\w+|add_to_quota|forget_\w+|fold_changes|shorten_values|keep_newest_sessions|access_stands|ask_for_person|hold_memberships|persona_of_end_user|take_over_session|assign_session|answer_session|hand_back_session|sessions_to_answer|is_answerable|hold_answerer|end_handling|end_lost_handling)$/

const operators: readonly Operator[] = [
  {
    kind: 'check of the caller removed',
    pattern: /private\.require_organization\('[^']+'\)/g,
    replacement: 'private.require_organization()',
  },
  {
    kind: 'check of the caller removed',
    pattern: /private\.require_organization\([^()]*\)/g,
    replacement: uncheckedTenant,
  },
  {
    kind: 'check of the caller removed',
    pattern: /private\.require_(account|platform_admin)\(\)/g,
    replacement: 'private.current_user_id()',
  },
  {
    kind: 'check of the caller removed',
    pattern: /perform private\.require_\w+\((?:[^()]|\([^()]*\))*\);/g,
    replacement: '',
  },
  {
    kind: 'check of the caller removed',
    pattern: /\(private\.current_session\(\)\)\.role/g,
    replacement: `'owner'`,
  },
  {
    kind: 'tenant of a function removed',
    all: 'without its conditions on the organization',
    pattern:
      /\b\w+\.organization_id = (?:organization|private\.current_organization_id\(\)|\w+\.organization_id)\b/g,
    replacement: 'true',
  },
  {
    kind: 'tenant of a function removed',
    all: 'without its conditions on the person',
    pattern:
      /\b\w+\.(?:user_id|id) = (?:account|private\.current_user_id\(\)|private\.current_account_id\(\))/g,
    replacement: 'true',
  },
  {
    kind: 'condition of a function removed',
    pattern: /^\s+(?:and|or) [^\n]+(?<![(;])$/gm,
    replacement: '',
    only: deciding,
  },
]

function bodyMutants({ id, name, isTrigger }: Routine, definition: string): Draft[] {
  const start = definition.indexOf('AS $')
  const body = definition.slice(start)
  const mutants = operators
    .filter(({ only }) => only?.test(name) ?? true)
    .flatMap((operator): Draft[] =>
      (operator.all === undefined ? oneByOne : allAtOnce)(operator, body).map(
        ({ what, changed }) => ({
          kind: operator.kind,
          sql: definition.slice(0, start) + changed,
          name: `${id} ${what}`,
        }),
      ),
    )
  if (isTrigger) {
    const empty = `AS $mutant$ begin if tg_op = 'DELETE' then return old; end if; return new; end $mutant$`
    mutants.push({
      kind: 'trigger function emptied',
      name: `${id} does nothing`,
      sql: definition.slice(0, start) + empty,
    })
  }
  // The same text twice is the same mutant.
  return [...new Map(mutants.map((mutant) => [mutant.sql, mutant])).values()]
}

interface Change {
  what: string
  changed: string
}

function oneByOne({ pattern, replacement }: Operator, body: string): Change[] {
  return [...body.matchAll(pattern)].map((match) => {
    const text = match[0].trim().replace(/\s+/g, ' ').slice(0, 90)
    const line = body.slice(0, match.index).split('\n').length
    return {
      what: `line ${line}: ${text} → ${replacement || 'nothing'}`,
      changed: body.slice(0, match.index) + replacement + body.slice(match.index + match[0].length),
    }
  })
}

function allAtOnce({ pattern, replacement, all = '' }: Operator, body: string): Change[] {
  const changed = body.replaceAll(pattern, (text) => (isJoin(text, body) ? text : replacement))
  return changed === body ? [] : [{ what: all, changed }]
}

/**
 * Whether a condition joins two tables of the statement. Such a join goes along a composite key, which
 * holds the tenant by itself and is weakened by itself.
 */
function isJoin(condition: string, body: string): boolean {
  const alias = /= (\w+)\.organization_id$/.exec(condition)?.[1]
  return alias !== undefined && new RegExp(`\\b(?:from|join) [\\w.]+ ${alias}\\b`).test(body)
}

function settings({ id, executors, isTrigger, schema }: Routine): Draft[] {
  const signature = id
  const open: Draft = {
    kind: 'search_path opened',
    name: `${id} without search_path`,
    sql: `alter function ${signature} reset search_path`,
  }
  if (isTrigger) return [open]
  const roles = ['anon', 'authenticated', 'service_role'] as const
  // The schema private is closed to anon whatever the function says.
  const wider = roles.filter(
    (role) => !executors.includes(role) && (schema !== 'private' || role !== 'anon'),
  )
  return [
    open,
    ...wider.map((role): Draft => ({
      kind: 'function executable by others',
      name: `${id} executable by ${role}`,
      sql: `grant execute on function ${signature} to ${role}`,
    })),
  ]
}

/** Functions, and tables by their triggers, that reach a function. */
function callersOf(catalog: Catalog, routine: Routine): string[] {
  const reached = new Set([routine.name])
  let size = 0
  while (size !== reached.size) {
    size = reached.size
    for (const { name, body } of catalog.routines) {
      if ([...reached].some((one) => new RegExp(`\\b(private|public)\\.${one}\\(`).test(body)))
        reached.add(name)
    }
  }
  const names = [...reached]
  const functions = catalog.routines.filter(({ name }) => reached.has(name)).map(({ id }) => id)
  const tables = catalog.relations
    .filter(({ triggers }) =>
      triggers.some(({ does }) => names.some((name) => does.includes(`private.${name}(`))),
    )
    .map(({ id }) => id)
  return [...functions, ...tables]
}
