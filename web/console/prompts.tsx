import { dataOf, useBackend } from '../backend.ts'
import type { FormSchema } from '../form/form-fields.ts'
import type { Given } from '../form/given.ts'
import { Confirm } from '../pieces/confirm.tsx'
import { Edit } from '../pieces/edit.tsx'
import { Long } from '../pieces/long.tsx'
import { Section } from '../pieces/section.tsx'
import { Table } from '../pieces/table.tsx'
import { useRead } from '../pieces/use-read.ts'
import { EffectivePrompts } from './effective-prompts.tsx'
import { Library } from './library.tsx'
import { useMember } from './member.ts'

/** The layers of the system prompt: the global ones, the organization's, and the person's own. */
export function Prompts() {
  const { supabase } = useBackend()
  const { user, can } = useMember()
  const manages = can('prompts.manage')
  const reading = useRead(async () => {
    const rows = supabase.from('system_prompts').select()
    return dataOf(await rows.order('scope').order('priority', { ascending: false }))
  })
  const schema: FormSchema = {
    properties: {
      scope: {
        type: 'string',
        title: 'For',
        oneOf: [
          { const: 'user', title: 'Me' },
          ...(manages ? [{ const: 'organization', title: 'The organization' }] : []),
        ],
      },
      content: { type: 'string', title: 'Text', format: 'textarea' },
      context: {
        type: 'string',
        title: 'Only in conversations about',
        enum: ['support', 'sales'],
      },
      priority: { type: 'integer', title: 'Priority', description: 'The highest comes first.' },
      mandatory: { type: 'boolean', title: 'Nobody may opt out' },
      enabled: { type: 'boolean', title: 'Sent', default: true },
    },
    required: ['scope', 'content'],
  }
  const rowOf = (given: Given) => ({
    content: given.need('content'),
    context: given.text('context'),
    priority: given.number('priority') ?? 0,
    mandatory: given.flag('mandatory'),
    enabled: given.flag('enabled'),
  })
  const add = async (given: Given) => {
    const scope = given.need('scope')
    const row = { ...rowOf(given), scope, user_id: scope === 'user' ? user.id : null }
    dataOf(await supabase.from('system_prompts').insert(row).select('id').single())
    reading.reload()
  }
  const change = async (id: number, given: Given) => {
    const changing = supabase.from('system_prompts').update(rowOf(given)).eq('id', id)
    dataOf(await changing.select('id').single())
    reading.reload()
  }
  const remove = async (id: number) => {
    dataOf(await supabase.from('system_prompts').delete().eq('id', id).select('id').single())
    reading.reload()
  }
  return (
    <>
      <EffectivePrompts version={reading.data} />
      <Section
        title="Layers"
        reading={reading}
        actions={
          <Edit label="New layer" schema={schema} submit="Create" isPrimary onSubmit={add} />
        }
      >
        {(layers) => (
          <Table
            label="Layers"
            rows={layers}
            keyOf={(one) => one.id}
            columns={[
              { title: 'For', of: (one) => (one.scope === 'user' ? 'me' : one.scope) },
              {
                title: 'Text',
                of: (one) => <Long text={one.content} />,
              },
              { title: 'About', of: (one) => one.context ?? 'everything' },
              { title: 'Priority', of: (one) => one.priority, isNumber: true },
              { title: 'State', of: (one) => (one.enabled ? 'sent' : 'not sent') },
              {
                title: 'Actions',
                of: (one) =>
                  one.user_id === user.id || (manages && one.scope === 'organization') ? (
                    <div className="buttons">
                      <Edit
                        label="Change"
                        schema={schema}
                        initial={one}
                        onSubmit={(given) => change(one.id, given)}
                      />
                      <Confirm
                        label="Delete"
                        text="The layer is no longer sent. Its versions are deleted too."
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
      <Library />
    </>
  )
}
