import type { AnyAST } from '@supabase/lite'
import {
  InsertQueryNode,
  type KyselyPlugin,
  type PluginTransformQueryArgs,
  type PluginTransformResultArgs,
  RawNode,
  sql,
  ValuesNode,
} from 'kysely'

/**
 * Rows without any column. lite writes them as `() values ()`, which is no SQL; PostgREST selects
 * as many rows of no columns, so that each gets the defaults.
 */
export class DefaultRows implements KyselyPlugin {
  transformQuery({ node }: PluginTransformQueryArgs) {
    if (!InsertQueryNode.is(node) || node.columns?.length !== 0) return node
    const { columns: _, onConflict, ...insert } = node
    const rows = node.values !== undefined && ValuesNode.is(node.values) ? node.values.values : []
    const values = RawNode.createWithSql(`select from generate_series(1, ${rows.length})`)
    // An existing row has no column to update.
    const { updates: __, ...target } = onConflict ?? {}
    return {
      ...insert,
      values,
      ...(onConflict && { onConflict: { ...target, kind: onConflict.kind, doNothing: true } }),
    }
  }

  transformResult({ result }: PluginTransformResultArgs) {
    return Promise.resolve(result)
  }
}

/**
 * The rows of a request as PostgREST reads them, where lite differs. A value other than an object
 * or a list has no rows. A column that `columns` names and an object lacks is null, or has its
 * default when the client asks for `missing=default`; lite always uses the default.
 */
export function readRows(ast: AnyAST): AnyAST {
  const values: unknown = ast.values
  if (values === undefined || values === null || ast.type === 'rpc') return ast
  const { columns, missing } = ast.$meta ?? {}
  // If they stayed, lite would answer null for each one that an object lacks, instead of the stored
  // value.
  delete ast.$meta?.columns
  const fill = (row: object) =>
    columns === undefined || !isRow(row) ? row : pick(row, columns, missing === 'default')
  if (ast.type === 'update') {
    const row = Array.isArray(values) ? (values as unknown[])[0] : values
    return { ...ast, values: isRow(row) ? fill(row) : {} }
  }
  if (Array.isArray(values)) return { ...ast, values: (values as object[]).map(fill) }
  return { ...ast, values: isRow(values) ? fill(values) : [] }
}

/** The named columns of a row; those that it lacks are null, or have their default. */
function pick(row: object, columns: readonly string[], isDefault: boolean): object {
  const absent = isDefault ? sql`default` : null
  const valueOf = (column: string): unknown =>
    Object.hasOwn(row, column) ? (Reflect.get(row, column) ?? null) : absent
  return Object.fromEntries(columns.map((column) => [column, valueOf(column)]))
}

function isRow(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
