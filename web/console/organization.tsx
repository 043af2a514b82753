import { dataOf, useBackend } from '../backend.ts'
import type { FormSchema } from '../form/form-fields.ts'
import type { Given } from '../form/given.ts'
import { Edit } from '../pieces/edit.tsx'
import { Section } from '../pieces/section.tsx'
import { Table } from '../pieces/table.tsx'
import { useRead } from '../pieces/use-read.ts'
import { count, words } from '../pieces/write.ts'
import { useMember } from './member.ts'

const schema: FormSchema = {
  properties: {
    name: { type: 'string', title: 'Name' },
    settings: {
      type: 'string',
      title: 'Settings',
      description:
        'An object in JSON: guests_may_join, search_language and parameters of calls, such as temperature.',
      format: 'textarea',
    },
  },
  required: ['name'],
}

/** The name, the settings and the limits. */
export function Organization() {
  const { supabase } = useBackend()
  const { organization, can } = useMember()
  const id = organization.organization_id
  const reading = useRead(async () => {
    const [row, limits] = await Promise.all([
      supabase.from('organizations').select().eq('id', id).single().then(dataOf),
      supabase.schema('client_mgmt').from('organization_limits').select().single().then(dataOf),
    ])
    return { row, limits }
  })
  const change = async (given: Given) => {
    const values = { name: given.need('name'), settings: given.object('settings') }
    const changing = supabase.from('organizations').update(values).eq('id', id)
    dataOf(await changing.select('id').single())
    reading.reload()
  }
  const { row } = reading.data ?? {}
  return (
    <Section
      title="Organization"
      about="The platform sets the limits."
      reading={reading}
      actions={
        row &&
        can('members.manage') && (
          <Edit
            label="Change"
            title="Change the organization"
            schema={schema}
            initial={{ name: row.name, settings: JSON.stringify(row.settings, null, 2) }}
            onSubmit={change}
          />
        )
      }
    >
      {({ row, limits }) => (
        <>
          <Table
            label="Settings"
            rows={[
              ['name', row.name] as const,
              ['slug', row.slug] as const,
              ...Object.entries(row.settings).map(
                (one) => [one[0], JSON.stringify(one[1])] as const,
              ),
            ]}
            keyOf={([name]) => name}
            columns={[
              { title: 'Setting', of: ([name]) => words(name) },
              { title: 'Value', of: ([, value]) => value },
            ]}
          />
          <Table
            label="Limits"
            rows={Object.entries(limits).filter(
              (one): one is [string, number] =>
                typeof one[1] === 'number' && one[0] !== 'organization_id',
            )}
            keyOf={([name]) => name}
            columns={[
              { title: 'Limit', of: ([name]) => words(name) },
              { title: 'Value', of: ([, value]) => count(value), isNumber: true },
            ]}
          />
        </>
      )}
    </Section>
  )
}
