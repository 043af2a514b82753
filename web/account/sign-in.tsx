import { type FormEvent, useState } from 'react'
import { useBackend } from '../backend.ts'
import { Notice } from '../notice.tsx'
import { useTask } from '../use-task.ts'

/** Signs a person in, or up: an account is an e-mail address and a password. */
export function SignIn() {
  const { supabase } = useBackend()
  // The link in the mail leads back here, where the project allows this address.
  const emailRedirectTo = location.origin + location.pathname
  const [isNew, setIsNew] = useState(false)
  const [told, setTold] = useState<string>()
  const { busy, problem, run } = useTask()

  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault()
    const form = new FormData(event.currentTarget)
    const [email, password] = [form.get('email') as string, form.get('password') as string]
    run(async () => {
      const { data, error } = isNew
        ? await supabase.auth.signUp({ email, password, options: { emailRedirectTo } })
        : await supabase.auth.signInWithPassword({ email, password })
      if (error) throw error
      if (data.session) return
      setTold(`Open the link that was sent to ${email}. Then sign in here.`)
      setIsNew(false)
    })
  }

  return (
    <main className="narrow">
      <h1>Colloquy</h1>
      <form onSubmit={submit} aria-label={isNew ? 'Create an account' : 'Sign in'}>
        <label>
          E-mail
          <input name="email" type="email" autoComplete="username" required />
        </label>
        <label>
          Password
          <input
            name="password"
            type="password"
            autoComplete={isNew ? 'new-password' : 'current-password'}
            minLength={isNew ? 8 : undefined}
            required
          />
        </label>
        {isNew && <p className="hint">At least 8 characters.</p>}
        {told !== undefined && <p role="status">{told}</p>}
        {problem !== null && <Notice text={problem} />}
        <button className="primary" disabled={busy}>
          {isNew ? 'Create account' : 'Sign in'}
        </button>
      </form>
      <button type="button" className="quiet" onClick={() => setIsNew(!isNew)}>
        {isNew ? 'I have an account' : 'Create an account'}
      </button>
    </main>
  )
}
