import { dataOf, useBackend } from '../backend.ts'
import type { FormSchema } from '../form/form-fields.ts'
import { Dialog } from '../pieces/dialog.tsx'
import { Edit } from '../pieces/edit.tsx'
import { JsonValue } from '../pieces/json-value.tsx'
import { Long } from '../pieces/long.tsx'
import { Section } from '../pieces/section.tsx'
import { Table } from '../pieces/table.tsx'
import { useRead } from '../pieces/use-read.ts'
import { count, time } from '../pieces/write.ts'
import { Block } from './block.tsx'
import { useMember } from './member.ts'

const project: FormSchema = {
  properties: { name: { type: 'string', title: 'Name' } },
  required: ['name'],
}
const lens: FormSchema = {
  properties: {
    name: { type: 'string', title: 'Name' },
    prompt_template: { type: 'string', title: 'Prompt', format: 'textarea' },
  },
  required: ['name', 'prompt_template'],
}

/** The content of projects, the lenses that look at it, and what they found. */
export function Analysis() {
  const { supabase } = useBackend()
  const { can } = useMember()
  const manages = can('projects.manage')
  const conversation = supabase.schema('conversation')
  const blocks = useRead(async () => {
    const rows = conversation.from('project_blocks').select()
    return dataOf(await rows.order('updated_at', { ascending: false }).limit(200))
  })
  const lenses = useRead(async () => {
    return dataOf(await conversation.from('lens_prototypes').select().order('name'))
  })
  const addProject = (
    <Edit
      label="New project"
      schema={project}
      submit="Create"
      isPrimary
      onSubmit={async (given) => {
        const table = supabase.schema('client_mgmt').from('projects')
        dataOf(
          await table
            .insert({ name: given.need('name') })
            .select('id')
            .single(),
        )
        blocks.reload()
      }}
    />
  )
  const addLens = (
    <Edit
      label="New lens"
      schema={lens}
      submit="Create"
      isPrimary
      onSubmit={async (given) => {
        const row = { name: given.need('name'), prompt_template: given.need('prompt_template') }
        dataOf(await conversation.from('lens_prototypes').insert(row).select('id').single())
        lenses.reload()
      }}
    />
  )
  return (
    <>
      <Section title="Blocks" reading={blocks} actions={manages && addProject}>
        {(rows) => (
          <Table
            label="Blocks"
            rows={rows}
            keyOf={(one) => one.id}
            empty="No block yet. Import a conversation or a transcript into a project."
            columns={[
              { title: 'Name', of: (one) => one.name },
              { title: 'Project', of: (one) => one.project_name },
              { title: 'Type', of: (one) => one.type },
              { title: 'Turns', of: (one) => count(one.turn_count), isNumber: true },
              { title: 'Changed', of: (one) => time(one.updated_at) },
              {
                title: 'Content',
                of: (one) => (
                  <div className="buttons">
                    <Dialog label="Show" title={one.name}>
                      {() => <Block id={one.id} lenses={lenses.data ?? []} />}
                    </Dialog>
                    <Dialog label="Metadata" title={one.name}>
                      {() => <JsonValue title="Metadata" value={one.metadata} />}
                    </Dialog>
                  </div>
                ),
              },
            ]}
          />
        )}
      </Section>
      <Section title="Lenses" reading={lenses} actions={manages && addLens}>
        {(rows) => (
          <Table
            label="Lenses"
            rows={rows}
            keyOf={(one) => one.id}
            columns={[
              { title: 'Name', of: (one) => one.name },
              { title: 'Prompt', of: (one) => <Long text={one.prompt_template} /> },
              {
                title: 'Of',
                of: (one) => (one.organization_id === null ? 'the platform' : 'the organization'),
              },
            ]}
          />
        )}
      </Section>
    </>
  )
}
