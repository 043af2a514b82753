import type { UIMessage } from 'ai'
import { type FormEvent, StrictMode, useEffect, useState } from 'react'
import { createRoot } from 'react-dom/client'
import { supabase, transport } from './backend.ts'
import { Chat } from './chat.tsx'

/** The session is in the address, so that a reload opens it again. */
function sessionId(): string {
  if (location.hash === '') history.replaceState(null, '', `#${crypto.randomUUID()}`)
  return location.hash.slice(1)
}

function Page() {
  const [user, setUser] = useState<string | null>()
  const [stored, setStored] = useState<UIMessage[]>()
  const [problem, setProblem] = useState('')
  const [id] = useState(sessionId)

  useEffect(() => {
    const { data } = supabase.auth.onAuthStateChange((_, session) => {
      setUser(session?.user.id ?? null)
    })
    return () => data.subscription.unsubscribe()
  }, [])
  useEffect(() => {
    if (!user) return
    transport.loadMessages(id).then(setStored, (error: unknown) => setProblem(String(error)))
  }, [id, user])

  async function signIn(event: FormEvent<HTMLFormElement>) {
    event.preventDefault()
    const form = new FormData(event.currentTarget)
    const [email, password] = [form.get('email') as string, form.get('password') as string]
    const { error } = await supabase.auth.signInWithPassword({ email, password })
    setProblem(error?.message ?? '')
  }

  return (
    <>
      {problem !== '' && <p role="alert">{problem}</p>}
      {user === null && (
        <form id="account" onSubmit={(event) => void signIn(event)}>
          <input name="email" type="email" placeholder="E-mail" required />
          <input name="password" type="password" placeholder="Password" required />
          <button>Sign in</button>
        </form>
      )}
      {user && stored && <Chat id={id} stored={stored} />}
    </>
  )
}

const root = document.getElementById('root')
if (!root) throw new Error('the page has no root')
createRoot(root).render(
  <StrictMode>
    <Page />
  </StrictMode>,
)
