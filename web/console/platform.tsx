import { dataOf, useBackend } from '../backend.ts'
import type { FormSchema } from '../form/form-fields.ts'
import type { Given } from '../form/given.ts'
import { Edit } from '../pieces/edit.tsx'
import { Section } from '../pieces/section.tsx'
import { Table } from '../pieces/table.tsx'
import type { Reading } from '../pieces/use-read.ts'
import { count, time } from '../pieces/write.ts'

export interface PlatformOrganization {
  readonly id: number
  readonly name: string
  readonly slug: string
  readonly is_active: boolean
  readonly members: number
  readonly owners: number
  readonly created_at: string
}

const reason = {
  type: 'string',
  title: 'Reason',
  description: 'At least 10 characters. The log keeps it.',
  minLength: 10,
}
const why: FormSchema = { properties: { reason }, required: ['reason'] }
const glass: FormSchema = {
  properties: {
    reason,
    scope: {
      type: 'string',
      title: 'To read',
      oneOf: [
        { const: 'configuration', title: 'What every member sees' },
        { const: 'content', title: 'Private conversations too' },
      ],
      default: 'configuration',
    },
    hours: { type: 'integer', title: 'Hours', default: 1, minimum: 1, maximum: 24 },
  },
  required: ['reason', 'scope', 'hours'],
}

/** Every organization, for administrators of the platform, who see no content. */
export function Platform({
  reading,
}: {
  readonly reading: Reading<readonly PlatformOrganization[]>
}) {
  const { supabase } = useBackend()
  const suspend = async (one: PlatformOrganization, given: Given) => {
    const { error } = await supabase.rpc('set_organization_active', {
      organization_id: one.id,
      is_active: !one.is_active,
      reason: given.need('reason'),
    })
    if (error) throw error
    reading.reload()
  }
  const open = async (one: PlatformOrganization, given: Given) => {
    dataOf(
      await supabase.rpc('open_break_glass', {
        organization_id: one.id,
        reason: given.need('reason'),
        scope: given.need('scope'),
        hours: given.number('hours') ?? 1,
      }),
    )
    // The next token opens the organization.
    dataOf(await supabase.auth.refreshSession())
    reading.reload()
  }
  return (
    <Section title="Organizations" reading={reading}>
      {(organizations) => (
        <Table
          label="Organizations"
          rows={organizations}
          keyOf={(one) => one.id}
          columns={[
            { title: 'Name', of: (one) => one.name },
            { title: 'Slug', of: (one) => one.slug },
            { title: 'Members', of: (one) => count(one.members), isNumber: true },
            { title: 'Owners', of: (one) => count(one.owners), isNumber: true },
            { title: 'Founded', of: (one) => time(one.created_at) },
            { title: 'State', of: (one) => (one.is_active ? 'active' : 'suspended') },
            {
              title: 'Actions',
              of: (one) => (
                <div className="buttons">
                  <Edit
                    label={one.is_active ? 'Suspend' : 'Resume'}
                    title={`${one.is_active ? 'Suspend' : 'Resume'} ${one.name}`}
                    schema={why}
                    submit={one.is_active ? 'Suspend' : 'Resume'}
                    onSubmit={(given) => suspend(one, given)}
                  />
                  <Edit
                    label="Read it"
                    title={`Read ${one.name}`}
                    schema={glass}
                    submit="Open for a time"
                    onSubmit={(given) => open(one, given)}
                  />
                </div>
              ),
            },
          ]}
        />
      )}
    </Section>
  )
}
