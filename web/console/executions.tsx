import { useState } from 'react'
import { dataOf, useBackend } from '../backend.ts'
import { Dialog } from '../pieces/dialog.tsx'
import { Section } from '../pieces/section.tsx'
import { Table } from '../pieces/table.tsx'
import { useRead } from '../pieces/use-read.ts'
import { count, money, seconds, time, words } from '../pieces/write.ts'
import { Execution } from './execution.tsx'
import { useNames } from './use-names.ts'

const page = 50

/** The answers that the person may read about, the latest first. */
export function Executions() {
  const { supabase } = useBackend()
  const nameOf = useNames()
  const [limit, setLimit] = useState(page)
  const [status, setStatus] = useState('')
  const reading = useRead(async () => {
    const all = supabase
      .from('agent_executions')
      .select('*, agents(name), models(display_name)')
      .order('created_at', { ascending: false })
      .limit(limit)
    return dataOf(await (status === '' ? all : all.eq('status', status)))
  }, `${status} ${limit}`)
  const choose = (
    <select aria-label="Status" value={status} onChange={({ target }) => setStatus(target.value)}>
      <option value="">Every status</option>
      {['running', 'success', 'failed', 'cancelled'].map((one) => (
        <option key={one}>{one}</option>
      ))}
    </select>
  )
  return (
    <Section title="Executions" reading={reading} actions={choose}>
      {(rows) => (
        <>
          <Table
            label="Executions"
            rows={rows}
            keyOf={(one) => one.id}
            columns={[
              { title: 'Begun', of: (one) => time(one.created_at) },
              { title: 'Person', of: (one) => nameOf(one.user_id) },
              { title: 'Agent', of: (one) => one.agents?.name ?? '–' },
              { title: 'Model', of: (one) => one.models?.display_name ?? '–' },
              {
                title: 'Status',
                of: (one) => (
                  <span className={one.status === 'failed' ? 'bad' : undefined}>
                    {words(one.error_code ?? one.status)}
                  </span>
                ),
              },
              { title: 'Tokens', of: (one) => count(one.total_tokens), isNumber: true },
              { title: 'Cost', of: (one) => money(one.cost_usd), isNumber: true },
              { title: 'Took', of: (one) => seconds(one.latency_ms), isNumber: true },
              {
                title: 'Details',
                of: (one) => (
                  <Dialog label="Show" title={`Execution of ${time(one.created_at)}`}>
                    {() => <Execution execution={one} />}
                  </Dialog>
                ),
              },
            ]}
          />
          {rows.length >= limit && (
            <button type="button" className="quiet" onClick={() => setLimit(limit + page)}>
              Older executions
            </button>
          )}
        </>
      )}
    </Section>
  )
}
