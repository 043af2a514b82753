import type { SealedStore } from '../supabase/functions/_shared/crypto/rotate.ts'
import type { Place } from '../supabase/functions/_shared/crypto/seal.ts'
import type { Admin } from '../supabase/functions/_shared/database.ts'

/** The sealed values of the database, through the functions that only the service role may call. */
export function sealedStore(admin: Admin): SealedStore {
  return {
    async list(primaryKeyId, after, batch) {
      const rows = await admin.call('list_sealed_values', {
        primary_key_id: primaryKeyId,
        after_value: after === null ? undefined : { ...namesOf(after.place), value: after.value },
        batch,
      })
      return rows.map((row) => ({
        place: {
          table: row.table_name,
          organizationId: row.organization_id,
          row: row.row_key,
          column: row.column_name,
        },
        value: row.value,
      }))
    },
    replace: (place, old, value) =>
      admin.call('reseal_value', { ...namesOf(place), old_value: old, new_value: value }),
  }
}

/** How many values each key has sealed, by key id. */
export async function countByKey(admin: Admin): Promise<Map<string, number>> {
  const rows = await admin.call('sealed_key_usage', {})
  return new Map(rows.map((row) => [row.key_id, row.sealed_values]))
}

function namesOf({ table, organizationId, row, column }: Place) {
  return {
    table_name: table,
    organization_id: organizationId,
    row_key: row,
    column_name: column,
  }
}
