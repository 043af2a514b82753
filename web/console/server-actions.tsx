import { McpServers, type TestedServer } from 'colloquy/client'
import { useState } from 'react'
import { dataOf, useBackend } from '../backend.ts'
import { leaveFor } from '../come-back.ts'
import type { FormSchema } from '../form/form-fields.ts'
import { webAddress } from '../markdown/addresses.ts'
import { Act } from '../pieces/act.tsx'
import { Confirm } from '../pieces/confirm.tsx'
import { Dialog } from '../pieces/dialog.tsx'
import { Edit } from '../pieces/edit.tsx'
import { Tools } from './tools.tsx'

interface ServerActionsProps {
  readonly server: {
    readonly id: number
    readonly name: string
    readonly endpoint: string | null
    readonly auth_type: string
    readonly enabled: boolean
  }
  /** The person may change the server. */
  readonly isOwner: boolean
  readonly onChanged: () => void
}

const token: FormSchema = {
  properties: { token: { type: 'string', title: 'Token', format: 'password' } },
  required: ['token'],
}

export function ServerActions({ server, isOwner, onChanged }: ServerActionsProps) {
  const { supabase, connection } = useBackend()
  const functions = new McpServers(connection)
  const { id, name, endpoint, auth_type: signsIn, enabled } = server
  const connect = async () => {
    const begun = await functions.connect(id, location.origin + location.pathname)
    const address = webAddress(begun.authorization_url)
    if (!address) throw new Error('The server names no address to sign in at. Test the server.')
    leaveFor(address)
  }
  const change = async (row: { enabled: boolean }) => {
    const changing = supabase.from('mcp_configurations').update(row).eq('id', id)
    dataOf(await changing.select('id').single())
    onChanged()
  }
  return (
    <div className="buttons">
      <Dialog label="Test" title={`Test ${name}`}>
        {() => <Tested test={() => functions.test(id)} />}
      </Dialog>
      {signsIn === 'oauth' && <Act label="Connect" onAct={connect} />}
      <Dialog label="Tools" title={`Tools of ${name}`}>
        {() => <Tools server={id} isOwner={isOwner} />}
      </Dialog>
      {isOwner && signsIn === 'bearer' && (
        <Edit
          label="Token"
          title={`Token for ${name}`}
          schema={token}
          onSubmit={async (given) => {
            await functions.setBearerToken(id, given.need('token'), endpoint ?? undefined)
            onChanged()
          }}
        />
      )}
      {isOwner && (
        <>
          <Act
            label={enabled ? 'Switch off' : 'Switch on'}
            onAct={() => change({ enabled: !enabled })}
          />
          <Confirm
            label="Delete"
            text={`“${name}” is deleted, with its tokens, connections and policies.`}
            onConfirm={async () => {
              const row = supabase.from('mcp_configurations').delete().eq('id', id)
              dataOf(await row.select('id').single())
              onChanged()
            }}
          />
        </>
      )}
    </div>
  )
}

/** Tries the server as an agent of the person would use it. */
function Tested({ test }: { readonly test: () => Promise<TestedServer> }) {
  const [found, setFound] = useState<TestedServer | null>(null)
  return (
    <>
      <Act label="Try it" isPrimary onAct={async () => setFound(await test())} />
      {found && (
        <div role="status">
          <p>{found.usable ? 'Agents can use the server.' : 'Agents cannot use the server.'}</p>
          {found.problem && <p className="failure">{found.problem.message}</p>}
          {found.sign_in === 'you' && <p>Sign in: choose “Connect”.</p>}
          {found.sign_in === 'manager' && (
            <p>A member who manages the server must enter a token.</p>
          )}
          <ul>
            {found.tools.map((one) => (
              <li key={one.name}>
                <bdi>{one.title ?? one.name}</bdi>
              </li>
            ))}
            {found.refused.map((one) => (
              <li key={one.name} className="bad">
                <bdi>{one.name}</bdi>: {one.reason}
              </li>
            ))}
          </ul>
          {found.incomplete !== null && <p>{found.incomplete}</p>}
        </div>
      )}
    </>
  )
}
