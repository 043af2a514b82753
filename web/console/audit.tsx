import { useState } from 'react'
import { dataOf, useBackend } from '../backend.ts'
import { Act } from '../pieces/act.tsx'
import { Dialog } from '../pieces/dialog.tsx'
import { JsonValue } from '../pieces/json-value.tsx'
import { Section } from '../pieces/section.tsx'
import { Table } from '../pieces/table.tsx'
import { useRead } from '../pieces/use-read.ts'
import { count, time, words } from '../pieces/write.ts'
import { useMember } from './member.ts'
import { verifyChain } from './verify-chain.ts'

const page = 50
/** Events of one read of the verification. */
const atOnce = 500

/** What was changed by whom, and whether the log is whole. */
export function Audit() {
  const { supabase } = useBackend()
  const { organization } = useMember()
  const [limit, setLimit] = useState(page)
  const [verdict, setVerdict] = useState<string | null>(null)
  const reading = useRead(async () => {
    const rows = supabase.from('audit_logs').select()
    return dataOf(await rows.order('sequence', { ascending: false }).limit(limit))
  }, limit)

  const verify = async () => {
    setVerdict(null)
    const { organization_id } = organization
    // The database first: events that come later belong to no mistake.
    const told = dataOf(await supabase.rpc('verify_audit_chain', { organization_id }))
    const [database] = told
    const own = await verifyChain(async (after) => {
      const rows = supabase.from('audit_logs').select('sequence, payload, previous_hash, hash')
      return dataOf(await rows.gt('sequence', after).order('sequence').limit(atOnce))
    })
    setVerdict(
      own.isValid && database?.valid === true
        ? `The log is whole: ${count(own.events)} events. Keep the head elsewhere: ${own.head}`
        : `The log was changed: event ${own.isValid ? (database?.first_invalid_sequence ?? '?') : own.sequence} does not follow the one before.`,
    )
  }
  return (
    <Section
      title="Audit log"
      about="This browser computes the chain of the log again, from the first event on."
      reading={reading}
      actions={<Act label="Verify the chain" isPrimary onAct={verify} />}
    >
      {(events) => (
        <>
          {verdict !== null && <p role="status">{verdict}</p>}
          <Table
            label="Events"
            rows={events}
            keyOf={(one) => one.sequence}
            columns={[
              { title: 'Number', of: (one) => one.sequence, isNumber: true },
              { title: 'When', of: (one) => time(one.timestamp) },
              { title: 'Who', of: (one) => one.actor },
              { title: 'What', of: (one) => words(one.action) },
              { title: 'Of', of: (one) => `${words(one.resource_type)} ${one.resource_id ?? ''}` },
              {
                title: 'Result',
                of: (one) => (one.success ? 'done' : (one.error_message ?? 'failed')),
              },
              {
                title: 'Details',
                of: (one) => (
                  <Dialog label="Show" title={`Event ${one.sequence}`}>
                    {() => (
                      <>
                        <JsonValue title="Details" value={one.details} />
                        <JsonValue title="Hash" value={one.hash} />
                      </>
                    )}
                  </Dialog>
                ),
              },
            ]}
          />
          {events.length >= limit && (
            <button type="button" className="quiet" onClick={() => setLimit(limit + page)}>
              Older events
            </button>
          )}
        </>
      )}
    </Section>
  )
}
