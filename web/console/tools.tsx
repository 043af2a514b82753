import { dataOf, useBackend } from '../backend.ts'
import { Section } from '../pieces/section.tsx'
import { Table } from '../pieces/table.tsx'
import { useRead } from '../pieces/use-read.ts'
import { useTask } from '../use-task.ts'
import { Notice } from '../notice.tsx'

interface ToolsProps {
  /** The id of the configuration. */
  readonly server: number
  readonly isOwner: boolean
}

const choices: Readonly<Record<string, string>> = {
  ask: 'Ask the person each time',
  auto: 'Call without asking',
  off: 'Never call',
}

/** The tools that agents have seen of a server, and who decides on their calls. */
export function Tools({ server, isOwner }: ToolsProps) {
  const { supabase } = useBackend()
  const { busy, problem, run } = useTask()
  const mgmt = supabase.schema('client_mgmt')
  const reading = useRead(async () => {
    const [tools, policies] = await Promise.all([
      mgmt.from('mcp_tools').select().eq('mcp_configuration_id', server).order('name').then(dataOf),
      mgmt.from('mcp_tool_policies').select().eq('mcp_configuration_id', server).then(dataOf),
    ])
    const policyOf = (name: string | null) => policies.find((one) => one.tool_name === name)
    const rows = tools.map(({ id, name, status }) => ({ id, name, status, of: policyOf(name) }))
    return [{ id: 0, name: null, status: '', of: policyOf(null) }, ...rows]
  })
  type Row = NonNullable<typeof reading.data>[number]

  const choose = async ({ name, of }: Row, policy: string) => {
    const table = mgmt.from('mcp_tool_policies')
    if (of && policy === '') dataOf(await table.delete().eq('id', of.id).select('id').single())
    else if (of) dataOf(await table.update({ policy }).eq('id', of.id).select('id').single())
    else {
      const row = { mcp_configuration_id: server, tool_name: name, policy }
      dataOf(await table.insert(row).select('id').single())
    }
    reading.reload()
  }
  return (
    <Section
      title="Tools and their policies"
      about="The tools are known after the first answer of an agent that uses the server."
      reading={reading}
    >
      {(rows) => (
        <>
          {problem !== null && <Notice text={problem} />}
          <Table
            label="Tools"
            rows={rows}
            keyOf={(one) => one.id}
            columns={[
              { title: 'Tool', of: (one) => one.name ?? 'All others' },
              {
                title: 'State',
                of: (one) => (one.status === 'quarantined' ? 'changed: not used' : one.status),
              },
              {
                title: 'Calls',
                of: (one) => (
                  <select
                    aria-label={`Calls of ${one.name ?? 'all others'}`}
                    value={one.of?.policy ?? ''}
                    disabled={busy || !isOwner}
                    onChange={({ target }) => run(() => choose(one, target.value))}
                  >
                    <option value="">
                      {one.name === null ? 'Ask the person each time' : 'As all others'}
                    </option>
                    {Object.entries(choices)
                      .filter(([policy]) => one.name !== null || policy !== 'ask' || one.of)
                      .map(([policy, title]) => (
                        <option key={policy} value={policy}>
                          {title}
                        </option>
                      ))}
                  </select>
                ),
              },
            ]}
          />
        </>
      )}
    </Section>
  )
}
