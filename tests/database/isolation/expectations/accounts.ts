import { all, is, manager, member, nobody, type Rule, self } from '../rules.ts'
import { appendOnly, audited, settled, touched, trigger } from './triggers.ts'
import type { RelationExpectation } from './types.ts'

const read = { select: '*' }
// For people who have signed in: an API key is none.
const ownAccount: Rule = (actor, row) => actor.hasAccount && row.id === actor.userId

/** Organizations, accounts, memberships, sessions, and the records of what was done. */
export const accounts: Readonly<Record<string, RelationExpectation>> = {
  'public.organizations': {
    grants: {
      authenticated: { select: '*', update: 'name settings' },
      service_role: { select: '*', update: 'name settings is_active' },
    },
    select: member,
    update: manager('members.manage'),
    guard: 'members.manage',
    policies: ['select_member', 'update_manager'],
    triggers: {
      ...audited('organizations', 'organization', 'id', [], ['insert', 'update']),
      ...touched('organizations'),
      ...settled('organizations', 'settings', 'guests_may_join', 'search_language', 'search_model'),
      ...trigger(
        'organizations_search_settings',
        'AFTER INSERT OR UPDATE OF settings',
        'follow_search_settings()',
      ),
      ...trigger('organizations_delete_content', 'BEFORE DELETE', 'delete_content()'),
      ...trigger('organizations_default_schema', 'AFTER INSERT', 'create_default_schema()'),
      ...trigger('organizations_limits', 'AFTER INSERT', 'create_organization_limits()'),
      ...trigger(
        'organizations_refresh_sessions',
        'AFTER UPDATE OF is_active',
        'refresh_session_access()',
      ),
    },
  },
  'public.users': {
    grants: {
      authenticated: { select: '*', update: 'display_name metadata' },
      service_role: { select: '*', update: 'display_name metadata is_active' },
    },
    select: ownAccount,
    update: ownAccount,
    policies: ['select_self', 'update_self'],
    triggers: {
      ...touched('users'),
      ...trigger('users_audit', 'AFTER UPDATE OF is_active', 'audit_account()'),
      ...trigger('users_abandon_organizations', 'BEFORE DELETE', 'close_ownerless_organizations()'),
      ...trigger('users_audit_erasure', 'BEFORE DELETE', 'audit_erasure()'),
      ...trigger('users_end_handling', 'AFTER UPDATE OF is_active', 'end_lost_handling()'),
      ...trigger('users_erase_invitations', 'BEFORE DELETE', 'erase_invitations()'),
      ...trigger('users_refresh_sessions', 'AFTER UPDATE OF is_active', 'refresh_session_access()'),
    },
    references: { id: 'auth.users', organization_id: 'public.organizations' },
  },
  'public.user_sessions': {
    grants: {
      authenticated: { select: '*', update: 'workspace_path system_prompt session_metadata' },
      service_role: read,
    },
    // An API key is no session of a person's device.
    select: all(member, self, is('key_permissions', null)),
    // A session under a break-glass grant only reads.
    update: all(member, self, is('access_grant_id', null), is('key_permissions', null)),
    guard: '',
    policies: ['select_self', 'update_self'],
    triggers: {
      ...touched('user_sessions'),
      ...trigger(
        'user_sessions_derive_access',
        'BEFORE INSERT OR UPDATE OF organization_id, user_id, access_grant_id, key_permissions, role, permissions, is_active, access_expires_at',
        'derive_session_access()',
      ),
      ...trigger('user_sessions_keep_newest', 'AFTER INSERT', 'keep_newest_sessions()'),
    },
    references: { organization_id: 'public.organizations', user_id: 'public.users' },
    aboutOthers: true,
  },
  'public.active_user_sessions': {
    grants: { authenticated: read, service_role: read },
    select: all(member, self, (_, row) => row.role !== 'api_key'),
    key: ['id'],
  },
  'client_mgmt.client_users': {
    grants: { authenticated: read, service_role: read },
    select: member,
    policies: ['select_member'],
    triggers: {
      ...audited('client_users', 'membership', 'user_id'),
      ...touched('client_users'),
      ...trigger(
        'client_users_disconnect',
        'AFTER UPDATE OF ended_at',
        'disconnect_former_member()',
      ),
      ...trigger(
        'client_users_end_handling',
        'AFTER UPDATE OF role, permissions, ended_at',
        'end_lost_handling()',
      ),
      ...trigger('client_users_keep_an_owner', 'AFTER UPDATE OF role, ended_at', 'keep_an_owner()'),
      ...trigger(
        'client_users_refresh_sessions',
        'AFTER INSERT OR DELETE OR UPDATE OF role, permissions, ended_at',
        'refresh_session_access()',
      ),
    },
    references: { organization_id: 'public.organizations', user_id: 'public.users' },
    aboutOthers: true,
  },
  'client_mgmt.invitations': {
    grants: {
      authenticated: { select: '*' },
      service_role: { select: '*' },
    },
    select: manager('members.manage'),
    policies: ['select_manager'],
    triggers: audited('invitations', 'invitation', 'id', ['email']),
    references: {
      organization_id: 'public.organizations',
      'organization_id invited_by': 'client_mgmt.client_users',
    },
  },
  'private.invitation_tokens': {
    grants: {},
    references: { 'organization_id invitation_id': 'client_mgmt.invitations' },
    secret: ['token_hash'],
  },
  'private.api_keys': {
    grants: {},
    references: { 'organization_id id': 'public.user_sessions' },
  },
  'private.api_key_secrets': {
    grants: {},
    references: { 'organization_id api_key_id': 'private.api_keys' },
    secret: ['secret_hash'],
  },
  'private.schedules': {
    grants: {},
    triggers: touched('schedules'),
    references: { 'organization_id user_id': 'client_mgmt.client_users' },
  },
  'private.schedule_runs': {
    grants: {},
    references: {
      'organization_id schedule_id': 'private.schedules',
      'organization_id execution_id': 'public.agent_executions',
    },
  },
  'client_mgmt.billing_accounts': {
    grants: {
      authenticated: { select: '*', update: 'billing_info' },
      service_role: { select: '*', update: 'billing_info' },
    },
    select: manager('billing.manage'),
    update: manager('billing.manage'),
    guard: 'billing.manage',
    policies: ['select_billing', 'update_billing'],
    triggers: {
      ...audited(
        'billing_accounts',
        'billing_account',
        'organization_id',
        ['billing_info'],
        ['update'],
      ),
      ...touched('billing_accounts'),
    },
    references: { organization_id: 'public.organizations' },
  },
  'client_mgmt.clients': {
    grants: { authenticated: read, service_role: read },
    select: (actor, row) => actor.organizationId !== null && row.id === actor.organizationId,
    key: ['id'],
  },
  'client_mgmt.users': {
    grants: { authenticated: read, service_role: read },
    select: ownAccount,
    key: ['id'],
  },
  'client_mgmt.access_grants': {
    grants: { authenticated: read, service_role: read },
    select: manager('audit.read'),
    policies: ['select_auditor'],
    triggers: {
      ...audited('access_grants', 'break_glass'),
      ...trigger(
        'access_grants_refresh_sessions',
        'AFTER DELETE OR UPDATE',
        'refresh_session_access()',
      ),
    },
    references: { organization_id: 'public.organizations', admin_user_id: 'public.users' },
  },
  'public.platform_admins': {
    grants: {},
    triggers: {
      ...audited('platform_admins', 'platform_admin'),
      ...touched('platform_admins'),
      ...trigger(
        'platform_admins_end_grants',
        'AFTER DELETE OR UPDATE OF user_id, is_active',
        'end_admin_grants()',
      ),
    },
    references: { user_id: 'public.users' },
  },
  'public.admin_audit_log': { grants: {}, triggers: appendOnly('admin_audit_log') },
  'public.audit_logs': {
    grants: { authenticated: read, service_role: read },
    select: manager('audit.read'),
    policies: ['select_auditor'],
    triggers: appendOnly('audit_logs'),
    aboutOthers: true,
  },
  'private.audit_heads': { grants: {} },
  'private.founders': { grants: {} },
  'private.founder_salt': { grants: {} },
  'client_mgmt.provider_credentials': {
    grants: {
      authenticated: { select: '*' },
      service_role: { select: '*' },
    },
    select: manager('agents.manage'),
    insert: nobody,
    policies: ['select_manager'],
    triggers: {
      ...audited('provider_credentials', 'provider_credential'),
      ...touched('provider_credentials'),
    },
    references: {
      organization_id: 'public.organizations',
      'organization_id created_by': 'client_mgmt.client_users',
    },
  },
  'private.provider_keys': {
    grants: {},
    references: { 'organization_id provider': 'client_mgmt.provider_credentials' },
    secret: ['sealed_key'],
  },
}
