import { describe, expect, test } from 'vitest'
import { as, refusal } from '../../support/people/tenants.ts'
import { arrangeFiles, pathIn, paths, store } from '../../support/rows/file-rows.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()

describe('a removed file', () => {
  test('of a deleted session is hidden at once, also when another person makes the session again', async () => {
    await rolledBack(sql, async (tx) => {
      const { author, colleague, session, one, other } = await arrangeFiles(tx)
      await as(tx, author, (t) => t`delete from public.chat_sessions where id = ${session}`)
      await as(tx, colleague, (t) => t`insert into public.chat_sessions ${t({ id: session })}`)
      expect(await paths(tx, colleague)).toEqual([other])
      const claimed = await as(
        tx,
        'service_role',
        (t) => t<{ path: string }[]>`
        select path from public.claim_removed_files(10) path`,
      )
      expect(claimed.map(({ path }) => path)).toContain(one)
      const again = await as(
        tx,
        'service_role',
        (t) => t<{ path: string }[]>`
        select path from public.claim_removed_files(10) path`,
      )
      expect(again.map(({ path }) => path)).not.toContain(one)
      expect(await refusal(tx, author, (t) => t`select public.claim_removed_files(1)`)).toMatch(
        /^42501 permission denied/,
      )
    })
  })

  test('of a deleted message is removed, unless another message names it too', async () => {
    await rolledBack(sql, async (tx) => {
      const { author, session } = await arrangeFiles(tx)
      const [kept, gone] = [
        await store(tx, pathIn(author, session)),
        await store(tx, pathIn(author, session)),
      ]
      const part = (path: string) => ({ type: 'image', path, media_type: 'image/png' })
      const message = (...named: string[]) => tx`
        insert into public.chat_messages ${tx({
          organization_id: author.organizationId,
          session_id: session,
          user_id: author.id,
          role: 'user',
          parts: tx.json(named.map(part)),
        })} returning id`
      const [first] = await message(kept, gone)
      await message(kept)
      await tx`delete from public.chat_messages where id = ${String(first?.['id'])}`
      const removed = await tx<{ path: string }[]>`
        select private.file_path(f.*) as path from private.files f
        where f.session_id = ${session} and f.removed_at is not null`
      expect(removed.map(({ path }) => path)).toEqual([gone])
    })
  })
})
