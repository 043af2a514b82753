/** The tables, views and functions of the project: `createClient<Database>(url, key)`. */
export type { Database } from '../supabase/functions/_shared/database.types.ts'
