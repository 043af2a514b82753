import { useState } from 'react'
import { dataOf, useBackend } from '../backend.ts'
import { useAgents } from '../chat/use-agents.ts'
import { Long } from '../pieces/long.tsx'
import { Section } from '../pieces/section.tsx'
import { Table } from '../pieces/table.tsx'
import { useRead } from '../pieces/use-read.ts'

const reasons: Readonly<Record<string, string>> = {
  context: 'not sent: it is for conversations about something else',
  disabled: 'not sent: it is switched off',
  opted_out: 'not sent: you opted out',
  project: 'not sent: it is for another project',
}

/** What an agent is told before the person's words, and why a layer is left out. */
export function EffectivePrompts({ version }: { readonly version: unknown }) {
  const { supabase } = useBackend()
  const agents = useAgents()
  const [agent, setAgent] = useState('')
  const reading = useRead(
    async () =>
      dataOf(await supabase.rpc('explain_effective_prompts', agent === '' ? {} : { agent })),
    [agent, version].map((one) => JSON.stringify(one)).join(),
  )
  return (
    <Section
      title="What is sent"
      about="The layers of an answer to you, in their order."
      reading={reading}
      actions={
        <select aria-label="Agent" value={agent} onChange={({ target }) => setAgent(target.value)}>
          <option value="">Any agent</option>
          {agents.map(({ id, name }) => (
            <option key={id} value={name}>
              {name}
            </option>
          ))}
        </select>
      }
    >
      {(layers) => (
        <Table
          label="What is sent"
          rows={layers.map((one, index) => ({ ...one, index }))}
          keyOf={(one) => one.index}
          empty="No layer: only the conversation is sent."
          columns={[
            { title: 'Layer', of: (one) => one.layer },
            {
              title: 'Text',
              of: (one) => <Long text={one.content} />,
            },
            {
              title: 'Why',
              of: (one) => {
                const reason = one.left_out as string | null
                if (reason !== null) return reasons[reason] ?? `not sent: ${reason}`
                return one.mandatory ? 'sent: nobody may opt out' : 'sent'
              },
            },
          ]}
        />
      )}
    </Section>
  )
}
