import { searched } from './lenses.ts'
import { all, any, holding, is, member, reader } from '../rules.ts'
import { perStatement, touched, trigger } from './triggers.ts'
import type { RelationExpectation } from './types.ts'

const read = { select: '*' }
const everything = { select: '*', insert: '*', update: '*', delete: true } as const

/** The messages of conversations, and what people told the model about one. */
export const messages: Readonly<Record<string, RelationExpectation>> = {
  'public.chat_messages': {
    grants: { authenticated: read, service_role: everything },
    select: reader,
    policies: ['select_reader'],
    triggers: {
      ...searched('chat_messages'),
      ...perStatement('chat_messages', 'remove_files', 'remove_files()', ['delete']),
      ...trigger(
        'chat_messages_depth',
        'BEFORE INSERT OR UPDATE OF parent_id, depth',
        'set_message_depth()',
      ),
      ...trigger('chat_messages_forget_author', 'BEFORE UPDATE OF author_id', 'forget_author()'),
    },
    references: {
      'organization_id author_id': 'client_mgmt.client_users',
      'organization_id session_id': 'public.chat_sessions',
      'organization_id user_id': 'client_mgmt.client_users',
      'organization_id session_id parent_id': 'public.chat_messages',
    },
  },
  'conversation.hand_back_notes': {
    grants: { authenticated: read, service_role: read },
    select: all(
      member,
      holding('sessions.answer'),
      any(is('visibility', 'organization'), is('of_guest', true)),
    ),
    policies: ['select_answerer'],
    triggers: touched('hand_back_notes'),
    references: {
      'organization_id session_id': 'public.chat_sessions',
      'organization_id author_id': 'client_mgmt.client_users',
    },
  },
}
