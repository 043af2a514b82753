import { dataOf, useBackend } from '../backend.ts'
import type { FormSchema } from '../form/form-fields.ts'
import type { Given } from '../form/given.ts'
import { Confirm } from '../pieces/confirm.tsx'
import { Edit } from '../pieces/edit.tsx'
import { Section } from '../pieces/section.tsx'
import { Table } from '../pieces/table.tsx'
import { useRead } from '../pieces/use-read.ts'
import { count } from '../pieces/write.ts'
import { providers } from './agents.tsx'
import { useMember } from './member.ts'
import { Prices } from './prices.tsx'

/** The models of each agent, in the order in which they are tried. */
export function Models() {
  const { supabase } = useBackend()
  const { can } = useMember()
  const manages = can('agents.manage')
  const reading = useRead(async () => {
    const [models, agents] = await Promise.all([
      supabase.from('models').select().order('priority', { ascending: false }).then(dataOf),
      supabase.from('agents').select('id, name, organization_id').order('name').then(dataOf),
    ])
    return { models, agents }
  })
  const agents = reading.data?.agents ?? []
  const own = agents.filter((one) => one.organization_id !== null)
  const schema: FormSchema = {
    properties: {
      agent: {
        type: 'string',
        title: 'Agent',
        oneOf: own.map(({ id, name }) => ({ const: String(id), title: name })),
      },
      name: { type: 'string', title: 'Name', description: 'What a request names.' },
      display_name: { type: 'string', title: 'Name on the page' },
      provider: { type: 'string', title: 'Provider', enum: providers },
      model_id: { type: 'string', title: 'Model at the provider' },
      context_tokens: { type: 'integer', title: 'Window in tokens' },
      priority: { type: 'integer', title: 'Priority', description: 'The highest is tried first.' },
      enabled: { type: 'boolean', title: 'May answer', default: true },
    },
    required: ['agent', 'name', 'display_name', 'provider', 'model_id'],
  }
  const rowOf = (given: Given) => ({
    agent_id: Number(given.need('agent')),
    name: given.need('name'),
    display_name: given.need('display_name'),
    provider: given.need('provider'),
    model_id: given.need('model_id'),
    context_tokens: given.number('context_tokens'),
    priority: given.number('priority') ?? 0,
    enabled: given.flag('enabled'),
  })
  const add = async (given: Given) => {
    dataOf(await supabase.from('models').insert(rowOf(given)).select('id').single())
    reading.reload()
  }
  const change = async (id: number, given: Given) => {
    const changing = supabase.from('models').update(rowOf(given)).eq('id', id)
    dataOf(await changing.select('id').single())
    reading.reload()
  }
  const remove = async (id: number) => {
    dataOf(await supabase.from('models').delete().eq('id', id).select('id').single())
    reading.reload()
  }
  return (
    <>
      <Section
        title="Models"
        reading={reading}
        actions={
          manages &&
          own.length > 0 && (
            <Edit label="New model" schema={schema} submit="Create" isPrimary onSubmit={add} />
          )
        }
      >
        {({ models }) => (
          <Table
            label="Models"
            rows={models}
            keyOf={(one) => one.id}
            columns={[
              {
                title: 'Agent',
                of: (one) => agents.find(({ id }) => id === one.agent_id)?.name ?? '–',
              },
              { title: 'Name', of: (one) => one.display_name },
              { title: 'At the provider', of: (one) => `${one.provider}: ${one.model_id}` },
              { title: 'Can', of: (one) => one.capabilities.join(', ') },
              { title: 'Window', of: (one) => count(one.context_tokens), isNumber: true },
              { title: 'Priority', of: (one) => one.priority, isNumber: true },
              { title: 'State', of: (one) => (one.enabled ? 'on' : 'off') },
              {
                title: 'Actions',
                of: (one) =>
                  manages && one.organization_id !== null ? (
                    <div className="buttons">
                      <Edit
                        label="Change"
                        title={`Change ${one.name}`}
                        schema={schema}
                        initial={{ ...one, agent: String(one.agent_id) }}
                        onSubmit={(given) => change(one.id, given)}
                      />
                      <Confirm
                        label="Delete"
                        text={`“${one.name}” is deleted, when nothing refers to it any more.`}
                        onConfirm={() => remove(one.id)}
                      />
                    </div>
                  ) : (
                    '–'
                  ),
              },
            ]}
          />
        )}
      </Section>
      <Prices />
    </>
  )
}
