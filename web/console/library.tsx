import { dataOf, useBackend } from '../backend.ts'
import type { FormSchema } from '../form/form-fields.ts'
import type { Given } from '../form/given.ts'
import { Confirm } from '../pieces/confirm.tsx'
import { Edit } from '../pieces/edit.tsx'
import { Long } from '../pieces/long.tsx'
import { Section } from '../pieces/section.tsx'
import { Table } from '../pieces/table.tsx'
import { useRead } from '../pieces/use-read.ts'
import { useMember } from './member.ts'

const schema: FormSchema = {
  properties: {
    name: { type: 'string', title: 'Name' },
    template: { type: 'string', title: 'Template', format: 'textarea' },
    variables: {
      type: 'string',
      title: 'Variables',
      description: 'An object in JSON, such as {"customer": {"type": "text"}}.',
      format: 'textarea',
    },
  },
  required: ['name', 'template'],
}

/** Prompts that a request names. */
export function Library() {
  const { supabase } = useBackend()
  const { can } = useMember()
  const manages = can('prompts.manage')
  const table = () => supabase.schema('client_mgmt').from('prompts')
  const reading = useRead(async () => dataOf(await table().select().order('name')))
  const rowOf = (given: Given) => ({
    name: given.need('name'),
    template: given.need('template'),
    variables: given.object('variables'),
  })
  const add = async (given: Given) => {
    dataOf(await table().insert(rowOf(given)).select('id').single())
    reading.reload()
  }
  return (
    <Section
      title="Library"
      about="A request names one of these, with the values of its variables."
      reading={reading}
      actions={
        manages && (
          <Edit label="New prompt" schema={schema} submit="Create" isPrimary onSubmit={add} />
        )
      }
    >
      {(prompts) => (
        <Table
          label="Library"
          rows={prompts}
          keyOf={(one) => one.id}
          columns={[
            { title: 'Name', of: (one) => one.name },
            {
              title: 'Template',
              of: (one) => <Long text={one.template} />,
            },
            { title: 'Variables', of: (one) => Object.keys(one.variables).join(', ') },
            {
              title: 'Actions',
              of: (one) =>
                manages && (
                  <div className="buttons">
                    <Edit
                      label="Change"
                      title={`Change ${one.name}`}
                      schema={schema}
                      initial={{ ...one, variables: JSON.stringify(one.variables, null, 2) }}
                      onSubmit={async (given) => {
                        const changing = table().update(rowOf(given)).eq('id', one.id)
                        dataOf(await changing.select('id').single())
                        reading.reload()
                      }}
                    />
                    <Confirm
                      label="Delete"
                      text={`Requests that name “${one.name}” are refused from now on.`}
                      onConfirm={async () => {
                        dataOf(await table().delete().eq('id', one.id).select('id').single())
                        reading.reload()
                      }}
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
