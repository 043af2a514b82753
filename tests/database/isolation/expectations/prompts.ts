import { all, any, holding, is, manager, member, platformWide, self } from '../rules.ts'
import { audited, perStatement, touched, trigger } from './triggers.ts'
import type { RelationExpectation } from './types.ts'

const everything = { select: '*', insert: '*', update: '*', delete: true } as const
const ownLayer = all(
  member,
  any(
    all(is('scope', 'organization'), holding('prompts.manage')),
    all(is('scope', 'user'), self, holding('agents.invoke')),
  ),
)
const shared = is('user_id', null)
const ofProject = { 'organization_id project_id': 'client_mgmt.projects' }
const ofMember = {
  organization_id: 'public.organizations',
  'organization_id user_id': 'client_mgmt.client_users',
}
const userOnly = { 'organization_id user_id': 'client_mgmt.client_users' }
const library = manager('prompts.manage')

/** System prompts with their versions, and the library. */
export const prompts: Readonly<Record<string, RelationExpectation>> = {
  'public.system_prompts': {
    kept: 'scope user_id project_id',
    grants: {
      authenticated: {
        select: '*',
        insert:
          'scope user_id project_id context content priority template variables mandatory enabled',
        update: 'context content priority template variables mandatory enabled',
        delete: true,
      },
      service_role: everything,
    },
    select: any(all(member, any(shared, self)), platformWide),
    insert: ownLayer,
    update: ownLayer,
    delete: ownLayer,
    guard: 'agents.invoke prompts.manage',
    policies: [
      'select_member',
      'insert_manager_or_self',
      'update_manager_or_self',
      'delete_manager_or_self',
    ],
    triggers: {
      ...audited('system_prompts', 'system_prompt', 'id', ['content']),
      ...touched('system_prompts'),
      ...trigger('system_prompts_check', 'BEFORE INSERT OR UPDATE', 'check_prompt()'),
      ...perStatement('system_prompts', 'versions', 'record_prompt_versions()', ['insert']),
      system_prompts_versions_update:
        'AFTER UPDATE REFERENCING NEW TABLE AS after_rows FOR EACH STATEMENT ' +
        'EXECUTE FUNCTION private.record_prompt_versions()',
      ...perStatement('system_prompts', 'versions', 'forget_private_versions()', ['delete']),
    },
    references: { ...ofMember, ...ofProject },
  },
  'client_mgmt.system_prompt_versions': {
    grants: { authenticated: { select: '*' }, service_role: { select: '*' } },
    select: all(member, any(self, all(shared, holding('prompts.manage')))),
    policies: ['select_manager_or_self'],
    references: ofMember,
  },
  'client_mgmt.system_prompt_opt_outs': {
    grants: { authenticated: { select: '*', insert: 'system_prompt_id', delete: true } },
    select: all(member, self),
    insert: all(member, self, holding('agents.invoke')),
    delete: all(member, self, holding('agents.invoke')),
    guard: 'agents.invoke',
    policies: ['select_self', 'insert_self', 'delete_self'],
    references: { ...userOnly, system_prompt_id: 'public.system_prompts' },
    clientsOnly: true,
  },
  'client_mgmt.prompts': {
    grants: {
      authenticated: {
        select: '*',
        insert: 'name template variables',
        update: 'name template variables',
        delete: true,
      },
      service_role: everything,
    },
    select: member,
    insert: library,
    update: library,
    delete: library,
    guard: 'prompts.manage',
    policies: ['select_member', 'insert_manager', 'update_manager', 'delete_manager'],
    triggers: {
      ...audited('prompts', 'prompt'),
      ...touched('prompts'),
      ...trigger(
        'prompts_check',
        'BEFORE INSERT OR UPDATE OF template, variables',
        'check_library_prompt()',
      ),
    },
    references: { organization_id: 'public.organizations' },
  },
}
