import type { Account, Membership } from '../account/use-account.ts'
import { Icon } from '../icon.tsx'
import { Notice, Waiting } from '../notice.tsx'
import { useTask } from '../use-task.ts'
import { Search } from './search.tsx'
import { addressOf } from './use-route.ts'
import type { Sessions } from './use-sessions.ts'

interface SidebarProps {
  readonly account: Account
  readonly organization: Membership
  readonly sessions: Sessions
  readonly current: string
  readonly onNew: () => void
  readonly onJoin: () => void
}

export function Sidebar(props: SidebarProps) {
  const { account, organization, sessions, current, onNew, onJoin } = props
  const { busy, problem, run } = useTask()
  const { memberships, invitations, user } = account
  return (
    <nav className="sidebar" aria-label="Conversations">
      <label className="stacked">
        Organization
        <select
          value={organization.organization_id}
          disabled={busy}
          onChange={({ target }) => run(() => account.switchTo(Number(target.value)))}
        >
          {memberships
            .filter((one) => one.is_active)
            .map((one) => (
              <option key={one.organization_id} value={one.organization_id}>
                {one.name}
              </option>
            ))}
        </select>
      </label>
      {problem !== null && <Notice text={problem} />}
      <button type="button" className="primary with-icon" onClick={onNew}>
        <Icon name="new" /> New conversation
      </button>
      {organization.role !== 'guest' && <Search />}
      <SessionList sessions={sessions} current={current} user={user.id} />
      <div className="foot">
        {organization.role !== 'guest' && <a href="#/console">Console</a>}
        <button type="button" className="quiet" onClick={onJoin}>
          {invitations.length > 0 ? `Invitations (${invitations.length})` : 'New organization'}
        </button>
        <button type="button" className="quiet" onClick={() => run(account.signOut)}>
          Sign out <bdi>{user.email}</bdi>
        </button>
      </div>
    </nav>
  )
}

interface SessionListProps {
  readonly sessions: Sessions
  readonly current: string
  /** The id of the person. */
  readonly user: string
}

function SessionList({ sessions, current, user }: SessionListProps) {
  const { list, problem, more, reload } = sessions
  if (problem !== null) return <Notice text={problem} action="Try again" onAction={reload} />
  if (list === undefined) return <Waiting />
  return (
    <div className="sessions">
      {list.length === 0 && <p className="hint">No conversation yet.</p>}
      <ul>
        {list.map(({ id, title, user_id }) => (
          <li key={id}>
            <a href={addressOf(id)} aria-current={id === current ? 'page' : undefined}>
              <bdi>{title ?? 'Untitled'}</bdi>
              {user_id !== user && <span className="tag">shared</span>}
            </a>
          </li>
        ))}
      </ul>
      {more && (
        <button type="button" className="quiet" onClick={more}>
          Older conversations
        </button>
      )}
    </div>
  )
}
