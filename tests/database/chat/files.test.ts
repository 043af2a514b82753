import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { type Actor, as, outcome, refusal } from '../../support/people/tenants.ts'
import { addAgent, begin } from '../../support/rows/executions.ts'
import {
  addSession,
  arrangeFiles,
  denied,
  object,
  pathIn,
  paths,
  store,
} from '../../support/rows/file-rows.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()

describe('the objects of the bucket', () => {
  test('are seen by the readers of their sessions, and by no other person or role', async () => {
    await rolledBack(sql, async (tx) => {
      const people = await arrangeFiles(tx)
      const { one, other } = people
      const seen = async (actor: Actor) => (await paths(tx, actor)).sort()
      expect(await seen(people.author)).toEqual([one, other].sort())
      expect(await seen(people.reader)).toEqual([one, other].sort())
      expect(await seen(people.colleague)).toEqual([other])
      expect(await seen(people.owner)).toEqual([other])
      expect(await seen(people.stranger)).toEqual([])
      expect(await seen('anon')).toEqual([])
    })
  })

  test('are added by the owner of the session alone, also where others read it', async () => {
    await rolledBack(sql, async (tx) => {
      const { author, colleague, owner, reader, stranger, session, shared } = await arrangeFiles(tx)
      for (const folder of [session, shared]) {
        expect(await refusal(tx, author, object(pathIn(author, folder)))).toBe('allowed')
        for (const person of [colleague, owner, reader, stranger]) {
          expect(await refusal(tx, person, object(pathIn(author, folder)))).toBe(denied)
        }
      }
      expect(await refusal(tx, author, object(pathIn(author, randomUUID())))).toBe(denied)
      expect(await refusal(tx, author, object(pathIn(stranger, session)))).toBe(denied)
      expect(await refusal(tx, 'anon', object(pathIn(author, session)))).toBe(denied)
    })
  })

  test('are deleted by the owner of the session alone, with agents.invoke', async () => {
    await rolledBack(sql, async (tx) => {
      const { author, colleague, reader, stranger, one, other } = await arrangeFiles(tx)
      const remove = (person: Actor) =>
        as(tx, person, (t) => t`delete from storage.objects where bucket_id = 'attachments'`)
      for (const person of [colleague, reader, stranger]) {
        expect((await remove(person)).count).toBe(0)
      }
      expect((await remove(author)).count).toBe(2)
      const left = await tx`select 1 from private.files where name in (${one}, ${other})`
      expect(left).toHaveLength(0)
    })
  })

  test('are not changed, by a person or by Storage', async () => {
    await rolledBack(sql, async (tx) => {
      const { author, one } = await arrangeFiles(tx)
      const byAuthor = await as(tx, author, (t) => t`update storage.objects set name = 'x'`)
      expect(byAuthor.count).toBe(0)
      for (const change of [
        { name: pathIn(author, randomUUID()) },
        { version: '2' },
        { metadata: tx.json({ mimetype: 'image/png', size: 71 }) },
        { bucket_id: null },
      ]) {
        const update = tx.savepoint(
          (t) => t`update storage.objects set ${t(change)} where name = ${one}`,
        )
        expect(await outcome(update)).toBe('42501 file_not_replaceable')
      }
      await tx`update storage.objects set last_accessed_at = now() where name = ${one}`
    })
  })

  test('of other buckets have none of these rules', async () => {
    await rolledBack(sql, async (tx) => {
      const { author } = await arrangeFiles(tx)
      await tx`insert into storage.buckets (id, name) values ('other', 'other')`
      const add = object('any name', { bucket_id: 'other' })
      expect(await refusal(tx, author, add)).toBe(denied)
      await add(tx)
      await tx`update storage.objects set name = 'another' where bucket_id = 'other'`
      const moved = tx.savepoint(
        (t) => t`update storage.objects set bucket_id = 'attachments' where bucket_id = 'other'`,
      )
      expect(await outcome(moved)).toBe('42501 file_not_replaceable')
      expect((await paths(tx, author)).includes('another')).toBe(false)
      await tx`delete from storage.objects where bucket_id = 'other'`
    })
  })
})

test('a path has one spelling, and a name neither folders nor hidden characters', async () => {
  await rolledBack(sql, async (tx) => {
    const { author, session } = await arrangeFiles(tx)
    const folder = `${author.organizationId}/${session}/${randomUUID()}`
    const names = [
      'cat.png',
      '_cat (1)+2-3.png',
      `${'a'.repeat(95)}.png`,
      'cat.png ',
      ' cat.png',
      'cat..png',
      '.png',
      '../cat.png',
      'a/cat.png',
      'a\\cat.png',
      '%2e.png',
      "it's.png",
      'a"b.png',
      'a\tb.png',
      'a\nb.png',
      'cat.png\n',
      '\u202egnp.png',
      'кот.png',
      `${'a'.repeat(96)}.png`,
      '',
    ]
    const answers = []
    for (const name of names) {
      const path = `${author.organizationId}/${session}/${randomUUID()}/${name}`
      answers.push(await refusal(tx, author, object(path)))
    }
    expect(answers.slice(0, 3)).toEqual(['allowed', 'allowed', 'allowed'])
    expect(new Set(answers.slice(3))).toEqual(new Set(['42501 file_name_not_allowed']))
    for (const path of [
      `${folder}/cat.png`.toUpperCase().replace('CAT.PNG', 'cat.png'),
      `0${folder}/cat.png`,
      `/${folder}/cat.png`,
      `${folder}//cat.png`,
      'cat.png',
      `x${folder}/cat.png`,
    ]) {
      expect(await refusal(tx, author, object(path))).toBe('42501 file_name_not_allowed')
    }
    const types = ['image/svg+xml', 'text/html', 'image/jpeg', 'IMAGE/PNG; charset=x', 'image/png']
    const typed = []
    for (const mimetype of types) {
      const metadata = tx.json({ mimetype, size: 1 })
      typed.push(await refusal(tx, author, object(pathIn(author, session), { metadata })))
    }
    const wrong = '42501 file_type_not_allowed'
    expect(typed).toEqual([wrong, wrong, wrong, 'allowed', 'allowed'])
  })
})

describe('what Storage stores for a signed upload address', () => {
  test("is refused when the session is gone, is another person's, or its owner lost access", async () => {
    await rolledBack(sql, async (tx) => {
      const { author, colleague, session } = await arrangeFiles(tx)
      const late = (rest: object = {}) => outcome(store(tx, pathIn(author, session), rest))
      expect(await late({ owner_id: author.id })).toBe('allowed')
      expect(await late({ owner_id: colleague.id })).toBe(denied)
      for (const [table, column, value, key] of [
        ['public.users', 'is_active', false, author.id],
        ['public.organizations', 'is_active', false, author.organizationId],
      ] as const) {
        await tx`update ${tx(table)} set ${tx(column)} = ${value} where id = ${key}`
        expect([table, await late()]).toEqual([table, denied])
        await tx`update ${tx(table)} set ${tx(column)} = true where id = ${key}`
      }
      const set = (change: object) => tx`
        update client_mgmt.client_users set ${tx(change)}
        where organization_id = ${author.organizationId} and user_id = ${author.id}`
      await set({ ended_at: new Date() })
      expect(await late()).toBe(denied)
      await set({ ended_at: null })
      expect(await late()).toBe('allowed')
      await tx`delete from public.chat_sessions where id = ${session}`
      expect(await late()).toBe(denied)
    })
  })

  test('counts for the owner of the session and for the organization, up to each bound', async () => {
    await rolledBack(sql, async (tx) => {
      const { author, colleague, session } = await arrangeFiles(tx)
      const used = () => tx`
        select user_id, rows::integer, bytes >= 140 as has_bytes from private.quota_use
        where organization_id = ${author.organizationId} and table_name = 'private.files'
        order by user_id nulls last`
      expect([...(await used())]).toEqual([
        { user_id: author.id, rows: 2, has_bytes: true },
        { user_id: null, rows: 2, has_bytes: true },
      ])
      const bound = (change: object) =>
        tx`update private.table_bounds set ${tx(change)} where table_name = 'private.files'`
      const more = () => outcome(store(tx, pathIn(author, session)))
      await bound({ max_rows: 2 })
      expect(await more()).toBe('42501 quota_exceeded')
      await bound({ max_rows: 100, organization_rows: 2 })
      expect(await more()).toBe('42501 quota_exceeded')
      const theirs = await addSession(tx, colleague)
      expect(await outcome(store(tx, pathIn(colleague, theirs)))).toBe('42501 quota_exceeded')
      await bound({ organization_rows: 100, max_bytes: 2_000 })
      const long = { metadata: tx.json({ mimetype: 'image/png', size: 2_000 }) }
      expect(await outcome(store(tx, pathIn(author, session), long))).toBe('42501 quota_exceeded')
      expect(await more()).toBe('allowed')
    })
  })
})

test('a message names only files of its own session, with their own type', async () => {
  await rolledBack(sql, async (tx) => {
    const { author, session, one, other } = await arrangeFiles(tx)
    const { name: agent } = await addAgent(tx, author)
    const ask = (path: string, media_type = 'image/png') =>
      refusal(
        tx,
        author,
        begin({ agent, session_id: session, content: [{ type: 'image', path, media_type }] }),
      )
    const missing = 'PT404 file_not_found'
    expect(await ask(other)).toBe(missing)
    expect(await ask(pathIn(author, session))).toBe(missing)
    expect(await ask(one, 'image/gif')).toBe(missing)
    expect(await ask(one.replace('cat', 'dog'))).toBe(missing)
    await tx`update private.files set removed_at = now() where session_id = ${session}`
    expect(await ask(one)).toBe(missing)
    await tx`update private.files set removed_at = null where session_id = ${session}`
    expect(await ask(one)).toBe('allowed')
    const named = await tx`
      select named_at is not null as named from private.files where session_id = ${session}`
    expect([...named]).toEqual([{ named: true }])
  })
})
