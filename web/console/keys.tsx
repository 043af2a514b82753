import { useState } from 'react'
import { dataOf, useBackend } from '../backend.ts'
import type { FormSchema } from '../form/form-fields.ts'
import { Confirm } from '../pieces/confirm.tsx'
import { Edit } from '../pieces/edit.tsx'
import { Secret } from '../pieces/secret.tsx'
import { Section } from '../pieces/section.tsx'
import { Table } from '../pieces/table.tsx'
import { useRead } from '../pieces/use-read.ts'
import { time } from '../pieces/write.ts'
import { useMember } from './member.ts'

/** Keys with which servers act as the person; with `members.manage` those of all members. */
export function Keys() {
  const { supabase } = useBackend()
  const { user, organization } = useMember()
  const [secret, setSecret] = useState<string | null>(null)
  const reading = useRead(async () => dataOf(await supabase.rpc('list_api_keys')))
  const schema: FormSchema = {
    properties: {
      name: { type: 'string', title: 'Name', description: 'The server that will use it.' },
      permissions: {
        type: 'array',
        title: 'Permissions',
        items: { type: 'string', enum: organization.permissions },
        default: ['agents.invoke'],
      },
      days: { type: 'integer', title: 'Days until it ends', default: 90, minimum: 1, maximum: 366 },
    },
    required: ['name', 'days'],
  }
  const create = (
    <Edit
      label="New key"
      schema={schema}
      submit="Create"
      isPrimary
      onSubmit={async (given) => {
        const end = Date.now() + (given.number('days') ?? 0) * 86_400_000
        const made = await supabase.rpc('create_api_key', {
          name: given.need('name'),
          permissions: given.list('permissions'),
          expires_at: new Date(end).toISOString(),
        })
        setSecret(dataOf(made).key)
        reading.reload()
      }}
    />
  )
  const rotate = async (id: string) => {
    setSecret(dataOf(await supabase.rpc('rotate_api_key', { id })).key)
    reading.reload()
  }
  const revoke = async (id: string) => {
    const { error } = await supabase.rpc('revoke_api_key', { id })
    if (error) throw error
    reading.reload()
  }
  return (
    <Section
      title="API keys"
      about="A key acts as the member who made it, with a part of the member's permissions."
      reading={reading}
      actions={create}
    >
      {(keys) => (
        <>
          {secret !== null && <Secret name="The key." value={secret} />}
          <Table
            label="API keys"
            rows={keys}
            keyOf={(one) => one.id}
            empty="No key yet."
            columns={[
              { title: 'Name', of: (one) => one.name },
              { title: 'Begins with', of: (one) => one.prefix },
              { title: 'Permissions', of: (one) => one.effective_permissions.join(', ') },
              { title: 'Last used', of: (one) => time(one.last_used_at) },
              { title: 'Ends', of: (one) => time(one.revoked_at ?? one.expires_at) },
              { title: 'State', of: (one) => (one.works ? 'works' : 'ended') },
              {
                title: 'Actions',
                of: (one) =>
                  one.works && (
                    <div className="buttons">
                      {one.user_id === user.id && (
                        <Confirm
                          label="Rotate"
                          text={`“${one.name}” gets a new secret. The old one works for a day.`}
                          onConfirm={() => rotate(one.id)}
                        />
                      )}
                      <Confirm
                        label="Revoke"
                        text={`“${one.name}” stops at once, with everything that it runs.`}
                        onConfirm={() => revoke(one.id)}
                      />
                    </div>
                  ),
              },
            ]}
          />
        </>
      )}
    </Section>
  )
}
