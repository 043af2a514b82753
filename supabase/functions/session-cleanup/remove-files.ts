import type { Admin } from '../_shared/database.ts'

/** Objects of one request to Storage, which deletes at most 1,000. */
const filesAtOnce = 100

/**
 * Deletes the objects of removed files, which no SQL can.
 * @param admin the service role: the people who could delete them may be gone
 * @returns how many
 */
export async function removeFiles(admin: Admin, batch: number): Promise<number> {
  const paths = await admin.call('claim_removed_files', { batch: Math.min(batch, filesAtOnce) })
  if (paths.length > 0) await admin.removeObjects(paths)
  return paths.length
}
