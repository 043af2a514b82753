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
import { ProviderKeys } from './provider-keys.tsx'

export const providers = ['openrouter', 'vertex-ai', 'openai-compatible'] as const

const schema: FormSchema = {
  properties: {
    name: { type: 'string', title: 'Name' },
    type: { type: 'string', title: 'Provider', enum: providers },
    description: { type: 'string', title: 'Description' },
    instructions: {
      type: 'string',
      title: 'Instructions',
      description: 'A part of the system prompt of every answer of this agent.',
      format: 'textarea',
    },
    config: {
      type: 'string',
      title: 'Parameters',
      description: 'An object in JSON, such as {"max_output_tokens": 1000}.',
      format: 'textarea',
    },
    enabled: { type: 'boolean', title: 'May be asked', default: true },
    open_to_guests: { type: 'boolean', title: 'Open to customers' },
  },
  required: ['name', 'type'],
}

/** The platform's agents and the organization's own. */
export function Agents() {
  const { supabase } = useBackend()
  const { can } = useMember()
  const reading = useRead(async () => dataOf(await supabase.from('agents').select().order('name')))
  const manages = can('agents.manage')
  const rowOf = (given: Given) => ({
    name: given.need('name'),
    type: given.need('type'),
    description: given.text('description'),
    instructions: given.text('instructions'),
    // The database compares the two.
    config: { ...given.object('config'), provider: given.need('type') },
    enabled: given.flag('enabled'),
    open_to_guests: given.flag('open_to_guests'),
  })
  const add = async (given: Given) => {
    dataOf(await supabase.from('agents').insert(rowOf(given)).select('id').single())
    reading.reload()
  }
  const change = async (id: number, given: Given) => {
    const changing = supabase.from('agents').update(rowOf(given)).eq('id', id)
    dataOf(await changing.select('id').single())
    reading.reload()
  }
  const remove = async (id: number) => {
    dataOf(await supabase.from('agents').delete().eq('id', id).select('id').single())
    reading.reload()
  }
  return (
    <>
      <Section
        title="Agents"
        reading={reading}
        actions={
          manages && (
            <Edit label="New agent" schema={schema} submit="Create" isPrimary onSubmit={add} />
          )
        }
      >
        {(agents) => (
          <Table
            label="Agents"
            rows={agents}
            keyOf={(one) => one.id}
            columns={[
              { title: 'Name', of: (one) => one.name },
              { title: 'Provider', of: (one) => one.type },
              {
                title: 'Instructions',
                of: (one) => <Long text={one.instructions} />,
              },
              {
                title: 'State',
                of: (one) =>
                  `${one.enabled ? 'on' : 'off'}${one.open_to_guests ? ', open to customers' : ''}`,
              },
              {
                title: 'Actions',
                of: (one) => {
                  if (one.organization_id === null) return 'of the platform'
                  if (!manages) return 'of the organization'
                  return (
                    <div className="buttons">
                      <Edit
                        label="Change"
                        title={`Change ${one.name}`}
                        schema={schema}
                        initial={{ ...one, config: JSON.stringify(one.config, null, 2) }}
                        onSubmit={(given) => change(one.id, given)}
                      />
                      <Confirm
                        label="Delete"
                        text={`“${one.name}” is deleted, when nothing refers to it any more.`}
                        onConfirm={() => remove(one.id)}
                      />
                    </div>
                  )
                },
              },
            ]}
          />
        )}
      </Section>
      {manages && <ProviderKeys />}
    </>
  )
}
