import { all, any, holding, manager, member, self } from '../rules.ts'
import { perStatement, touched } from './triggers.ts'
import type { RelationExpectation } from './types.ts'

/** The triggers that keep the words of a table's rows. */
export const searched = (table: string) =>
  perStatement(table, 'words', 'index_words()', ['insert', 'update'])

const read = { select: '*' }
const everything = { select: '*', insert: '*', update: '*', delete: true } as const
const manage = manager('projects.manage')
const ownPersona = all(member, self, holding('agents.invoke'))

/** Personas, and where imported content comes from. */
export const analysis: Readonly<Record<string, RelationExpectation>> = {
  'conversation.participants': {
    kept: 'user_id',
    grants: {
      authenticated: {
        select: '*',
        insert: 'user_id name type patterns_metadata',
        update: 'name type patterns_metadata',
        delete: true,
      },
      service_role: everything,
    },
    select: member,
    insert: any(manage, ownPersona),
    update: any(manage, ownPersona),
    delete: manage,
    guard: 'projects.manage agents.invoke',
    policies: [
      'select_member',
      'insert_manager_or_self',
      'update_manager_or_self',
      'delete_manager',
    ],
    triggers: {
      ...touched('participants'),
      ...perStatement('participants', 'at_most', 'bound_own_personas()', ['insert']),
    },
    references: {
      organization_id: 'public.organizations',
      'organization_id user_id': 'client_mgmt.client_users',
    },
    aboutOthers: true,
  },
  'private.search_words': {
    grants: {},
    references: {
      organization_id: 'public.organizations',
      'organization_id session_id message_id': 'public.chat_messages',
      'organization_id turn_id': 'conversation.turns',
      'organization_id result_id': 'conversation.block_lens_version',
    },
  },
  'conversation.turn_sources': {
    grants: { authenticated: read, service_role: read },
    select: member,
    policies: ['select_member'],
    references: {
      'organization_id turn_id': 'conversation.turns',
      'organization_id block_id': 'conversation.blocks',
    },
  },
}
