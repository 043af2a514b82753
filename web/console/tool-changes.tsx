import { dataOf, useBackend } from '../backend.ts'
import { Confirm } from '../pieces/confirm.tsx'
import { Long } from '../pieces/long.tsx'
import { Section } from '../pieces/section.tsx'
import { Table } from '../pieces/table.tsx'
import { useRead } from '../pieces/use-read.ts'
import { visible } from '../pieces/json-value.tsx'

interface Change {
  readonly id: number
  readonly name: string
  readonly configuration_id: number
  readonly proposed_hash: string
  readonly path: string
  readonly before: unknown
  readonly after: unknown
}

/** Definitions that a server changed after they were accepted: no agent calls such a tool. */
export function ToolChanges() {
  const { supabase } = useBackend()
  const reading = useRead(async () => {
    const lines = dataOf(await supabase.rpc('mcp_tool_changes')) as readonly Change[]
    return [...new Set(lines.map(({ id }) => id))].map((id) => lines.filter((one) => one.id === id))
  })
  if (reading.data?.length === 0) return null
  return (
    <Section
      title="Changed definitions"
      about="No agent calls these tools until a person who manages the server accepts what is new."
      reading={reading}
    >
      {(tools) =>
        tools.map((changes) => {
          const [first] = changes
          if (!first) return null
          const { id, name, proposed_hash } = first
          return (
            <div key={id} className="section">
              <h3>
                <bdi>{visible(name)}</bdi>
              </h3>
              <Table
                label={`Changes of ${name}`}
                rows={changes}
                keyOf={(one) => one.path}
                columns={[
                  { title: 'Where', of: (one) => (one.path === '' ? 'the tool' : one.path) },
                  { title: 'Accepted', of: (one) => <Long text={textOf(one.before)} /> },
                  { title: 'New', of: (one) => <Long text={textOf(one.after)} /> },
                ]}
              />
              <div className="buttons">
                <Confirm
                  label="Accept"
                  text={`Agents read and call “${name}” as it is shown here.`}
                  onConfirm={async () => {
                    const { error } = await supabase.rpc('approve_mcp_tool', { id, proposed_hash })
                    if (error) throw error
                    reading.reload()
                  }}
                />
              </div>
            </div>
          )
        })
      }
    </Section>
  )
}

/** A part of a definition; marks that no reader sees are written out. */
function textOf(value: unknown): string | null {
  if (value === null || value === undefined) return null
  return visible(typeof value === 'string' ? value : JSON.stringify(value, null, 2))
}
