import { rankOf } from '../actors.ts'
import { invitationToken } from '../plant/special.ts'
import {
  account,
  anywhere,
  holds,
  idOf,
  inOrganization,
  ofA,
  person,
  reason,
  rpc,
  runsPlatform,
} from './rpc.ts'
import type { RoutineExpectation } from './types.ts'

/** Functions about organizations, memberships, sessions and the platform. */
export const peopleRoutines: Readonly<Record<string, RoutineExpectation>> = {
  ...rpc('create_organization(text, text)', {
    allowed: account,
    entersTenant: true,
    example: () => ({ name: 'Fresh', slug: 'fresh-slug' }),
    // Public handles are unique on the whole platform: the one documented oracle.
    oracle: 'slug',
  }),
  ...rpc('switch_organization(bigint)', {
    allowed: account,
    example: (world, actor) => ({
      organization_id: actor.tenant === 'b' ? world.b.organizationId : world.a.organizationId,
    }),
  }),
  ...rpc('accept_invitation(text)', {
    allowed: account,
    entersTenant: true,
    example: () => ({ token: invitationToken('a', 'pending') }),
    control: 'invited person',
  }),
  ...rpc('join_organization(text)', {
    allowed: account,
    entersTenant: true,
    example: (world) => ({
      slug:
        world.rows.get('public.organizations')?.find(({ id }) => id === world.a.organizationId)
          ?.slug ?? null,
    }),
    control: 'invited person',
  }),
  ...rpc('my_organizations()', {
    allowed: account,
    empty: true,
    crossesTenants: true,
    // The names of the caller's own organizations, with any of them active.
    reveals: ['public.organizations.name', 'public.organizations.slug'],
  }),
  ...rpc('my_invitations()', {
    allowed: account,
    empty: true,
    reveals: ['public.organizations.name', 'public.users.email', 'public.users.display_name'],
  }),
  ...rpc('accept_my_invitation(bigint)', {
    allowed: account,
    entersTenant: true,
    example: (world) => ({
      id: idOf(
        world,
        'client_mgmt.invitations',
        (row) =>
          ofA(world)(row) &&
          row.email === world.others.find(({ key }) => key === 'invited person')?.email &&
          row.accepted_at === null &&
          row.revoked_at === null,
      ),
    }),
    control: 'invited person',
  }),
  ...rpc('organization_members()', {
    empty: true,
    allowed: inOrganization,
    reveals: ['public.users.email', 'public.users.display_name'],
  }),
  ...rpc('invite_member(text, text)', {
    allowed: holds('members.manage'),
    example: () => ({ email: 'fresh@example.com', role: 'member' }),
  }),
  ...rpc('revoke_invitation(bigint)', {
    allowed: holds('members.manage'),
    example: (world) => ({
      id: idOf(
        world,
        'client_mgmt.invitations',
        (row) => ofA(world)(row) && row.revoked_at === null && row.accepted_at === null,
      ),
    }),
  }),
  ...rpc('set_member_role(uuid, text, text[])', {
    allowed: holds('members.manage'),
    example: (world) => ({
      user_id: person(world, 'member with audit.read'),
      role: 'member',
      permissions: [],
    }),
  }),
  ...rpc('remove_member(uuid)', {
    allowed: holds('members.manage'),
    example: (world) => ({ user_id: person(world, 'member with audit.read') }),
  }),
  'public.has_permission(text)': {
    executors: ['authenticated'],
    definer: false,
    example: () => ({ permission: 'agents.invoke' }),
  },
  ...rpc('leave_organization()', { allowed: anywhere, example: () => ({}) }),
  ...rpc('list_sessions()', { allowed: account, empty: true }),
  ...rpc('revoke_session(uuid)', { allowed: account }),
  // A member who has signed in, and no one else: the ranks of a key and of a grant are none.
  ...rpc('create_api_key(text, text[], timestamp with time zone)', {
    allowed: ({ rank }) => rank > rankOf('guest'),
    example: () => ({ name: 'server', permissions: ['agents.invoke'], expires_at: null }),
  }),
  ...rpc('rotate_api_key(uuid, timestamp with time zone, timestamp with time zone)', {
    allowed: ({ rank }) => rank > rankOf('guest'),
  }),
  ...rpc('revoke_api_key(uuid)', { allowed: inOrganization }),
  ...rpc('list_api_keys()', {
    allowed: inOrganization,
    empty: true,
    reveals: ['private.api_keys.name', 'private.api_key_secrets.prefix'],
  }),
  'private.note_api_key_use()': { executors: ['authenticated'], definer: true },
  ...rpc('create_schedule(text, text, text, text, text, jsonb)', {
    allowed: (actor) => holds('agents.invoke')(actor) && actor.rank > rankOf('guest'),
    example: () => ({
      name: 'report',
      agent: 'droid',
      message: 'report',
      cron: '0 8 * * *',
      time_zone: 'UTC',
      prompt: null,
    }),
  }),
  ...rpc('pause_schedule(uuid)', { allowed: ({ rank }) => rank > rankOf('guest') }),
  ...rpc('resume_schedule(uuid)', {
    allowed: (actor) => holds('agents.invoke')(actor) && actor.rank > rankOf('guest'),
  }),
  ...rpc('delete_schedule(uuid)', { allowed: ({ rank }) => rank > rankOf('guest') }),
  ...rpc('list_schedules()', {
    allowed: inOrganization,
    empty: true,
    reveals: ['name', 'agent', 'message', 'prompt', 'cron', 'time_zone'].map(
      (column) => `private.schedules.${column}`,
    ),
  }),
  ...rpc('list_schedule_runs(uuid)', { allowed: inOrganization, empty: true }),
  ...rpc('platform_organizations()', {
    allowed: runsPlatform,
    control: 'platform administrator',
    crossesTenants: true,
    example: () => ({}),
    reveals: ['public.organizations.name', 'public.organizations.slug'],
  }),
  ...rpc('set_organization_active(bigint, boolean, text)', {
    allowed: runsPlatform,
    control: 'platform administrator',
    crossesTenants: true,
    example: (world) => ({ organization_id: world.a.organizationId, is_active: false, reason }),
  }),
  ...rpc('appoint_owner(bigint, uuid, text)', {
    allowed: runsPlatform,
    crossesTenants: true,
  }),
  ...rpc('set_account_active(uuid, boolean, text)', {
    allowed: runsPlatform,
    control: 'platform administrator',
    crossesTenants: true,
    example: (world) => ({ user_id: person(world, 'member'), is_active: false, reason }),
  }),
  ...rpc('open_break_glass(bigint, text, text, numeric)', {
    allowed: runsPlatform,
    control: 'platform administrator',
    crossesTenants: true,
    example: (world) => ({
      organization_id: world.a.organizationId,
      reason,
      scope: 'content',
      hours: 1,
    }),
  }),
  ...rpc('close_break_glass(bigint)', { allowed: account }),
}
