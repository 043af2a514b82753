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
import { roles } from './permissions.ts'

const schema: FormSchema = {
  properties: {
    email: { type: 'string', title: 'E-mail', format: 'email' },
    role: { type: 'string', title: 'Role', enum: roles, default: 'member' },
  },
  required: ['email', 'role'],
}

/** Invitations that wait. A person with the invited address sees theirs after signing in. */
export function Invitations() {
  const { supabase } = useBackend()
  const [token, setToken] = useState<string | null>(null)
  const reading = useRead(async () => {
    const table = supabase.schema('client_mgmt').from('invitations')
    const waiting = table
      .select('id, email, role, expires_at')
      .is('accepted_at', null)
      .is('revoked_at', null)
    return dataOf(await waiting.order('created_at', { ascending: false }).limit(100))
  })
  const invite = (
    <Edit
      label="Invite"
      title="Invite a person"
      schema={schema}
      submit="Invite"
      isPrimary
      onSubmit={async (given) => {
        const whom = { email: given.need('email'), role: given.need('role') }
        setToken(dataOf(await supabase.rpc('invite_member', whom)).token)
        reading.reload()
      }}
    />
  )
  return (
    <Section
      title="Invitations"
      about="A person who signs in with the invited address accepts here. The token accepts in another client."
      reading={reading}
      actions={invite}
    >
      {(invitations) => (
        <>
          {token !== null && <Secret name="The token of the invitation." value={token} />}
          <Table
            label="Invitations"
            rows={invitations}
            keyOf={(one) => one.id}
            empty="No invitation waits."
            columns={[
              { title: 'E-mail', of: (one) => one.email },
              { title: 'Role', of: (one) => one.role },
              { title: 'Ends', of: (one) => time(one.expires_at) },
              {
                title: 'Actions',
                of: (one) => (
                  <Confirm
                    label="Revoke"
                    text={`${one.email} can no longer accept.`}
                    onConfirm={async () => {
                      const { error } = await supabase.rpc('revoke_invitation', { id: one.id })
                      if (error) throw error
                      reading.reload()
                    }}
                  />
                ),
              },
            ]}
          />
        </>
      )}
    </Section>
  )
}
