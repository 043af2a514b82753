import type { Caller } from '../auth/access-token.ts'
import type { Database, Db } from '../database.ts'

/**
 * The caller's client. A guest's executions begin and start through the service role, which acts as the
 * session and in the organization of the verified token: the database answers with the organization's prompts and models, and a
 * guest who calls these functions without us must not read them.
 */
export function clientFor(database: Database, caller: Caller): Db {
  const db = database.forCaller(caller.accessToken)
  if (!caller.isGuest) return db
  const { sessionId: user_session_id, organizationId: organization_id } = caller
  return {
    ...db,
    call(name, args) {
      const given = { user_session_id, organization_id, ...args } as never
      switch (name) {
        case 'begin_execution':
          return database.admin.call('begin_execution_as', given) as never
        case 'start_execution':
          return database.admin.call('start_execution_as', given) as never
        default:
          return db.call(name, args)
      }
    },
  }
}
