import { createInterface } from 'node:readline'

import { FunctionsHttpError } from '@supabase/supabase-js'

import { readAnswer } from './read-answer.ts'
import { type Client, signIn } from './sign-in.ts'

// A chat in the terminal, with nothing but supabase-js. While `npm start` runs:
//   node --env-file=.env.local --import tsx examples/chat-cli/chat.ts [agent]
// EMAIL and PASSWORD sign an existing account in; without them a new one is made.

const HELP = 'A line is a question. /new, /sessions, /open <number>, /quit.'

interface Chat {
  client: Client
  agent: string
  /** Undefined until the first answer: the server makes the session. */
  sessionId: string | undefined
  /** Ids of the sessions that /sessions listed last. */
  listed: string[]
}

async function main(): Promise<void> {
  const { SUPABASE_URL: url, SUPABASE_PUBLISHABLE_KEY: key, EMAIL, PASSWORD } = process.env
  if (!url || !key) {
    throw new Error('SUPABASE_URL and SUPABASE_PUBLISHABLE_KEY are not set: pass .env.local.')
  }
  const account = EMAIL && PASSWORD ? { email: EMAIL, password: PASSWORD } : undefined
  const client = await signIn(url, key, account)
  const agent = process.argv[2] ?? 'droid'
  const chat: Chat = { client, agent, sessionId: undefined, listed: [] }
  console.log(HELP)
  const input = createInterface({ input: process.stdin, output: process.stdout, prompt: '> ' })
  input.prompt()
  for await (const line of input) {
    if (line.trim() === '/quit') break
    await handle(chat, line.trim()).catch((error: unknown) => console.error(`! ${reason(error)}`))
    input.prompt()
  }
  input.close()
  await client.auth.signOut({ scope: 'local' })
}

async function handle(chat: Chat, line: string): Promise<void> {
  const [command, argument] = line.split(/\s+/, 2)
  if (line === '') return
  if (command === '/new') chat.sessionId = undefined
  else if (command === '/sessions') await listSessions(chat)
  else if (command === '/open') await openSession(chat, Number(argument))
  else if (line.startsWith('/')) console.log(HELP)
  else await ask(chat, line)
}

/** Asks the agent and writes the answer as it arrives. */
async function ask(chat: Chat, content: string): Promise<void> {
  const { agent, sessionId: session_id } = chat
  const { data, error } = (await chat.client.functions.invoke('agents/invoke', {
    body: { agent, session_id, message: { content } },
  })) as { data: unknown; error: Error | null }
  if (error instanceof FunctionsHttpError) throw new Error(await (error.context as Response).text())
  if (error !== null) throw error
  // supabase-js hands an event stream over as the Response itself.
  if (!(data instanceof Response) || data.body === null) throw new Error('no stream came back')
  try {
    for await (const piece of readAnswer(data.body)) {
      if (piece.kind === 'session') chat.sessionId = piece.id
      if (piece.kind === 'text') process.stdout.write(piece.text)
    }
  } finally {
    process.stdout.write('\n')
  }
}

async function listSessions(chat: Chat): Promise<void> {
  const { data, error } = await chat.client
    .from('v_recent_sessions')
    .select('id, title, created_at, message_count')
    .limit(20)
  if (error !== null) throw error
  chat.listed = data.flatMap(({ id }) => id ?? [])
  for (const [index, session] of data.entries()) {
    const { title, created_at, message_count } = session
    console.log(
      `${index + 1}  ${created_at?.slice(0, 16)}  ${message_count} messages  ${title ?? ''}`,
    )
  }
}

async function openSession(chat: Chat, number: number): Promise<void> {
  const id = chat.listed[number - 1]
  if (id === undefined) throw new Error('no such number: list them with /sessions')
  const { data, error } = await chat.client
    .from('chat_messages')
    .select('role, content')
    .eq('session_id', id)
    .order('created_at')
  if (error !== null) throw error
  chat.sessionId = id
  for (const { role, content } of data) console.log(`${role}: ${content}`)
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : JSON.stringify(error)
}

await main().catch((error: unknown) => {
  console.error(reason(error))
  process.exitCode = 1
})
