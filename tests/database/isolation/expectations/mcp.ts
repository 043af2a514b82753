import { all, any, holding, is, manager, member, memberReader, self } from '../rules.ts'
import { audited, perStatement, touched, trigger } from './triggers.ts'
import type { RelationExpectation } from './types.ts'

const shared = is('user_id', null)
const ownServer = all(
  member,
  any(all(shared, holding('mcp.manage')), all(self, holding('agents.invoke'))),
)
const ofOrganization = { organization_id: 'public.organizations' }
const ofUser = { 'organization_id user_id': 'client_mgmt.client_users' }
const ofConnection = {
  ...ofUser,
  'organization_id mcp_configuration_id': 'public.mcp_configurations',
  'organization_id oauth_client_id': 'client_mgmt.oauth_clients',
}
const ofServer = {
  ...ofOrganization,
  'organization_id mcp_configuration_id': 'public.mcp_configurations',
}
const manage = manager('mcp.manage')
const tokens = ['access_token', 'refresh_token']
const settings =
  'name type endpoint command args env auth_type oauth_provider oauth_resource ' +
  'accept_new_tools accept_descriptions enabled'

/** MCP servers, what an organization says of them, and what connects to them. */
export const mcp: Readonly<Record<string, RelationExpectation>> = {
  'public.mcp_configurations': {
    kept: 'user_id',
    grants: {
      authenticated: {
        select: '*',
        insert: `user_id ${settings}`,
        update: settings,
        delete: true,
      },
      service_role: { select: '*' },
    },
    select: all(member, any(shared, self)),
    insert: ownServer,
    update: ownServer,
    delete: ownServer,
    guard: 'agents.invoke mcp.manage',
    policies: [
      'select_member',
      'insert_manager_or_self',
      'update_manager_or_self',
      'delete_manager_or_self',
    ],
    triggers: {
      ...audited('mcp_configurations', 'mcp_configuration', 'id', ['env', 'args']),
      ...touched('mcp_configurations'),
      ...trigger(
        'mcp_configurations_check_endpoint',
        'BEFORE INSERT OR UPDATE OF type, endpoint',
        'keep_mcp_endpoint()',
      ),
      ...trigger(
        'mcp_configurations_disconnect',
        'BEFORE UPDATE OF name, type, endpoint, auth_type, oauth_resource',
        'disconnect_changed_server()',
      ),
      ...trigger(
        'mcp_configurations_forget_endpoint',
        'AFTER DELETE OR UPDATE OF endpoint',
        'forget_mcp_endpoint()',
      ),
      ...trigger(
        'mcp_configurations_forget_tools',
        'AFTER UPDATE OF type, endpoint, auth_type',
        'forget_changed_server_tools()',
      ),
    },
    references: { ...ofOrganization, ...ofUser },
  },
  'private.mcp_bearer_tokens': {
    grants: {},
    references: { 'organization_id mcp_configuration_id': 'public.mcp_configurations' },
    secret: ['bearer_token'],
  },
  'private.mcp_endpoint_queries': {
    grants: {},
    references: { ...ofOrganization, ...ofUser },
    secret: ['query'],
  },
  'private.mcp_header_keys': {
    grants: {},
    references: { ...ofUser, 'organization_id mcp_configuration_id': 'public.mcp_configurations' },
    secret: ['sealed_value'],
    triggers: touched('mcp_header_keys'),
  },
  'public.effective_mcp_configurations': {
    grants: { authenticated: { select: '*' }, service_role: { select: '*' } },
    select: all(member, any(shared, self)),
    key: ['id'],
  },
  'client_mgmt.mcp_allowed_hosts': {
    grants: {
      authenticated: { select: '*', insert: 'host', delete: true },
      service_role: { select: '*' },
    },
    select: member,
    insert: manage,
    delete: manage,
    guard: 'mcp.manage',
    policies: ['select_member', 'insert_manager', 'delete_manager'],
    triggers: audited('mcp_allowed_hosts', 'mcp_allowed_host'),
    references: ofOrganization,
  },
  'client_mgmt.oauth_issuer_exceptions': {
    grants: {
      authenticated: { select: '*', insert: 'issuer exception reason', delete: true },
      service_role: { select: '*' },
    },
    select: manage,
    insert: manage,
    delete: manage,
    guard: 'mcp.manage',
    policies: ['select_manager', 'insert_manager', 'delete_manager'],
    triggers: audited('oauth_issuer_exceptions', 'oauth_issuer_exception'),
    references: ofOrganization,
  },
  'client_mgmt.oauth_clients': {
    grants: { authenticated: { select: '*', delete: true }, service_role: { select: '*' } },
    select: manage,
    delete: manage,
    guard: 'mcp.manage',
    policies: ['select_manager', 'delete_manager'],
    triggers: {
      ...audited('oauth_clients', 'oauth_client'),
      ...touched('oauth_clients'),
      ...trigger('oauth_clients_end_connections', 'BEFORE DELETE', 'end_connections_of_client()'),
    },
    references: ofOrganization,
  },
  'private.oauth_client_secrets': {
    grants: {},
    references: { 'organization_id oauth_client_id': 'client_mgmt.oauth_clients' },
    secret: ['client_secret'],
  },
  'public.oauth_states': {
    grants: {},
    references: ofConnection,
    secret: ['state', 'code_verifier', 'code', 'handle'],
  },
  'public.mcp_oauth_tokens': {
    grants: {},
    triggers: {
      ...audited('mcp_oauth_tokens', 'mcp_connection', 'id', tokens),
      ...touched('mcp_oauth_tokens'),
      ...trigger('mcp_oauth_tokens_revoke', 'AFTER DELETE', 'revoke_ended_connection()'),
    },
    references: ofConnection,
    secret: tokens,
  },
  'private.mcp_revocations': { grants: {}, references: {}, secret: ['client_secret', ...tokens] },
  'private.sealed_values': { grants: {} },
  'client_mgmt.mcp_tool_policies': {
    kept: 'mcp_configuration_id tool_name',
    grants: {
      authenticated: {
        select: '*',
        insert: 'mcp_configuration_id tool_name policy',
        update: 'policy',
        delete: true,
      },
      service_role: { select: '*' },
    },
    select: all(member, any(shared, self)),
    insert: ownServer,
    update: ownServer,
    delete: ownServer,
    guard: 'agents.invoke mcp.manage',
    policies: [
      'select_member',
      'insert_manager_or_self',
      'update_manager_or_self',
      'delete_manager_or_self',
    ],
    triggers: {
      ...touched('mcp_tool_policies'),
      ...perStatement('mcp_tool_policies', 'at_most', 'bound_tool_policies()', ['insert']),
      ...perStatement('mcp_tool_policies', 'audit', 'audit_mcp_tool_policy()', [
        'insert',
        'update',
        'delete',
      ]),
    },
    references: ofServer,
  },
  'client_mgmt.mcp_tools': {
    grants: { authenticated: { select: '*' }, service_role: { select: '*' } },
    select: all(member, any(shared, self)),
    policies: ['select_member'],
    triggers: touched('mcp_tools'),
    references: ofServer,
  },
  'client_mgmt.mcp_tool_listings': {
    grants: {},
    triggers: touched('mcp_tool_listings'),
    references: {
      ...ofUser,
      'organization_id mcp_configuration_id': 'public.mcp_configurations',
    },
  },
  // No guest's execution calls a tool.
  'conversation.tool_calls': {
    grants: { authenticated: { select: '*' }, service_role: { select: '*' } },
    select: memberReader,
    policies: ['select_reader'],
    triggers: trigger(
      'tool_calls_forget_elicitation',
      'AFTER UPDATE OF status',
      'forget_elicitation()',
    ),
    references: {
      'organization_id execution_id': 'public.agent_executions',
      'organization_id mcp_configuration_id': 'public.mcp_configurations',
    },
  },
  'conversation.tool_approvals': {
    grants: { authenticated: { select: '*' }, service_role: { select: '*' } },
    select: memberReader,
    policies: ['select_reader'],
    references: { 'organization_id execution_id tool_call_id': 'conversation.tool_calls' },
  },
  'conversation.tool_elicitations': {
    grants: { authenticated: { select: '*' }, service_role: { select: '*' } },
    select: memberReader,
    policies: ['select_reader'],
    references: { 'organization_id execution_id tool_call_id': 'conversation.tool_calls' },
  },
  'private.elicitation_secrets': {
    grants: {},
    references: { 'organization_id execution_id tool_call_id': 'conversation.tool_elicitations' },
    secret: ['request_state', 'answers'],
  },
}
