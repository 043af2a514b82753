import { any, manager, member, platformWide } from '../rules.ts'
import { audited, checked, inUse, perStatement, touched, trigger } from './triggers.ts'
import type { RelationExpectation } from './types.ts'

/** The triggers that keep the words of a table's rows. */
export const searched = (table: string) =>
  perStatement(table, 'words', 'index_words()', ['insert', 'update'])

const read = { select: '*' }
const readers = { authenticated: read, service_role: read }
const everything = { select: '*', insert: '*', update: '*', delete: true } as const
const manage = manager('projects.manage')
const lens = { lens_id: 'conversation.lens_prototypes' }

/** Lenses, their versions, their runs and what they found. */
export const lenses: Readonly<Record<string, RelationExpectation>> = {
  'conversation.lens_prototypes': {
    grants: {
      authenticated: {
        select: '*',
        insert: 'name prompt_template variables output_schema agent model',
        update: 'name prompt_template variables output_schema agent model',
        delete: true,
      },
      service_role: everything,
    },
    select: any(member, platformWide),
    insert: manage,
    update: manage,
    delete: manage,
    guard: 'projects.manage',
    policies: ['select_member', 'insert_manager', 'update_manager', 'delete_manager'],
    triggers: {
      ...audited('lens_prototypes', 'lens', 'id', ['prompt_template']),
      ...touched('lens_prototypes'),
      ...trigger('lens_prototypes_check', 'BEFORE INSERT OR UPDATE', 'check_lens()'),
      ...perStatement('lens_prototypes', 'versions', 'record_lens_versions()', ['insert']),
      lens_prototypes_versions_update:
        'AFTER UPDATE REFERENCING NEW TABLE AS after_rows FOR EACH STATEMENT ' +
        'EXECUTE FUNCTION private.record_lens_versions()',
      ...inUse('lens_prototypes'),
    },
    keptBy: { 'conversation.block_lens_version': 'lens_id' },
    references: { organization_id: 'public.organizations' },
  },
  'conversation.lens_versions': {
    grants: readers,
    select: any(member, platformWide),
    policies: ['select_member'],
    triggers: checked('lens_versions', 'organization_id, lens_id'),
    references: { organization_id: 'public.organizations', ...lens },
  },
  'conversation.lens_runs': {
    grants: readers,
    select: member,
    policies: ['select_member'],
    triggers: checked('lens_runs', 'organization_id, lens_id'),
    references: {
      organization_id: 'public.organizations',
      'organization_id user_id': 'client_mgmt.client_users',
      'organization_id project_id': 'client_mgmt.projects',
      ...lens,
    },
  },
  'conversation.lens_run_blocks': {
    grants: readers,
    select: member,
    policies: ['select_member'],
    references: {
      'organization_id run_id': 'conversation.lens_runs',
      'organization_id block_id': 'conversation.blocks',
    },
  },
  'conversation.block_lens_version': {
    grants: { authenticated: { select: '*', delete: true }, service_role: everything },
    select: member,
    delete: manage,
    guard: 'projects.manage',
    policies: ['select_member', 'delete_manager'],
    triggers: {
      ...checked('block_lens_version', 'organization_id, lens_id'),
      ...searched('block_lens_version'),
    },
    references: { 'organization_id block_id': 'conversation.blocks', ...lens },
  },
  'conversation.lens_run_progress': { grants: readers, select: member, key: ['id'] },
  'conversation.lens_results': { grants: readers, select: member, key: ['id'] },
  'conversation.lens_comparisons': { grants: readers, select: member, key: ['id', 'other_id'] },
}
