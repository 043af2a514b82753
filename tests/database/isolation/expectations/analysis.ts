import { all, any, holding, manager, member, self } from '../rules.ts'
import { lenses, searched } from './lenses.ts'
import { audited, inUse, perStatement, touched } from './triggers.ts'
import type { RelationExpectation } from './types.ts'

const read = { select: '*' }
const everything = { select: '*', insert: '*', update: '*', delete: true } as const
const manage = manager('projects.manage')
const ownPersona = all(member, self, holding('agents.invoke'))
const managed = { insert: manage, update: manage, delete: manage }
const managerPolicies = ['select_member', 'insert_manager', 'update_manager', 'delete_manager']
const ofOrganization = { organization_id: 'public.organizations' }

/** After each statement the places of a block are 1, 2, 3 … */
const ordered = (event: string, rows: 'NEW' | 'OLD') => ({
  [`block_turns_order_${event}`]:
    `AFTER ${event.toUpperCase()} REFERENCING ${rows} TABLE AS changed_rows ` +
    'FOR EACH STATEMENT EXECUTE FUNCTION private.check_block_order()',
})

/** The analysis of content: participants, blocks, turns, lenses and their results. */
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
      ...audited('participants', 'participant'),
      ...touched('participants'),
      ...inUse('participants'),
      ...perStatement('participants', 'at_most', 'bound_own_personas()', ['insert']),
    },
    keptBy: { 'conversation.turns': 'participant_id' },
    references: { ...ofOrganization, 'organization_id user_id': 'client_mgmt.client_users' },
    aboutOthers: true,
  },
  'conversation.blocks': {
    kept: 'project_id',
    grants: {
      authenticated: {
        select: '*',
        insert: 'project_id name type metadata',
        update: 'name type metadata',
        delete: true,
      },
      service_role: everything,
    },
    // tests/database/content/block-readers.test.ts has the chosen ones.
    select: member,
    ...managed,
    guard: 'projects.manage',
    policies: managerPolicies,
    triggers: touched('blocks'),
    references: { ...ofOrganization, 'organization_id project_id': 'client_mgmt.projects' },
  },
  'conversation.block_readers': {
    grants: { authenticated: read, service_role: read },
    select: member,
    policies: ['select_member'],
    references: {
      'organization_id block_id': 'conversation.blocks',
      'organization_id user_id': 'client_mgmt.client_users',
    },
    aboutOthers: true,
  },
  'conversation.turns': {
    kept: 'participant_id',
    grants: {
      authenticated: {
        select: '*',
        insert: 'participant_id content timestamp metadata',
        update: 'content timestamp metadata',
        delete: true,
      },
      service_role: everything,
    },
    select: member,
    ...managed,
    guard: 'projects.manage',
    policies: managerPolicies,
    triggers: { ...touched('turns'), ...searched('turns') },
    references: {
      ...ofOrganization,
      'organization_id participant_id': 'conversation.participants',
    },
  },
  'private.search_words': {
    grants: {},
    triggers: perStatement('search_words', 'queue', 'queue_embedding()', ['insert']),
    references: {
      organization_id: 'public.organizations',
      'organization_id session_id message_id': 'public.chat_messages',
      'organization_id turn_id': 'conversation.turns',
      'organization_id result_id': 'conversation.block_lens_version',
    },
  },
  'private.search_models': { grants: {}, references: ofOrganization },
  'private.search_reindexing': { grants: {}, references: ofOrganization },
  'private.search_vectors': {
    grants: {},
    references: {
      'organization_id item_id': 'private.search_words',
      'organization_id model': 'private.search_models',
    },
  },
  'private.embedding_queue': {
    grants: {},
    references: { 'organization_id item_id': 'private.search_words' },
  },
  'private.embedding_batches': {
    grants: {},
    references: { 'organization_id model': 'private.search_models' },
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
  'conversation.block_turns': {
    kept: 'block_id turn_id',
    grants: {
      authenticated: {
        select: '*',
        insert: 'block_id turn_id sequence_order',
        update: 'sequence_order',
        delete: true,
      },
      service_role: everything,
    },
    select: member,
    ...managed,
    guard: 'projects.manage',
    policies: managerPolicies,
    triggers: {
      ...ordered('insert', 'NEW'),
      ...ordered('update', 'NEW'),
      ...ordered('delete', 'OLD'),
      block_turns_restrict_insert:
        'AFTER INSERT REFERENCING NEW TABLE AS changed_rows FOR EACH STATEMENT ' +
        'EXECUTE FUNCTION private.restrict_turns()',
    },
    references: {
      'organization_id block_id': 'conversation.blocks',
      'organization_id turn_id': 'conversation.turns',
    },
  },
  ...lenses,
  'conversation.participant_users': {
    grants: { authenticated: read, service_role: read },
    select: member,
    key: ['id'],
    // What organization_members() tells members of each other.
    reveals: ['public.users.email', 'public.organizations.name'],
  },
  'conversation.project_blocks': {
    grants: { authenticated: read, service_role: read },
    select: member,
    key: ['id'],
    reveals: ['public.organizations.name'],
  },
}
