import { reader } from '../rules.ts'
import { touched } from './triggers.ts'
import type { RelationExpectation } from './types.ts'

const read = { select: '*' }

/** What readers think of the answers. */
export const feedback: Readonly<Record<string, RelationExpectation>> = {
  'conversation.message_feedback': {
    grants: { authenticated: read, service_role: read },
    select: reader,
    policies: ['select_reader'],
    triggers: touched('message_feedback'),
    references: {
      'organization_id session_id message_id': 'public.chat_messages',
      'organization_id execution_id': 'public.agent_executions',
      'organization_id user_id': 'client_mgmt.client_users',
    },
  },
}
