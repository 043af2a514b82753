import { randomUUID } from 'node:crypto'
import type { TransactionSql } from 'postgres'
import { type Actor, addMember, addOwner, as, type Member } from '../people/tenants.ts'

/** What the policies answer to an object that the caller may not store. */
export const denied = '42501 new row violates row-level security policy for table "objects"'

/** A session that the person makes. */
export async function addSession(
  tx: TransactionSql,
  person: Member,
  rest: object = {},
): Promise<string> {
  const id = randomUUID()
  await as(tx, person, (t) => t`insert into public.chat_sessions ${t({ id, ...rest })}`)
  return id
}

/** A new path in a session of the organization of the person. */
export const pathIn = ({ organizationId }: Member, session: string, name = 'cat.png') =>
  `${organizationId}/${session}/${randomUUID()}/${name}`

/** A statement that inserts an object of the bucket. */
export const object =
  (name: string, more: object = {}) =>
  (tx: TransactionSql) => tx`
  insert into storage.objects ${tx({
    bucket_id: 'attachments',
    name,
    metadata: tx.json({ mimetype: 'image/png', size: 70 }),
    version: '1',
    ...more,
  })}`

/** As Storage stores what it has received, in its own role. */
export async function store(tx: TransactionSql, name: string, more: object = {}): Promise<string> {
  await tx.savepoint(async (inner) => {
    await inner`set local role supabase_storage_admin`
    await object(name, more)(inner)
    await inner`reset role`
  })
  return name
}

/** The paths of the objects that the actor reads. */
export const paths = async (tx: TransactionSql, actor: Actor) => {
  const rows = await as(tx, actor, (t) => t<{ name: string }[]>`select name from storage.objects`)
  return rows.map(({ name }) => name)
}

/** An organization with two sessions of one author, each with a file, and people beside it. */
export async function arrangeFiles(tx: TransactionSql) {
  const owner = await addOwner(tx)
  const author = await addMember(tx, owner.organizationId)
  const colleague = await addMember(tx, owner.organizationId)
  const reader = await addMember(tx, owner.organizationId, 'member', ['content.read_all'])
  const stranger = await addOwner(tx)
  const session = await addSession(tx, author)
  const shared = await addSession(tx, author, { visibility: 'organization' })
  const one = await store(tx, pathIn(author, session))
  const other = await store(tx, pathIn(author, shared))
  return { owner, author, colleague, reader, stranger, session, shared, one, other }
}
