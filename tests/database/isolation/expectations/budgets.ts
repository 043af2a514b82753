import { all, any, holding, manager, member, platformWide, self } from '../rules.ts'
import { audited, touched } from './triggers.ts'
import type { RelationExpectation } from './types.ts'

const read = { select: '*' }
const readOnly = { authenticated: read, service_role: read }
const billing = manager('billing.manage')
const ofOrganization = { organization_id: 'public.organizations' }
const ofCounter = { 'organization_id budget_id period_start': 'client_mgmt.budget_counters' }

/** Money and limits: what things cost, what may be spent, what was. */
export const budgets: Readonly<Record<string, RelationExpectation>> = {
  'client_mgmt.model_prices': {
    grants: {
      authenticated: {
        select: '*',
        insert:
          'provider model_id valid_from input_per_million output_per_million cached_input_per_million',
        delete: true,
      },
      service_role: { select: '*', insert: '*' },
    },
    select: any(member, platformWide),
    insert: billing,
    delete: billing,
    guard: 'billing.manage',
    policies: ['select_member', 'insert_billing', 'delete_billing'],
    triggers: audited('model_prices', 'model_price', 'id', [], ['insert', 'delete']),
    references: ofOrganization,
  },
  'client_mgmt.budgets': {
    kept: 'project_id user_id period',
    grants: {
      authenticated: {
        select: '*',
        insert: 'project_id user_id period limit_usd limit_tokens warn_at',
        update: 'limit_usd limit_tokens warn_at',
        delete: true,
      },
      service_role: { select: '*', insert: '*', update: '*', delete: true },
    },
    select: all(member, any(self, holding('billing.manage'))),
    insert: billing,
    update: billing,
    delete: billing,
    guard: 'billing.manage',
    policies: ['select_billing', 'insert_billing', 'update_billing', 'delete_billing'],
    triggers: { ...audited('budgets', 'budget'), ...touched('budgets') },
    references: {
      ...ofOrganization,
      'organization_id project_id': 'client_mgmt.projects',
      'organization_id user_id': 'client_mgmt.client_users',
    },
    aboutOthers: true,
  },
  'client_mgmt.budget_counters': {
    grants: readOnly,
    select: all(member, any(self, holding('billing.manage'))),
    policies: ['select_billing'],
    triggers: touched('budget_counters'),
    references: { 'organization_id budget_id': 'client_mgmt.budgets' },
  },
  'client_mgmt.budget_reservations': {
    grants: readOnly,
    select: billing,
    policies: ['select_billing'],
    references: ofCounter,
  },
  'client_mgmt.budget_alerts': {
    grants: readOnly,
    select: billing,
    policies: ['select_billing'],
    references: ofCounter,
  },
  'client_mgmt.usage_ledger': {
    grants: readOnly,
    // A caller that begins also ends the executions of dead workers in the organization.
    aboutOthers: true,
    select: all(member, any(self, holding('billing.manage'))),
    policies: ['select_self_or_billing'],
  },
  'client_mgmt.organization_limits': {
    grants: {
      authenticated: read,
      service_role: {
        select: '*',
        update:
          'max_concurrent_executions max_concurrent_per_user requests_per_minute ' +
          'requests_per_minute_per_user tokens_per_minute tokens_per_minute_per_user ' +
          'max_concurrent_per_end_user requests_per_minute_per_end_user tokens_per_minute_per_end_user ' +
          'changes_per_minute changes_per_minute_per_user stored_bytes stored_bytes_per_user ' +
          'max_guests joins_per_minute max_concurrent_per_guest requests_per_minute_per_guest ' +
          'tokens_per_minute_per_guest changes_per_minute_per_guest stored_bytes_per_guest',
      },
    },
    select: member,
    policies: ['select_member'],
    triggers: touched('organization_limits'),
    references: ofOrganization,
  },
  'private.platform_limits': { grants: {} },
  'private.table_bounds': { grants: {} },
  'private.quota_use': {
    grants: {},
    references: { ...ofOrganization, table_name: 'private.table_bounds' },
  },
  'private.quota_returns': {
    grants: {},
    references: { 'organization_id quota_use_id': 'private.quota_use' },
  },
  'private.execution_callers': {
    grants: {},
    references: { 'organization_id execution_id': 'public.agent_executions' },
  },
  'private.change_windows': { grants: {} },
  'private.stored_returns': {
    grants: {},
    references: { 'organization_id rate_window_id': 'private.rate_windows' },
  },
  'private.rate_windows': {
    grants: {},
    references: { ...ofOrganization, 'organization_id user_id': 'client_mgmt.client_users' },
  },
}
