import { dataOf, useBackend } from '../backend.ts'
import type { FormSchema } from '../form/form-fields.ts'
import { Confirm } from '../pieces/confirm.tsx'
import { Edit } from '../pieces/edit.tsx'
import { Section } from '../pieces/section.tsx'
import { Table } from '../pieces/table.tsx'
import { useRead } from '../pieces/use-read.ts'
import { money, time } from '../pieces/write.ts'
import { providers } from './agents.tsx'
import { useMember } from './member.ts'

const price = (title: string) => ({ type: 'number', title: `${title}, $ for a million tokens` })
const schema: FormSchema = {
  properties: {
    provider: { type: 'string', title: 'Provider', enum: providers },
    model_id: { type: 'string', title: 'Model at the provider' },
    input: price('Input'),
    output: price('Output'),
    cached: price('Cached input'),
  },
  required: ['provider', 'model_id', 'input', 'output'],
}

/** What models cost: the platform's list, and the organization's own prices where the list has none. */
export function Prices() {
  const { supabase } = useBackend()
  const { can } = useMember()
  const table = () => supabase.schema('client_mgmt').from('model_prices')
  const reading = useRead(async () => {
    return dataOf(await table().select().order('model_id').order('valid_from').limit(1_000))
  })
  const manages = can('billing.manage')
  const add = (
    <Edit
      label="New price"
      schema={schema}
      isPrimary
      onSubmit={async (given) => {
        const row = {
          provider: given.need('provider'),
          model_id: given.need('model_id'),
          input_per_million: given.number('input'),
          output_per_million: given.number('output'),
          cached_input_per_million: given.number('cached'),
        }
        dataOf(await table().insert(row).select('id').single())
        reading.reload()
      }}
    />
  )
  return (
    <Section title="Prices" reading={reading} actions={manages && add}>
      {(prices) => (
        <Table
          label="Prices"
          rows={prices}
          keyOf={(one) => one.id}
          empty="No model has a price. A budget in money leaves such models out."
          columns={[
            { title: 'Model', of: (one) => `${one.provider}: ${one.model_id}` },
            { title: 'Input', of: (one) => money(one.input_per_million), isNumber: true },
            { title: 'Output', of: (one) => money(one.output_per_million), isNumber: true },
            { title: 'Cached', of: (one) => money(one.cached_input_per_million), isNumber: true },
            { title: 'From', of: (one) => time(one.valid_from) },
            {
              title: 'Actions',
              of: (one) =>
                manages && one.organization_id !== null ? (
                  <Confirm
                    label="Delete"
                    text={`The price of ${one.model_id} no longer counts for new answers.`}
                    onConfirm={async () => {
                      dataOf(await table().delete().eq('id', one.id).select('id').single())
                      reading.reload()
                    }}
                  />
                ) : (
                  '–'
                ),
            },
          ]}
        />
      )}
    </Section>
  )
}
