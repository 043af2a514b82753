// A chat in the browser with nothing but supabase-js: sign in, ask, read the answer as it arrives,
// find the conversation again after a reload. serve.ts gives /config.json and /supabase.js.

const { url, publishableKey } = await (await fetch('/config.json')).json()
const supabase = globalThis.supabase.createClient(url, publishableKey)
const element = (id) => document.getElementById(id)
let sessionId
// Whether the latest conversation has been looked for since the sign-in.
let opened = false
let signingUp = false

supabase.auth.onAuthStateChange((_event, session) => {
  // Not in this callback itself: it runs while supabase-js holds its lock (its documentation).
  setTimeout(() => guard(() => show(session)), 0)
})

async function show(session) {
  // After the first half of a sign-up the session has no organization and can do nothing yet.
  if (signingUp) return
  element('account').hidden = session !== null
  element('who').textContent = session?.user.email ?? ''
  // supabase-js tells of the same session again whenever the tab gets the focus.
  const first = session !== null && !opened
  opened = session !== null
  if (first) await openLatest()
  element('chat').hidden = session === null
}

/** Shows the latest conversation, as a reload should; there may be none. */
async function openLatest() {
  const sessions = check(await supabase.from('v_recent_sessions').select('id').limit(1))
  if (sessions.length === 0) return
  const [{ id }] = sessions
  const messages = check(
    await supabase
      .from('chat_messages')
      .select('role, content')
      .eq('session_id', id)
      .order('created_at'),
  )
  // A conversation that was begun meanwhile continues.
  if (element('messages').hasChildNodes()) return
  sessionId = id
  for (const { role, content } of messages) addMessage(role).textContent = content
}

async function signIn(form, submitter) {
  const { email, password } = Object.fromEntries(new FormData(form))
  if (submitter.value === 'sign-in') {
    check(await supabase.auth.signInWithPassword({ email, password }))
    return
  }
  signingUp = true
  try {
    check(await supabase.auth.signUp({ email, password }))
    const slug = `web-${crypto.randomUUID().slice(0, 13)}`
    check(await supabase.rpc('create_organization', { name: email, slug }))
    // The token was issued before there was an organization; the next one carries it.
    check(await supabase.auth.refreshSession())
  } finally {
    signingUp = false
  }
  await show(check(await supabase.auth.getSession()).session)
}

async function ask(form) {
  const { content } = Object.fromEntries(new FormData(form))
  form.reset()
  addMessage('user').textContent = content
  const answer = addMessage('assistant')
  const { data, error } = await supabase.functions.invoke('agents/invoke', {
    body: { agent: 'droid', session_id: sessionId, message: { content } },
  })
  if (error) throw new Error((await error.context?.text?.()) ?? error.message)
  // supabase-js hands an event stream over as the Response itself.
  for await (const event of readEvents(data.body)) {
    if (event.type === 'start') sessionId = event.messageMetadata.session_id
    if (event.type === 'text-delta') answer.textContent += event.delta
    if (event.type === 'error') throw new Error(event.errorText)
    if (event.type === 'finish') return
  }
  throw new Error('The connection was cut before the answer was complete.')
}

/** The events of an AI SDK UI message stream (v1), one line of data each. */
async function* readEvents(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ''
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    const blocks = (rest + value).split('\n\n')
    rest = blocks.pop()
    for (const block of blocks) {
      const data = /^data: (.*)$/m.exec(block)?.[1]
      if (data !== undefined && data !== '[DONE]') yield JSON.parse(data)
    }
  }
}

function addMessage(role) {
  const paragraph = document.createElement('p')
  paragraph.className = role
  element('messages').append(paragraph)
  return paragraph
}

function check({ data, error }) {
  if (error) throw error
  return data
}

/** Runs an action and shows why it failed, if it does. */
async function guard(action) {
  element('problem').textContent = ''
  try {
    await action()
  } catch (error) {
    element('problem').textContent = error.message
  }
}

element('account').addEventListener('submit', (event) => {
  event.preventDefault()
  void guard(() => signIn(event.target, event.submitter))
})
element('question').addEventListener('submit', (event) => {
  event.preventDefault()
  void guard(() => ask(event.target))
})
element('new').addEventListener('click', () => {
  sessionId = undefined
  element('messages').replaceChildren()
})
element('sign-out').addEventListener('click', () => {
  sessionId = undefined
  element('messages').replaceChildren()
  void guard(async () => check(await supabase.auth.signOut({ scope: 'local' })))
})
