import { expect, it } from 'vitest'
import type { Db } from '../../../supabase/functions/_shared/database.ts'
import { AppError } from '../../../supabase/functions/_shared/errors.ts'
import { readHistoryFiles } from '../../../supabase/functions/_shared/files/history-files.ts'
import { maxFileBytes } from '../../../supabase/functions/_shared/files/read-files.ts'

const text = (bytes: number) => new Uint8Array(bytes).fill(97)
const naming = (id: string) => ({ id, parts: [{ path: id, media_type: 'text/plain' }] })

/** A client whose files have these sizes; it counts what it reads, as Storage sends a file whole. */
function filesOf(sizes: Readonly<Record<string, number>>) {
  const asked: string[] = []
  const readObject: Db['readObject'] = (path, most) => {
    asked.push(path)
    const size = sizes[path] ?? 0
    return size > most
      ? Promise.reject(new AppError('file_too_large'))
      : Promise.resolve({ bytes: text(size), mediaType: 'text/plain' })
  }
  return { asked, db: { readObject } as Db }
}

it('the first file that does not fit ends the reading of a conversation', async () => {
  const sizes = { oldest: 10, older: maxFileBytes, newest: 1_000 }
  const { asked, db } = filesOf(sizes)
  const shown = await readHistoryFiles(db, Object.keys(sizes).map(naming), new Map(), 'newest')
  expect(asked).toEqual(['newest', 'older'])
  const note = { type: 'text', text: '[text/plain, left out]' }
  expect([shown.get('oldest'), shown.get('older')]).toEqual([note, note])
  expect(shown.get('newest')).toMatchObject({ type: 'text' })
})

it('a file of the message that is answered must fit', async () => {
  const { db } = filesOf({ asked: maxFileBytes + 1 })
  await expect(readHistoryFiles(db, [naming('asked')], new Map(), 'asked')).rejects.toMatchObject({
    code: 'file_too_large',
  })
})
