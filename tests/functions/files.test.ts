import { randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { stop, text } from '../support/agents/chat-stream.ts'
import { filesOf, openSession, pathIn, png, said, uploadPicture } from '../support/agents/files.ts'
import { callFunction, type ErrorBody } from '../support/agents/invoke.ts'
import { eventStream } from '../support/agents/raw-http.ts'
import { useAgents } from '../support/agents/use-agents.ts'
import { signUpWithOrganization } from '../support/people/people.ts'
import { useStack } from '../support/stack/stack.ts'

const made = useAgents()
const { sql } = made

const organization = () => made.ann.organization.id
const send = async (body: object) => {
  const response = await made.worker.invoke(made.ann, { agent: made.agent, ...body })
  // Read to its end: only then the answer is stored.
  return new Response(await response.text(), response)
}
const ask = (session_id: string, content: unknown) => send({ session_id, message: { content } })
const codeOf = async (response: Response) => ((await response.json()) as ErrorBody).error.code
const messagesOf = (session: string) => sql`
  select role, parts from public.chat_messages where session_id = ${session} order by created_at`
const sentToModel = (index = -1) => {
  const { body } = made.provider.journal.at(index) ?? { body: '{}' }
  return (JSON.parse(body) as { messages: { content: unknown }[] }).messages
}
const answer = eventStream([text('A cat.'), stop])
const cleanUp = async () => {
  const { cleanupKey } = useStack()
  const response = await callFunction('session-cleanup', { headers: { apikey: cleanupKey } })
  return (await response.json()) as { counts: Record<string, number> }
}

describe('a Blob that a page uploads', () => {
  const blob = new Blob([new Uint8Array(png)], { type: 'image/png' })
  const stored = async (path: string) => {
    const { data } = await filesOf(made.ann).download(path)
    return [data?.type, Buffer.from((await data?.arrayBuffer()) ?? new ArrayBuffer())]
  }

  it('is kept with its bytes and its type, also at a signed address', async () => {
    const session = await openSession(made.ann)
    const [path, next] = [1, 2].map(() => pathIn(organization(), session)) as [string, string]
    expect(said(await filesOf(made.ann).upload(path, blob))).toBe('done')
    const { data } = await filesOf(made.ann).createSignedUploadUrl(next)
    const late = await filesOf(made.ann).uploadToSignedUrl(next, data?.token ?? '', blob)
    expect(said(late)).toBe('done')
    for (const one of [path, next]) expect(await stored(one)).toEqual(['image/png', png])
  })

  it('is refused for its type, as any upload is', async () => {
    const path = pathIn(organization(), await openSession(made.ann))
    const page = new Blob(['<p>'], { type: 'text/html' })
    expect(said(await filesOf(made.ann).upload(path, page))).toMatch(/mime type/)
  })
})

describe('a file that a message names', () => {
  it('goes to the model with this message and the next ones, and stands in the message by its path', async () => {
    made.provider.respond(answer)
    const session = await openSession(made.ann)
    const path = await uploadPicture(made.ann, organization(), session)
    const response = await ask(session, [
      { type: 'text', text: 'What is it?' },
      { type: 'file', path, filename: 'Katze.png' },
    ])
    expect(response.status).toBe(200)
    const shown = {
      type: 'image_url',
      image_url: { url: `data:image/png;base64,${png.toString('base64')}` },
    }
    expect(sentToModel().at(-1)?.content).toEqual([{ type: 'text', text: 'What is it?' }, shown])
    const [question] = await messagesOf(session)
    expect(question?.parts).toEqual([
      { type: 'text', text: 'What is it?' },
      { type: 'image', path, media_type: 'image/png', filename: 'Katze.png' },
    ])

    expect((await ask(session, 'And now?')).status).toBe(200)
    expect(JSON.stringify(sentToModel())).toContain(JSON.stringify(shown))
    // Answers a message again: it has its file still.
    const [first] = await sql<{ id: string }[]>`
      select id from public.chat_messages where session_id = ${session} order by created_at limit 1`
    expect((await send({ session_id: session, regenerate: first?.id })).status).toBe(200)
    expect(JSON.stringify(sentToModel())).toContain(JSON.stringify(shown))
  })

  it('reaches the model as a text, when it is one', async () => {
    made.provider.respond(answer)
    const session = await openSession(made.ann)
    const path = pathIn(organization(), session, 'notes.md')
    const upload = await filesOf(made.ann).upload(path, '# Grüße', { contentType: 'text/markdown' })
    expect(said(upload)).toBe('done')
    expect((await ask(session, [{ type: 'file', path }])).status).toBe(200)
    expect(sentToModel().at(-1)?.content).toBe('[File "notes.md":]\n# Grüße')
  })

  it('is refused before anything is stored or sent, when its content is of another type', async () => {
    const session = await openSession(made.ann)
    const path = await uploadPicture(made.ann, organization(), session, Buffer.from('<script>'))
    const response = await ask(session, [{ type: 'file', path }])
    expect([response.status, await codeOf(response)]).toEqual([422, 'file_type_mismatch'])
    const other = await uploadPicture(made.ann, organization(), session)
    const told = await ask(session, [{ type: 'file', path: other, mediaType: 'image/gif' }])
    expect(await codeOf(told)).toBe('file_type_mismatch')
    expect(await messagesOf(session)).toHaveLength(0)
    expect(made.provider.journal).toHaveLength(0)
  })

  it('is not found in another session, another organization, under another name, or once it is gone', async () => {
    const session = await openSession(made.ann)
    const elsewhere = await openSession(made.ann)
    const bob = await signUpWithOrganization('bob')
    const foreign = await uploadPicture(bob, bob.organization.id, await openSession(bob))
    const path = await uploadPicture(made.ann, organization(), session)
    const gone = await uploadPicture(made.ann, organization(), session)
    await filesOf(made.ann).remove([gone])
    const paths = [
      await uploadPicture(made.ann, organization(), elsewhere),
      foreign,
      gone,
      path.replace('cat.png', 'cat.PNG'),
      path.replace('cat.png', '../cat.png'),
      path.replace('/', '//'),
      `${path}?x=1`,
      encodeURIComponent(path),
      pathIn(organization(), session),
      'cat.png',
    ]
    for (const each of paths) {
      const response = await ask(session, [{ type: 'file', path: each }])
      expect([each, response.status, await codeOf(response)]).toEqual([each, 404, 'file_not_found'])
    }
    expect(await messagesOf(session)).toHaveLength(0)
    expect(made.provider.journal).toHaveLength(0)
  })

  it('is too large, together with the others of its message', async () => {
    const session = await openSession(made.ann)
    const long = 'a'.repeat(5 * 1024 * 1024)
    const parts = await Promise.all(
      ['a.txt', 'b.txt'].map(async (name) => {
        const path = pathIn(organization(), session, name)
        expect(
          said(await filesOf(made.ann).upload(path, long, { contentType: 'text/plain' })),
        ).toBe('done')
        return { type: 'file', path }
      }),
    )
    const response = await ask(session, parts)
    expect([response.status, await codeOf(response)]).toEqual([422, 'file_too_large'])
  })

  it('is a note for the model, when it was removed after its message', async () => {
    made.provider.respond(answer)
    const session = await openSession(made.ann)
    const path = await uploadPicture(made.ann, organization(), session)
    await ask(session, [{ type: 'file', path }])
    expect(said(await filesOf(made.ann).remove([path]))).toBe('done')
    expect((await ask(session, 'And now?')).status).toBe(200)
    expect(JSON.stringify(sentToModel())).toContain('[image/png, no longer there]')
  })
})

describe('the clean-up', () => {
  it('deletes the files of a deleted session, whose signed addresses end with them', async () => {
    const session = await openSession(made.ann)
    const path = await uploadPicture(made.ann, organization(), session)
    const { data: signed } = await filesOf(made.ann).createSignedUrl(path, 300)
    expect((await fetch(signed?.signedUrl ?? '')).status).toBe(200)
    await made.ann.client.from('chat_sessions').delete().eq('id', session)
    // At once nobody sees it, also when the session is made again.
    expect(said(await filesOf(made.ann).download(path))).not.toBe('done')
    await made.ann.client.from('chat_sessions').insert({ id: session })
    expect(said(await filesOf(made.ann).download(path))).not.toBe('done')

    expect((await cleanUp()).counts['removed_files']).toBeGreaterThanOrEqual(1)
    const left = await sql`select 1 from storage.objects where name = ${path}`
    expect([left.length, (await fetch(signed?.signedUrl ?? '')).ok]).toEqual([0, false])
    expect(await sql`select 1 from private.files where session_id = ${session}`).toHaveLength(0)
  })

  it('deletes a file that no message named for a day, and keeps one that a message names', async () => {
    made.provider.respond(answer)
    const session = await openSession(made.ann)
    const named = await uploadPicture(made.ann, organization(), session)
    const unnamed = await uploadPicture(made.ann, organization(), session)
    const fresh = await uploadPicture(made.ann, organization(), session)
    await ask(session, [{ type: 'file', path: named }])
    await sql`
      update private.files set created_at = created_at - interval '25 hours'
      where session_id = ${session} and id <> ${fresh.split('/')[2] ?? randomUUID()}`
    await cleanUp()
    const left = await sql<{ name: string }[]>`
      select name from storage.objects where name in ${sql([named, unnamed, fresh])}`
    expect(left.map(({ name }) => name).sort()).toEqual([named, fresh].sort())
  })
})
