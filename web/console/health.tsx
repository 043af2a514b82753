import { dataOf, useBackend } from '../backend.ts'
import { Section } from '../pieces/section.tsx'
import { Table } from '../pieces/table.tsx'
import { useRead } from '../pieces/use-read.ts'
import { count, seconds, time, words } from '../pieces/write.ts'

/** What the breaker of an agent does after faults of its provider. */
const breakers: Readonly<Record<string, string>> = {
  closed: 'calls it',
  half_open: 'tries it once',
  open: 'pauses it',
}

/** Whether the agents answer, and which are paused after faults of their provider. */
export function Health() {
  const { supabase } = useBackend()
  const reading = useRead(async () =>
    dataOf(await supabase.from('v_agent_status').select().order('name')),
  )
  return (
    <Section
      title="Agents"
      reading={reading}
      actions={
        <button type="button" className="small" onClick={reading.reload}>
          Read again
        </button>
      }
    >
      {(agents) => (
        <Table
          label="Agents"
          rows={agents}
          keyOf={(one) => one.agent_id}
          columns={[
            { title: 'Agent', of: (one) => one.name },
            { title: 'State', of: (one) => (one.enabled ? words(one.health) : 'off') },
            {
              title: 'Breaker',
              of: (one) => breakers[one.circuit_state ?? ''] ?? words(one.circuit_state),
            },
            { title: 'Calls today', of: (one) => count(one.requests_today), isNumber: true },
            { title: 'Failed today', of: (one) => count(one.failed_today), isNumber: true },
            { title: 'Took', of: (one) => seconds(one.avg_latency_ms_today), isNumber: true },
            { title: 'Last call', of: (one) => time(one.last_check) },
            { title: 'Last fault', of: (one) => one.last_error ?? '–' },
          ]}
        />
      )}
    </Section>
  )
}
