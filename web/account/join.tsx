import { type FormEvent, useState } from 'react'
import { Notice } from '../notice.tsx'
import { useTask } from '../use-task.ts'
import { slugOf } from './slug-of.ts'
import type { Account } from './use-account.ts'

interface JoinProps {
  readonly account: Account
  /** Back to the organization that the person works in. */
  readonly onBack?: () => void
}

/** Founds an organization, accepts an invitation, or goes on in an organization of the person. */
export function Join({ account, onBack }: JoinProps) {
  const { current, invitations, memberships, user } = account
  const { busy, problem, run } = useTask()
  const [name, setName] = useState('')

  function found(event: FormEvent<HTMLFormElement>) {
    event.preventDefault()
    run(async () => {
      await account.found(name.trim(), slugOf(name))
      onBack?.()
    })
  }
  const others = memberships.filter((one) => one.is_active && one !== current)

  return (
    <main className="narrow">
      <h1>{current ? 'Another organization' : 'Your organization'}</h1>
      {!current && <p>Conversations belong to an organization. Begin one, or join one.</p>}
      {problem !== null && <Notice text={problem} />}
      {invitations.map((one) => (
        <p key={one.id} className="row">
          <span>
            Invitation to <bdi>{one.organization_name}</bdi> as {one.role}
          </span>
          <button
            type="button"
            disabled={busy}
            onClick={() => run(() => account.accept(one).then(onBack))}
          >
            Accept
          </button>
        </p>
      ))}
      {!current &&
        others.map((one) => (
          <p key={one.organization_id} className="row">
            <bdi>{one.name}</bdi>
            <button
              type="button"
              disabled={busy}
              onClick={() => run(() => account.switchTo(one.organization_id))}
            >
              Open
            </button>
          </p>
        ))}
      <form onSubmit={found} aria-label="New organization">
        <label>
          Name of a new organization
          <input
            name="name"
            value={name}
            maxLength={100}
            autoComplete="organization"
            required
            onChange={(event) => setName(event.target.value)}
          />
        </label>
        <button className="primary" disabled={busy || name.trim() === ''}>
          Create organization
        </button>
      </form>
      {onBack && (
        <button type="button" className="quiet" onClick={onBack}>
          Back
        </button>
      )}
      <button type="button" className="quiet" onClick={() => run(account.signOut)}>
        Sign out {user.email}
      </button>
    </main>
  )
}
