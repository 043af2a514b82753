import { invitationToken } from '../plant/special.ts'
import { actorNamed, ignoreUndo, Undo, wrong, type Check } from './scene.ts'

/** Invitations, break-glass grants, ownership. */
export const access = {
  'an invitation serves once, in time, and the person it names': async ({ world, as }) => {
    const accept = (who: string, kind: string) =>
      as(who, `select public.accept_invitation('${invitationToken('a', kind)}')`)
    const problems: string[] = []
    for (const kind of ['of another', 'expired', 'used', 'revoked']) {
      const { error } = await accept('invited person', kind)
      problems.push(
        ...wrong(
          error?.includes('invalid_invitation') !== true,
          `one that is ${kind} serves: ${error}`,
        ),
      )
    }
    const stranger = await accept('owner of the other', 'pending')
    const first = await accept('invited person', 'pending')
    const second = await accept('invited person', 'pending')
    return [
      ...problems,
      ...wrong(stranger.error?.includes('invalid_invitation') !== true, 'a stranger may use it'),
      ...wrong(
        first.error !== undefined,
        `it does not serve at all: ${first.error} in ${world.a.organizationId}`,
      ),
      ...wrong(second.error?.includes('invalid_invitation') !== true, 'it serves twice'),
    ]
  },

  'a grant ends with its time and with its administrator': async ({ tx, as }) => {
    const name = 'platform administrator on content'
    const sees = async () =>
      ((await as(name, 'select id from public.chat_sessions')).rows ?? []).length > 0
    const problems = wrong(!(await sees()), 'it never gave a view')
    for (const [event, change] of Object.entries({
      'its time': `update public.user_sessions set access_expires_at = now() where access_grant_id is not null`,
      'its end': `update client_mgmt.access_grants set ended_at = now()`,
      'its administrator': `update public.platform_admins set is_active = false`,
    })) {
      await tx
        .savepoint(async (inner) => {
          if (event === 'its time')
            await inner`alter table public.user_sessions disable trigger user_sessions_derive_access`
          await inner.unsafe(change)
          problems.push(...wrong(await sees(), `it outlives ${event}`))
          throw new Undo()
        })
        .catch(ignoreUndo)
    }
    const long = await as(
      'platform administrator',
      `select public.open_break_glass(1, 'A very good reason', 'content', 25)`,
    )
    return [...problems, ...wrong(long.error === undefined, 'it may last longer than a day')]
  },

  'an organization keeps an owner': async ({ world, as }) => {
    const { userId } = actorNamed(world, 'owner')
    const answers = [
      await as('owner', 'select public.leave_organization()'),
      await as('owner', `select public.set_member_role('${userId}', 'member')`),
      await as('owner', `select public.remove_member('${userId}')`),
    ]
    return answers.flatMap(({ error }) =>
      wrong(error?.includes('last_owner') !== true, `gave ${error ?? 'no error'}`),
    )
  },
} satisfies Record<string, Check>
