import { randomUUID } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import {
  filesOf,
  type Founder,
  openSession,
  pathIn,
  png,
  said,
  uploadPicture,
} from '../support/agents/files.ts'
import {
  accessToken,
  newClient,
  type Person,
  signUpAsMember,
  signUpWithOrganization,
} from '../support/people/people.ts'
import { connectOwner } from '../support/stack/database.ts'
import { useStack } from '../support/stack/stack.ts'

const sql = connectOwner()
const denied = 'new row violates row-level security policy for table "objects"'
const picture = { contentType: 'image/png' }
let ann: Founder
let colleague: Person
let bob: Founder
let session: string
let shared: string
let path: string
let sharedPath: string

beforeAll(async () => {
  ann = await signUpWithOrganization('ann')
  bob = await signUpWithOrganization('bob')
  colleague = await signUpAsMember(sql, ann.organization)
  session = await openSession(ann)
  shared = await openSession(ann, 'organization')
  path = await uploadPicture(ann, ann.organization.id, session)
  sharedPath = await uploadPicture(ann, ann.organization.id, shared)
})

const namesIn = async (person: Person, folder: string) => {
  const { data, error } = await filesOf(person).list(folder)
  if (error !== null) throw error
  return data.map(({ name }) => name)
}
const bytesOf = async (person: Person, name: string) => {
  const { data, error } = await filesOf(person).download(name)
  return error ? null : Buffer.from(await data.arrayBuffer())
}

describe('the owner of a session', () => {
  it('uploads, lists, reads, signs and deletes', async () => {
    const own = await uploadPicture(ann, ann.organization.id, session)
    const [, , folder = ''] = own.split('/')
    expect(await namesIn(ann, `${ann.organization.id}/${session}`)).toContain(folder)
    expect(await namesIn(ann, `${ann.organization.id}/${session}/${folder}`)).toEqual(['cat.png'])
    expect(await bytesOf(ann, own)).toEqual(png)
    const { data } = await filesOf(ann).createSignedUrl(own, 60)
    const signed = await fetch(data?.signedUrl ?? '')
    expect(signed.headers.get('content-type')).toBe('image/png')
    // The page's origin is also this one: a stored file that a browser opens runs nothing.
    expect(signed.headers.get('content-security-policy')).toMatch(/sandbox/)
    expect(signed.headers.get('x-content-type-options')).toBe('nosniff')
    expect(Buffer.from(await signed.arrayBuffer())).toEqual(png)
    expect(said(await filesOf(ann).remove([own]))).toBe('done')
    expect(await bytesOf(ann, own)).toBeNull()
  })

  it('uploads once to a signed address', async () => {
    const own = pathIn(ann.organization.id, session)
    const { data } = await filesOf(ann).createSignedUploadUrl(own)
    const upload = (bytes: Buffer) =>
      newClient()
        .storage.from('attachments')
        .uploadToSignedUrl(own, data?.token ?? '', bytes, picture)
    expect(said(await upload(png))).toBe('done')
    expect(said(await upload(Buffer.from('other')))).not.toBe('done')
    expect(await bytesOf(ann, own)).toEqual(png)
  })

  it('replaces no file, not even one of its own', async () => {
    const own = await uploadPicture(ann, ann.organization.id, session)
    const other = Buffer.from('other bytes')
    expect(said(await filesOf(ann).upload(own, other, { ...picture, upsert: true }))).not.toBe(
      'done',
    )
    expect(said(await filesOf(ann).update(own, other, picture))).not.toBe('done')
    expect(said(await filesOf(ann).move(own, pathIn(ann.organization.id, session)))).not.toBe(
      'done',
    )
    const fresh = pathIn(ann.organization.id, session)
    const { data } = await filesOf(ann).createSignedUploadUrl(fresh, { upsert: true })
    const upload = (bytes: Buffer) =>
      filesOf(ann).uploadToSignedUrl(fresh, data?.token ?? '', bytes, picture)
    await upload(png)
    expect(said(await upload(other))).not.toBe('done')
    expect([await bytesOf(ann, own), await bytesOf(ann, fresh)]).toEqual([png, png])
  })
})

describe('a reader of a shared session', () => {
  it('reads its files and changes none', async () => {
    expect(await bytesOf(colleague, sharedPath)).toEqual(png)
    expect(await namesIn(colleague, `${ann.organization.id}/${shared}`)).toHaveLength(1)
    const own = pathIn(ann.organization.id, shared)
    expect(said(await filesOf(colleague).upload(own, png, picture))).toBe(denied)
    await filesOf(colleague).remove([sharedPath])
    expect(await bytesOf(ann, sharedPath)).toEqual(png)
  })

  it('reads them no more when the session is private again', async () => {
    const once = await openSession(ann, 'organization')
    const file = await uploadPicture(ann, ann.organization.id, once)
    expect(await bytesOf(colleague, file)).toEqual(png)
    await ann.client.from('chat_sessions').update({ visibility: 'private' }).eq('id', once)
    expect(await bytesOf(colleague, file)).toBeNull()
  })
})

describe.each([
  ['a colleague', () => colleague],
  ['a person of another organization', () => bob],
  ['a visitor', () => ({ ...bob, client: newClient() })],
])('%s', (_, personOf) => {
  it('gets for a private file the answer for an absent one, whatever they do', async () => {
    const files = filesOf(personOf())
    const absent = pathIn(ann.organization.id, randomUUID())
    const acts = [
      (name: string) => files.download(name),
      (name: string) => files.createSignedUrl(name, 60),
      (name: string) => files.info(name),
      (name: string) => files.copy(name, absent.replace('cat', 'dog')),
      (name: string) => files.move(name, absent.replace('cat', 'dog')),
      (name: string) => files.upload(name.replace('cat', 'dog'), png, picture),
      (name: string) => files.createSignedUploadUrl(name.replace('cat', 'dog')),
      async (name: string) => ({ error: null, ...(await files.remove([name])).data }),
    ]
    for (const act of acts) expect(said(await act(path))).toBe(said(await act(absent)))
    const { data } = await files.createSignedUrls([path, absent], 60)
    expect((data ?? []).map(({ signedUrl }) => signedUrl).filter(Boolean)).toEqual([])
    expect(await bytesOf(ann, path)).toEqual(png)
  })

  it.each(['', '%', '_', `%/`, `${'_'.repeat(36)}`, '../', '/'])(
    'lists nothing below %j',
    async (prefix) => {
      const { data } = await filesOf(personOf()).list(prefix, { search: '%' })
      const own = JSON.stringify(data ?? [])
      expect([own.includes(session), own.includes(String(path.split('/')[2]))]).toEqual([
        false,
        false,
      ])
      expect(await namesIn(personOf(), `${ann.organization.id}/${session}`)).toEqual([])
    },
  )

  it('sees no bucket, and neither empties, changes nor deletes it', async () => {
    const { storage } = personOf().client
    expect((await storage.listBuckets()).data ?? []).toEqual([])
    for (const act of [
      storage.emptyBucket('attachments'),
      storage.updateBucket('attachments', { public: true }),
      storage.deleteBucket('attachments'),
      storage.createBucket('other'),
    ]) {
      expect(said(await act)).not.toBe('done')
    }
    const [bucket] = await sql`select public from storage.buckets where id = 'attachments'`
    expect(bucket).toEqual({ public: false })
    expect(await bytesOf(ann, path)).toEqual(png)
  })
})

describe('a refused upload', () => {
  it.each([
    ['a path of another form', 'cat.png', 'file_name_not_allowed'],
    ['a name with a folder', '<own>/a/cat.png', 'file_name_not_allowed'],
    ['a name of dots', '<own>/a..png', 'Invalid object key'],
    ['a hidden name', '<own>/.htaccess', 'file_name_not_allowed'],
    ['a name with a quote', "<own>/it's.png", 'file_name_not_allowed'],
    ['a name of another alphabet', '<own>/кот.png', 'file_name_not_allowed'],
    ['a name that turns its direction', '<own>/gnp.\u202Egpj.png', 'file_name_not_allowed'],
    ['a long name', `<own>/${'a'.repeat(120)}.png`, 'file_name_not_allowed'],
    ['capital letters in the session', '<OWN>/cat.png', 'file_name_not_allowed'],
    ['another extension', '<own>/cat.exe', 'file_type_not_allowed'],
    ['a second extension', '<own>/cat.png.exe', 'file_type_not_allowed'],
    ['no extension', '<own>/cat', 'file_type_not_allowed'],
  ])('says why: %s', async (_, name, code) => {
    const folder = `${ann.organization.id}/${session}/${randomUUID()}`
    const whole = name.replace('<own>', folder).replace('<OWN>', folder.toUpperCase())
    expect(said(await filesOf(ann).upload(whole, png, picture))).toContain(code)
  })

  it('is one of a type that no file has', async () => {
    for (const contentType of ['image/svg+xml', 'text/html', 'application/zip', 'image/PNG2']) {
      const own = pathIn(ann.organization.id, session)
      expect(said(await filesOf(ann).upload(own, png, { contentType }))).toMatch(/mime type/)
    }
  })

  it('is one of more than 8 MiB, and leaves nothing', async () => {
    const own = pathIn(ann.organization.id, session, 'long.txt')
    const long = Buffer.alloc(8 * 1024 * 1024 + 1, 'a')
    expect(said(await filesOf(ann).upload(own, long, { contentType: 'text/plain' }))).toMatch(
      /size|large/,
    )
    expect(await sql`select 1 from storage.objects where name = ${own}`).toHaveLength(0)
  })

  it('is one to a path with an escaped slash or percent sign', async () => {
    const { url, publishableKey } = useStack()
    const folder = `${ann.organization.id}/${session}/${randomUUID()}`
    for (const name of [
      'a%2f..%2fcat.png',
      'a%252fcat.png',
      'a%5ccat.png',
      'a%00.png',
      '..%2Fcat.png',
    ]) {
      const response = await fetch(`${url}/storage/v1/object/attachments/${folder}/${name}`, {
        method: 'POST',
        headers: {
          apikey: publishableKey,
          authorization: `Bearer ${await accessToken(ann)}`,
          'content-type': 'image/png',
        },
        body: new Uint8Array(png),
      })
      expect([name, response.status]).toEqual([name, 400])
    }
    expect(await sql`select 1 from storage.objects where name like ${`${folder}%`}`).toHaveLength(0)
  })
})

describe('a person who lost the membership', () => {
  it('reads, writes and uses no signed upload address any more', async () => {
    const person = await signUpAsMember(sql, ann.organization)
    const theirs = await openSession(person)
    const file = await uploadPicture(person, ann.organization.id, theirs)
    const next = pathIn(ann.organization.id, theirs)
    const { data } = await filesOf(person).createSignedUploadUrl(next)
    await sql`update public.users set is_active = false where id = ${person.id}`
    expect(await bytesOf(person, file)).toBeNull()
    expect(await namesIn(person, `${ann.organization.id}/${theirs}`)).toEqual([])
    const late = await filesOf(person).uploadToSignedUrl(next, data?.token ?? '', png, picture)
    expect(said(late)).toBe(denied)
    await filesOf(person).remove([file])
    expect(await sql`select 1 from storage.objects where name = ${file}`).toHaveLength(1)
  })
})

describe('the quota', () => {
  it('refuses the file that passes it, keeps no byte of it, and gives back what is deleted', async () => {
    const eve = await signUpWithOrganization('eve')
    const own = await openSession(eve)
    const use = async () =>
      await sql`
        select user_id is null as of_all, rows::integer, bytes::integer from private.quota_use
        where organization_id = ${eve.organization.id} and table_name = 'private.files' order by 1`
    const file = await uploadPicture(eve, eve.organization.id, own)
    const [member, all] = await use()
    expect([member?.['rows'], all?.['rows'], all?.['bytes']]).toEqual([1, 1, member?.['bytes']])
    expect(Number(member?.['bytes'])).toBeGreaterThan(png.length)
    await sql`
      update private.quota_use set bytes = 2147483648 - 100
      where organization_id = ${eve.organization.id} and user_id is not null
        and table_name = 'private.files'`
    const full = pathIn(eve.organization.id, own)
    expect(said(await filesOf(eve).upload(full, png, picture))).toBe('quota_exceeded')
    expect(await bytesOf(eve, full)).toBeNull()
    await filesOf(eve).remove([file])
    expect(said(await filesOf(eve).upload(full, png, picture))).toBe('done')
  })
})
