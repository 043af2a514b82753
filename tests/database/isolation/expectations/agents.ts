import { any, anyMember, manager, member, platformWide } from '../rules.ts'
import { audited, checked, inUse, settled, touched, trigger } from './triggers.ts'
import type { RelationExpectation } from './types.ts'

const read = { select: '*' }
const everything = { select: '*', insert: '*', update: '*', delete: true } as const
const shared = any(member, platformWide)
const manage = manager('agents.manage')
const managed = { insert: manage, update: manage, delete: manage }
const managerPolicies = ['select_member', 'insert_manager', 'update_manager', 'delete_manager']

/** Keys of a configuration beside the parameters of a call. */
const configKeys = ['location', 'max_tokens_parameter', 'max_steps', 'tools']

/** Agents, models, what is measured of them, and preferences. */
export const agents: Readonly<Record<string, RelationExpectation>> = {
  'public.agents': {
    kept: 'type',
    grants: {
      authenticated: {
        select: '*',
        insert: 'name type description instructions enabled open_to_guests config',
        update: 'name description instructions enabled open_to_guests config',
        delete: true,
      },
      service_role: everything,
    },
    select: shared,
    ...managed,
    guard: 'agents.manage',
    policies: managerPolicies,
    triggers: {
      ...audited('agents', 'agent', 'id', ['instructions']),
      ...touched('agents'),
      ...settled('agents', 'config', 'provider', ...configKeys),
      ...inUse('agents'),
    },
    keptBy: {
      'public.chat_sessions': 'agent_id',
      'public.agent_executions': 'agent_id',
      'public.agent_metrics': 'agent_id',
    },
    references: { organization_id: 'public.organizations' },
  },
  'public.models': {
    kept: 'agent_id provider model_id',
    grants: {
      authenticated: {
        select: '*',
        insert:
          'agent_id name display_name description provider model_id enabled priority capabilities context_tokens config',
        update: 'name display_name description enabled priority capabilities context_tokens config',
        delete: true,
      },
      service_role: everything,
    },
    select: shared,
    ...managed,
    guard: 'agents.manage',
    policies: managerPolicies,
    triggers: {
      ...audited('models', 'model'),
      ...touched('models'),
      ...settled('models', 'config', ...configKeys),
      ...checked('models', 'organization_id, agent_id'),
      ...inUse('models'),
    },
    keptBy: { 'public.chat_sessions': 'model_id', 'public.agent_executions': 'model_id' },
    references: { organization_id: 'public.organizations', agent_id: 'public.agents' },
  },
  'public.agent_health': {
    grants: { authenticated: read, service_role: read },
    select: member,
    policies: ['select_member'],
    triggers: {
      ...touched('agent_health'),
      ...checked('agent_health', 'organization_id, agent_id'),
    },
    references: { organization_id: 'public.organizations', agent_id: 'public.agents' },
  },
  'public.agent_metrics': {
    grants: { authenticated: read, service_role: read },
    select: member,
    policies: ['select_member'],
    triggers: {
      ...touched('agent_metrics'),
      ...checked('agent_metrics', 'organization_id, agent_id'),
    },
    references: { organization_id: 'public.organizations', agent_id: 'public.agents' },
  },
  'public.circuit_breaker_state': {
    grants: { service_role: read },
    triggers: {
      ...touched('circuit_breaker_state'),
      ...checked('circuit_breaker_state', 'organization_id, agent_id, model_id'),
    },
    references: {
      organization_id: 'public.organizations',
      agent_id: 'public.agents',
      model_id: 'public.models',
    },
  },
  'public.v_agent_status': {
    grants: { authenticated: read, service_role: read },
    select: shared,
    key: ['agent_id'],
  },
  'public.preference_types': {
    grants: { authenticated: read, service_role: { select: '*', insert: '*', update: '*' } },
    select: anyMember,
    policies: ['select_member'],
  },
  'public.client_schemas': {
    grants: { authenticated: read, service_role: { select: '*', insert: '*', delete: true } },
    select: member,
    policies: ['select_member'],
    triggers: touched('client_schemas'),
    references: { organization_id: 'public.organizations' },
  },
  'public.client_schema_preferences': {
    kept: 'client_schema_id preference_type_id',
    grants: {
      authenticated: {
        select: '*',
        insert: 'client_schema_id preference_type_id preference_value',
        update: 'preference_value',
        delete: true,
      },
      service_role: everything,
    },
    select: member,
    ...managed,
    guard: 'agents.manage',
    policies: managerPolicies,
    triggers: {
      ...audited('client_schema_preferences', 'preference'),
      ...touched('client_schema_preferences'),
      ...trigger(
        'client_schema_preferences_check',
        'BEFORE INSERT OR UPDATE OF preference_value',
        'check_preference()',
      ),
    },
    references: {
      'organization_id client_schema_id': 'public.client_schemas',
      preference_type_id: 'public.preference_types',
    },
  },
}
