import { McpServers } from 'colloquy/client'
import { useEffect, useState } from 'react'
import { dataOf, useBackend } from '../backend.ts'
import { explain } from '../explain.ts'
import type { FormSchema } from '../form/form-fields.ts'
import type { Given } from '../form/given.ts'
import { Notice } from '../notice.tsx'
import { Edit } from '../pieces/edit.tsx'
import { Section } from '../pieces/section.tsx'
import { Table } from '../pieces/table.tsx'
import { useRead } from '../pieces/use-read.ts'
import { words } from '../pieces/write.ts'
import { useMember } from './member.ts'
import { ServerActions } from './server-actions.tsx'
import { ToolChanges } from './tool-changes.tsx'

/** The MCP servers of the organization and of the person. */
export function Servers() {
  const { supabase, connection } = useBackend()
  const { user, can } = useMember()
  const manages = can('mcp.manage')
  const reading = useRead(async () => {
    const [servers, effective] = await Promise.all([
      supabase.from('mcp_configurations').select().order('name').then(dataOf),
      supabase.from('effective_mcp_configurations').select('id, connection_status').then(dataOf),
    ])
    const states = new Map(effective.map((one) => [one.id, one.connection_status]))
    return servers.map((one) => ({ ...one, state: states.get(one.id) ?? null }))
  })
  const finished = useFinished(new McpServers(connection), reading.reload)
  const schema: FormSchema = {
    properties: {
      owner: {
        type: 'string',
        title: 'For',
        oneOf: [
          { const: 'me', title: 'Me' },
          ...(manages ? [{ const: 'organization', title: 'Every member' }] : []),
        ],
      },
      name: { type: 'string', title: 'Name' },
      endpoint: { type: 'string', title: 'Address', format: 'uri' },
      auth_type: {
        type: 'string',
        title: 'Signing in',
        oneOf: [
          { const: 'none', title: 'None' },
          { const: 'bearer', title: 'A token' },
          { const: 'oauth', title: 'Each person signs in there' },
        ],
        default: 'none',
      },
    },
    required: ['owner', 'name', 'endpoint', 'auth_type'],
  }
  const add = async (given: Given) => {
    const row = {
      user_id: given.need('owner') === 'me' ? user.id : null,
      name: given.need('name'),
      type: 'http',
      endpoint: given.need('endpoint'),
      auth_type: given.need('auth_type'),
    }
    dataOf(await supabase.from('mcp_configurations').insert(row).select('id').single())
    reading.reload()
  }
  return (
    <>
      {finished !== null && <Notice text={finished} />}
      <Section
        title="Servers"
        about="Agents call the tools of these servers. Your own server replaces the organization's of the same name."
        reading={reading}
        actions={
          can('agents.invoke') && (
            <Edit label="New server" schema={schema} isPrimary onSubmit={add} />
          )
        }
      >
        {(servers) => (
          <Table
            label="Servers"
            rows={servers}
            keyOf={(one) => one.id}
            empty="No server yet."
            columns={[
              { title: 'Name', of: (one) => one.name },
              { title: 'Address', of: (one) => one.endpoint ?? one.command },
              { title: 'For', of: (one) => (one.user_id === null ? 'every member' : 'me') },
              { title: 'Signing in', of: (one) => one.auth_type },
              { title: 'Your connection', of: (one) => words(one.state) },
              {
                title: 'Actions',
                of: (one) => (
                  <ServerActions
                    server={one}
                    isOwner={one.user_id === user.id || manages}
                    onChanged={reading.reload}
                  />
                ),
              },
            ]}
          />
        )}
      </Section>
      <ToolChanges />
    </>
  )
}

/** Ends a connection that began here, when the person comes back from the issuer. @returns why it failed */
function useFinished(servers: McpServers, onDone: () => void): string | null {
  const [problem, setProblem] = useState<string | null>(null)
  useEffect(() => {
    const query = new URLSearchParams(location.search)
    const [handle, code] = [query.get('connection'), query.get('error')]
    if (handle === null && code === null) return
    // A reload does not finish it again: the handle works once.
    history.replaceState(null, '', location.pathname + location.hash)
    if (handle === null) {
      setProblem(`The server was not connected: ${words(code)}. Connect again.`)
      return
    }
    servers.finish(handle).then(onDone, (error: unknown) => setProblem(explain(error)))
    // Once: the address is read when the view opens.
  }, [])
  return problem
}
