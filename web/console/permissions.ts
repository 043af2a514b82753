/** The roles that a member may have; one acts on nobody above their own. */
export const roles = ['owner', 'admin', 'member', 'guest'] as const

/** Every permission; the database knows what each role has by itself. */
export const permissions = [
  ...['agents.invoke', 'agents.manage', 'mcp.manage', 'prompts.manage', 'members.manage'],
  ...['billing.manage', 'audit.read', 'projects.manage', 'sessions.answer', 'content.read_all'],
] as const
