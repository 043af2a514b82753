import '../style/console.css'
import type { Account, Membership } from '../account/use-account.ts'
import { dataOf, useBackend } from '../backend.ts'
import { Boundary } from '../boundary.tsx'
import { Notice } from '../notice.tsx'
import { useRead } from '../pieces/use-read.ts'
import { Shell } from '../shell.tsx'
import { useHash } from '../use-hash.ts'
import { type Member, MemberContext } from './member.ts'
import { Platform } from './platform.tsx'
import { views } from './views.ts'

interface ConsoleProps {
  readonly account: Account
  /** Null: a person who belongs to none may still run the platform. */
  readonly organization: Membership | null
}

/** What an organization has and does, for its members; and the platform, for its administrators. */
export function Console({ account, organization }: ConsoleProps) {
  const { supabase } = useBackend()
  const wanted = /^#\/console\/(\w+)$/.exec(useHash())?.[1]
  const isMember = organization !== null && organization.role !== 'guest'
  const can = (permission: string) => organization?.permissions.includes(permission) === true
  const platform = useRead(async () => dataOf(await supabase.rpc('platform_organizations')))
  const own = isMember ? views.filter(({ needs }) => needs === undefined || can(needs)) : []
  const shown = [
    ...own.map(({ name, title }) => ({ name, title })),
    ...(platform.data ? [{ name: 'platform', title: 'Platform' }] : []),
  ]
  const name = wanted ?? shown[0]?.name ?? ''
  const view = own.find((one) => one.name === name)
  const title = shown.find((one) => one.name === name)?.title ?? 'Console'
  const member: Member | null = isMember ? { user: account.user, organization, can } : null

  return (
    <Shell
      title={title}
      part="view"
      side="Views"
      shown={name}
      nav={() => (
        <nav className="sidebar" aria-label="Views">
          <bdi>{organization?.name ?? 'Platform'}</bdi>
          <div className="sessions nav-links">
            {shown.map((one) => (
              <a
                key={one.name}
                href={`#/console/${one.name}`}
                aria-current={one.name === name ? 'page' : undefined}
              >
                {one.title}
              </a>
            ))}
          </div>
          <div className="foot">
            <a href="#/">Conversations</a>
          </div>
        </nav>
      )}
    >
      <div className="console">
        <Boundary key={name} text="This view cannot be shown. Reload the page.">
          <div className="sections">
            {name === 'platform' && platform.data ? (
              <Platform reading={platform} />
            ) : view && member ? (
              <MemberContext value={member}>
                <view.Page />
              </MemberContext>
            ) : (
              (platform.data ?? platform.problem ?? null) !== null && (
                <Notice text="You may not open this view. Ask an owner or administrator of the organization." />
              )
            )}
          </div>
        </Boundary>
      </div>
    </Shell>
  )
}
