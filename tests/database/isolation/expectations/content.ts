import { manager, member, ownSession, plainSession, reader } from '../rules.ts'
import {
  audited,
  checkedOnChange,
  inUse,
  perStatement,
  settled,
  touched,
  trigger,
} from './triggers.ts'
import type { RelationExpectation } from './types.ts'

const read = { select: '*' }
const everything = { select: '*', insert: '*', update: '*', delete: true } as const
const manage = manager('projects.manage')
const managed = { insert: manage, update: manage, delete: manage }
const managerPolicies = ['select_member', 'insert_manager', 'update_manager', 'delete_manager']
const mine = { insert: plainSession, update: ownSession, delete: ownSession }
const ofOrganization = { organization_id: 'public.organizations' }

/** Conversations, their executions, and the analysis of content. */
export const content: Readonly<Record<string, RelationExpectation>> = {
  'public.chat_sessions': {
    kept: 'id agent_id',
    grants: {
      authenticated: {
        select: '*',
        insert: 'id agent_id model_id project_id title status context visibility metadata',
        update: 'model_id project_id title status context visibility metadata current_message_id',
        delete: true,
      },
      service_role: everything,
    },
    select: reader,
    ...mine,
    guard: 'agents.invoke guest',
    policies: ['select_reader', 'insert_self', 'update_self', 'delete_self'],
    triggers: {
      ...touched('chat_sessions'),
      ...trigger(
        'chat_sessions_check_guest',
        'BEFORE INSERT OR UPDATE OF agent_id, model_id, project_id, visibility',
        'check_guest_session()',
      ),
      ...trigger('chat_sessions_mark_guest', 'BEFORE INSERT', 'mark_guest_session()'),
      ...checkedOnChange('chat_sessions'),
      ...trigger(
        'chat_sessions_check_current_message',
        'BEFORE INSERT OR UPDATE OF current_message_id',
        'check_current_message()',
      ),
      ...trigger('chat_sessions_refuse_transient', 'BEFORE INSERT', 'refuse_transient_session()'),
      ...trigger(
        'chat_sessions_refuse_transient_update',
        'BEFORE UPDATE OF status, metadata',
        'refuse_transient_session()',
      ),
      ...perStatement('chat_sessions', 'remove_files', 'remove_files()', ['delete']),
      ...trigger(
        'chat_sessions_return_to_model',
        'BEFORE UPDATE OF status, visibility',
        'return_session_to_model()',
      ),
      ...trigger('chat_sessions_stamp', 'BEFORE UPDATE', 'stamp_session()'),
      chat_sessions_update_is_counted:
        'AFTER INSERT OR DELETE OR UPDATE FOR EACH STATEMENT EXECUTE FUNCTION private.count_update()',
      ...perStatement('chat_sessions', 'tell', 'tell_of_sessions()', [
        'insert',
        'update',
        'delete',
      ]),
    },
    references: {
      ...ofOrganization,
      agent_id: 'public.agents',
      model_id: 'public.models',
      'organization_id user_id': 'client_mgmt.client_users',
      'organization_id handled_by': 'client_mgmt.client_users',
      'organization_id project_id': 'client_mgmt.projects',
    },
  },
  'private.files': { grants: {} },
  'public.v_recent_sessions': {
    grants: { authenticated: read, service_role: read },
    select: reader,
    key: ['id'],
  },
  'public.agent_executions': {
    grants: { authenticated: read, service_role: read },
    select: reader,
    policies: ['select_reader'],
    triggers: {
      ...touched('agent_executions'),
      ...checkedOnChange('agent_executions'),
      ...trigger('agent_executions_settle_deleted', 'BEFORE DELETE', 'settle_deleted_execution()'),
      ...perStatement('agent_executions', 'stored', 'return_stored_bytes()', ['delete']),
      ...trigger('agent_executions_tell_end', 'AFTER UPDATE OF status', 'tell_of_end()'),
      ...trigger('agent_executions_end_tool_calls', 'AFTER UPDATE OF status', 'end_tool_calls()'),
      ...trigger('agent_executions_supersede_tool_calls', 'AFTER INSERT', 'supersede_tool_calls()'),
    },
    references: {
      agent_id: 'public.agents',
      model_id: 'public.models',
      'organization_id session_id': 'public.chat_sessions',
      'organization_id user_id': 'client_mgmt.client_users',
      'organization_id session_id message_id': 'public.chat_messages',
      'organization_id project_id': 'client_mgmt.projects',
    },
  },
  'conversation.execution_events': {
    grants: { authenticated: read, service_role: read },
    select: reader,
    policies: ['select_reader'],
    references: { 'organization_id execution_id': 'public.agent_executions' },
  },
  'client_mgmt.projects': {
    grants: {
      authenticated: {
        select: '*',
        insert: 'name settings client_schema_id',
        update: 'name settings client_schema_id',
        delete: true,
      },
      service_role: everything,
    },
    select: member,
    ...managed,
    guard: 'projects.manage',
    policies: managerPolicies,
    triggers: {
      ...audited('projects', 'project'),
      ...touched('projects'),
      ...settled('projects', 'settings'),
      ...inUse('projects'),
    },
    keptBy: {
      'public.chat_sessions': 'project_id',
      'public.agent_executions': 'project_id',
      'conversation.blocks': 'project_id',
    },
    references: { ...ofOrganization, 'organization_id client_schema_id': 'public.client_schemas' },
  },
  'client_mgmt.llm_configs': {
    kept: 'project_id',
    grants: {
      authenticated: {
        select: '*',
        insert: 'project_id provider model settings',
        update: 'provider model settings',
        delete: true,
      },
      service_role: everything,
    },
    select: member,
    insert: manager('agents.manage'),
    update: manager('agents.manage'),
    delete: manager('agents.manage'),
    guard: 'agents.manage',
    policies: managerPolicies,
    triggers: {
      ...audited('llm_configs', 'llm_config'),
      ...touched('llm_configs'),
      ...settled('llm_configs', 'settings'),
    },
    references: { ...ofOrganization, 'organization_id project_id': 'client_mgmt.projects' },
  },
}
