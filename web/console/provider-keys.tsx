import { Agents, type KeyProvider } from 'colloquy/client'
import { dataOf, useBackend } from '../backend.ts'
import type { FormSchema } from '../form/form-fields.ts'
import { Confirm } from '../pieces/confirm.tsx'
import { Edit } from '../pieces/edit.tsx'
import { Section } from '../pieces/section.tsx'
import { Table } from '../pieces/table.tsx'
import { useRead } from '../pieces/use-read.ts'
import { time } from '../pieces/write.ts'

const schema: FormSchema = {
  properties: {
    provider: { type: 'string', title: 'Provider', enum: ['openrouter', 'vertex-ai'] },
    key: { type: 'string', title: 'Key', format: 'password' },
  },
  required: ['provider', 'key'],
}

/** Keys of the organization at providers, which are used before the platform's. */
export function ProviderKeys() {
  const { supabase, connection } = useBackend()
  const functions = new Agents(connection)
  const reading = useRead(async () => {
    const table = supabase.schema('client_mgmt').from('provider_credentials')
    return dataOf(await table.select('provider, last_four, stored_at').order('provider'))
  })
  const store = (
    <Edit
      label="Store a key"
      title="Key of a provider"
      schema={schema}
      isPrimary
      onSubmit={async (given) => {
        await functions.setProviderKey(given.need('provider') as KeyProvider, given.need('key'))
        reading.reload()
      }}
    />
  )
  return (
    <Section
      title="Own keys at providers"
      about="A key is stored after one call with it has succeeded. No page and no function shows it again."
      reading={reading}
      actions={store}
    >
      {(keys) => (
        <Table
          label="Own keys at providers"
          rows={keys}
          keyOf={(one) => one.provider}
          empty="None: the platform's keys are used."
          columns={[
            { title: 'Provider', of: (one) => one.provider },
            { title: 'Ends with', of: (one) => one.last_four },
            { title: 'Stored', of: (one) => time(one.stored_at) },
            {
              title: 'Actions',
              of: (one) => (
                <Confirm
                  label="Remove"
                  text={`The organization's key of ${one.provider} is deleted.`}
                  onConfirm={async () => {
                    await functions.removeProviderKey(one.provider as KeyProvider)
                    reading.reload()
                  }}
                />
              ),
            },
          ]}
        />
      )}
    </Section>
  )
}
