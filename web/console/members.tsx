import { dataOf, useBackend } from '../backend.ts'
import type { FormSchema } from '../form/form-fields.ts'
import type { Given } from '../form/given.ts'
import { Confirm } from '../pieces/confirm.tsx'
import { Edit } from '../pieces/edit.tsx'
import { Section } from '../pieces/section.tsx'
import { Table } from '../pieces/table.tsx'
import { useRead } from '../pieces/use-read.ts'
import { time } from '../pieces/write.ts'
import { Invitations } from './invitations.tsx'
import { useMember } from './member.ts'
import { permissions, roles } from './permissions.ts'

const schema: FormSchema = {
  properties: {
    role: { type: 'string', title: 'Role', enum: roles },
    permissions: {
      type: 'array',
      title: 'Permissions beside those of the role',
      items: { type: 'string', enum: permissions },
    },
  },
  required: ['role'],
}

/** Who belongs to the organization. */
export function Members() {
  const { supabase } = useBackend()
  const { user, can } = useMember()
  const reading = useRead(async () => dataOf(await supabase.rpc('organization_members')))
  const manages = can('members.manage')
  const change = async (user_id: string, given: Given) => {
    const [role, added] = [given.need('role'), given.list('permissions')]
    dataOf(await supabase.rpc('set_member_role', { user_id, role, permissions: added }))
    reading.reload()
  }
  const remove = async (user_id: string) => {
    const { error } = await supabase.rpc('remove_member', { user_id })
    if (error) throw error
    reading.reload()
  }
  return (
    <>
      <Section title="Members" reading={reading}>
        {(members) => (
          <Table
            label="Members"
            rows={members}
            keyOf={(one) => one.user_id}
            columns={[
              { title: 'Name', of: (one) => one.display_name ?? one.email },
              { title: 'E-mail', of: (one) => one.email },
              { title: 'Role', of: (one) => one.role },
              { title: 'Permissions', of: (one) => one.permissions.join(', ') },
              { title: 'Since', of: (one) => time(one.joined_at) },
              ...(manages
                ? [
                    {
                      title: 'Actions',
                      of: (one: (typeof members)[number]) => (
                        <div className="buttons">
                          <Edit
                            label="Change"
                            title={`Change ${one.email}`}
                            schema={schema}
                            initial={one}
                            onSubmit={(given) => change(one.user_id, given)}
                          />
                          {one.user_id !== user.id && (
                            <Confirm
                              label="Remove"
                              text={`${one.email} loses access at once. The conversations stay.`}
                              onConfirm={() => remove(one.user_id)}
                            />
                          )}
                        </div>
                      ),
                    },
                  ]
                : []),
            ]}
          />
        )}
      </Section>
      {manages && <Invitations />}
    </>
  )
}
