/** The tenants of a world: A acts, B must stay unseen; `none` are people of neither. */
export type Tenant = 'a' | 'b' | 'none'

export type Rank = 'owner' | 'admin' | 'member' | 'guest'

/** Someone to plant: an account and, unless `none`, a membership. */
export interface Person {
  key: string
  tenant: Tenant
  rank?: Rank
  /** Added to what the rank brings. */
  permissions?: readonly string[]
  /** Acts by an API key with these of their permissions, and has not signed in. */
  chosen?: readonly string[]
  /** The membership is over, the token is not. */
  ended?: boolean
  /** Also a member of B, where the token is not at work. */
  alsoInB?: true
  /** Was a member of A once, and left rows there. */
  wasMember?: true
  /** Runs the platform; a scope means: at work in A under a break-glass grant. */
  platform?: 'plain' | 'configuration' | 'content'
}

/** Design §3, written down a second time on purpose: the database is compared with it. */
export const permissionsOfRank: Readonly<Record<Rank, readonly string[]>> = {
  owner: [
    'agents.invoke',
    'agents.manage',
    'mcp.manage',
    'prompts.manage',
    'members.manage',
    'billing.manage',
    'audit.read',
    'projects.manage',
    'sessions.answer',
  ],
  admin: [
    'agents.invoke',
    'agents.manage',
    'mcp.manage',
    'prompts.manage',
    'members.manage',
    'audit.read',
    'projects.manage',
    'sessions.answer',
  ],
  member: ['agents.invoke'],
  guest: [],
}

export const allPermissions = [...permissionsOfRank.owner, 'content.read_all']

export const rankOf = (rank: string | null | undefined): number =>
  ['guest', 'member', 'admin', 'owner'].indexOf(rank ?? '') + 1

const holders: Person[] = allPermissions
  .filter((permission) => permission !== 'agents.invoke')
  .map((permission) => ({
    key: `member with ${permission}`,
    tenant: 'a',
    rank: 'member',
    permissions: [permission],
  }))

/** Everyone who is planted. The first of each tenant founds it. */
export const people: readonly Person[] = [
  { key: 'owner', tenant: 'a', rank: 'owner' },
  { key: 'administrator', tenant: 'a', rank: 'admin' },
  { key: 'member', tenant: 'a', rank: 'member' },
  { key: 'former member', tenant: 'a', rank: 'admin', ended: true },
  ...holders,
  {
    key: 'API key of an administrator',
    tenant: 'a',
    rank: 'admin',
    permissions: ['content.read_all'],
    chosen: ['agents.invoke', 'audit.read', 'members.manage', 'billing.manage'],
  },
  {
    key: 'API key of a former member',
    tenant: 'a',
    rank: 'admin',
    chosen: allPermissions,
    ended: true,
  },
  { key: 'member of both', tenant: 'a', rank: 'member', alsoInB: true },
  { key: 'guest', tenant: 'a', rank: 'guest' },
  { key: 'another guest', tenant: 'a', rank: 'guest' },
  { key: 'invited person', tenant: 'none' },
  { key: 'platform administrator', tenant: 'none', platform: 'plain' },
  { key: 'platform administrator on configuration', tenant: 'none', platform: 'configuration' },
  { key: 'platform administrator on content', tenant: 'none', platform: 'content' },
  {
    key: 'platform administrator who was a member',
    tenant: 'none',
    platform: 'content',
    wasMember: true,
  },
  { key: 'owner of the other', tenant: 'b', rank: 'owner' },
  { key: 'member of the other', tenant: 'b', rank: 'member' },
  { key: 'guest of the other', tenant: 'b', rank: 'guest' },
  { key: 'API key of the other', tenant: 'b', rank: 'admin', chosen: allPermissions },
]

/** Who makes a request, and all that the rules may know of them. */
export interface Actor {
  name: string
  role: 'anon' | 'authenticated' | 'service_role'
  tenant: Tenant
  userId: string | null
  /** Of the account that could act; null when the token gives nothing. */
  organizationId: number | null
  /** Where the account is a guest; a rule that does not ask for it is closed to guests. */
  guestOf: number | null
  permissions: ReadonlySet<string>
  rank: number
  /** The account that the token names is active, and its session not over. */
  hasAccount: boolean
  isPlatformAdministrator: boolean
  alsoInB: boolean
  claims: Readonly<Record<string, unknown>>
}

/** Ids of what was planted for a person. */
export interface PlantedPerson extends Person {
  id: string
  sessionId: string
  email: string
}

const nobody = {
  tenant: 'none',
  userId: null,
  organizationId: null,
  guestOf: null,
  permissions: new Set<string>(),
  rank: 0,
  hasAccount: false,
  isPlatformAdministrator: false,
  alsoInB: false,
} as const

/** Everyone who acts: the planted people, anon, the service role, and two with false claims. */
export function actorsOf(
  planted: readonly PlantedPerson[],
  organizations: { a: number; b: number },
): Actor[] {
  const named = planted.map((person) => actorOf(person, organizations))
  const liar = (name: string, of: string, organizationId: number): Actor => {
    const person = planted.find(({ key }) => key === of)
    if (person === undefined) throw new Error(`nobody is called ${of}`)
    const claims = { ...claimsOf(person, organizationId), organization_role: 'owner' }
    return {
      ...nobody,
      name,
      role: 'authenticated',
      tenant: person.tenant,
      userId: person.id,
      hasAccount: true,
      claims,
    }
  }
  return [
    { ...nobody, name: 'anon', role: 'anon', claims: { role: 'anon' } },
    { ...nobody, name: 'service role', role: 'service_role', claims: { role: 'service_role' } },
    ...named,
    liar('owner who claims the other', 'owner', organizations.b),
    liar('owner of the other who claims this', 'owner of the other', organizations.a),
  ]
}

function actorOf(person: PlantedPerson, organizations: { a: number; b: number }): Actor {
  const { key, tenant, rank, ended, platform, id, chosen } = person
  const underGrant = platform === 'configuration' || platform === 'content'
  const claimed = underGrant ? organizations.a : tenant === 'none' ? null : organizations[tenant]
  const active = ended !== true
  const all = rank === undefined ? [] : [...permissionsOfRank[rank], ...(person.permissions ?? [])]
  const held = chosen === undefined ? all : all.filter((one) => chosen.includes(one))
  return {
    name: key,
    role: 'authenticated',
    tenant,
    userId: id,
    organizationId: active && rank !== 'guest' ? claimed : null,
    guestOf: active && rank === 'guest' ? claimed : null,
    permissions: new Set(platform === 'content' ? ['content.read_all'] : active ? held : []),
    rank: active && chosen === undefined ? rankOf(rank) : 0,
    hasAccount: chosen === undefined,
    isPlatformAdministrator: platform !== undefined,
    alsoInB: person.alsoInB === true,
    claims: claimsOf(person, claimed),
  }
}

function claimsOf(
  { id, sessionId, email, rank, chosen }: PlantedPerson,
  organizationId: number | null,
) {
  return {
    role: 'authenticated',
    aud: 'authenticated',
    sub: id,
    // private.enter_api_key() makes claims without an address.
    ...(chosen === undefined && { email }),
    session_id: sessionId,
    ...(organizationId === null
      ? {}
      : { organization_id: organizationId, organization_role: rank ?? 'break_glass' }),
  }
}
