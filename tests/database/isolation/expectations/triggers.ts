/** Triggers that many tables have, by the name each has there. */
type Triggers = Record<string, string>

const run = (name: string): string => `FOR EACH ROW EXECUTE FUNCTION private.${name}`

export const touched = (table: string): Triggers => ({
  [`${table}_updated_at`]: `BEFORE UPDATE ${run('update_updated_at_column()')}`,
})

/** @param secrets columns whose values must never enter the log */
export function audited(
  table: string,
  resource: string,
  key = 'id',
  secrets: readonly string[] = [],
  events: readonly Event[] = ['insert', 'update', 'delete'],
): Triggers {
  const list = [resource, key, ...secrets].map((argument) => `'${argument}'`).join(', ')
  return perStatement(table, 'audit', `audit_change(${list})`, events)
}

const referencing = {
  insert: 'NEW TABLE AS after_rows',
  update: 'OLD TABLE AS before_rows NEW TABLE AS after_rows',
  delete: 'OLD TABLE AS before_rows',
} as const

type Event = keyof typeof referencing

/** One trigger per event, which sees all rows of a statement at once. */
export const perStatement = (
  table: string,
  name: string,
  does: string,
  events: readonly Event[],
): Triggers =>
  Object.fromEntries(
    events.map((event) => [
      `${table}_${name}_${event}`,
      `AFTER ${event.toUpperCase()} REFERENCING ${referencing[event]} ` +
        `FOR EACH STATEMENT EXECUTE FUNCTION private.${does}`,
    ]),
  )

/** References to rows that may be the platform's, where no composite key can reach. */
export const checked = (table: string, columns: string): Triggers => ({
  [`${table}_check_references`]: `BEFORE INSERT OR UPDATE OF ${columns} ${run('check_shared_references()')}`,
})

/** The same where most updates name the columns without a change: the update has a trigger of its own. */
export const checkedOnChange = (table: string): Triggers => ({
  [`${table}_check_references`]: `BEFORE INSERT ${run('check_shared_references()')}`,
  [`${table}_check_references_update`]: `BEFORE UPDATE ${run('check_shared_references()')}`,
})

export const appendOnly = (table: string): Triggers => ({
  [`${table}_append_only`]: `BEFORE DELETE OR UPDATE ${run('refuse_change()')}`,
  [`${table}_no_truncate`]:
    'BEFORE TRUNCATE FOR EACH STATEMENT EXECUTE FUNCTION private.refuse_change()',
})

/** Refuses a setting that no function reads, and a value that it cannot have. */
export const settled = (table: string, column: string, ...keys: readonly string[]): Triggers =>
  trigger(
    `${table}_check_settings`,
    `BEFORE INSERT OR UPDATE OF ${column}`,
    `check_settings(${[column, ...keys].map((key) => `'${key}'`).join(', ')})`,
  )

/** Refuses a client's change of columns that an upsert may name. */
export function kept(table: string, columns: string): Triggers {
  const names = columns.split(' ')
  const list = names.map((name) => `'${name}'`).join(', ')
  return trigger(
    `${table}_keep_columns`,
    `BEFORE UPDATE OF ${names.join(', ')}`,
    `refuse_kept_columns(${list})`,
  )
}

/** What content refers to stays. */
export const inUse = (table: string): Triggers =>
  trigger(`${table}_in_use`, 'BEFORE DELETE', 'refuse_deletion_in_use()')

export const trigger = (name: string, when: string, does: string): Triggers => ({
  [name]: `${when} ${run(does)}`,
})

/** Refuses a client's statement that could change nothing, before any row is looked at. */
export const guarded = (table: string, ...permissions: readonly string[]): Triggers => ({
  [`${table}_require_permission`]:
    'BEFORE INSERT OR DELETE OR UPDATE FOR EACH STATEMENT EXECUTE FUNCTION private.require_permission(' +
    `${permissions.map((permission) => `'${permission}'`).join(', ')})`,
})
