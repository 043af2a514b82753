import type { User } from '@supabase/supabase-js'
import { lazy, Suspense, useState } from 'react'
import { Join } from './account/join.tsx'
import { SignIn } from './account/sign-in.tsx'
import { useAccount } from './account/use-account.ts'
import { useUser } from './account/use-user.ts'
import { Notice, Waiting } from './notice.tsx'
import { useHash } from './use-hash.ts'

/** Loaded for who is signed in: the form for all others needs little. */
const ChatPage = lazy(async () => ({ default: (await import('./chat/chat-page.tsx')).ChatPage }))
/** Loaded when a person opens it. */
const Console = lazy(async () => ({ default: (await import('./console/console.tsx')).Console }))

export function App() {
  const user = useUser()
  if (user === undefined) return <Centred />
  if (user === null) return <SignIn />
  return <SignedIn key={user.id} user={user} />
}

function SignedIn({ user }: { readonly user: User }) {
  const account = useAccount(user)
  const [joins, setJoins] = useState(false)
  const hash = useHash()
  if (account === null) return <Centred />
  if ('problem' in account) {
    return (
      <main className="narrow">
        <Notice text={account.problem} action="Try again" onAction={() => location.reload()} />
      </main>
    )
  }
  const { current } = account
  const key = current?.organization_id
  if (hash.startsWith('#/console')) {
    return (
      <Suspense fallback={<Centred />}>
        <Console key={key} account={account} organization={current} />
      </Suspense>
    )
  }
  if (current === null) return <Join account={account} />
  if (joins) return <Join account={account} onBack={() => setJoins(false)} />
  return (
    <Suspense fallback={<Centred />}>
      <ChatPage key={key} account={account} organization={current} onJoin={() => setJoins(true)} />
    </Suspense>
  )
}

function Centred() {
  return (
    <main className="narrow">
      <Waiting />
    </main>
  )
}
