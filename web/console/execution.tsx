import { dataOf, useBackend } from '../backend.ts'
import { addressOf } from '../chat/use-route.ts'
import { JsonValue } from '../pieces/json-value.tsx'
import { Section } from '../pieces/section.tsx'
import { useRead } from '../pieces/use-read.ts'

interface ExecutionProps {
  readonly execution: {
    readonly id: string
    readonly session_id: string
    readonly error_code: string | null
    readonly error_message: string | null
    readonly finish_reason: string | null
    readonly first_chunk_ms: number | null
    readonly input_tokens: number | null
    readonly output_tokens: number | null
    readonly cached_input_tokens: number | null
    readonly reasoning_tokens: number | null
    readonly route: unknown
    readonly metadata: unknown
  }
}

/** Events of one execution that are shown. */
const most = 200

/** One execution: why it ended, which models were tried, what its tools did, and its events. */
export function Execution({ execution }: ExecutionProps) {
  const { supabase } = useBackend()
  const { id, session_id, error_code, error_message, route, metadata, ...numbers } = execution
  const reading = useRead(async () => {
    const conversation = supabase.schema('conversation')
    const [calls, events] = await Promise.all([
      conversation
        .from('tool_calls')
        .select(
          'server, tool, name, status, error_code, arguments, result, started_at, completed_at',
        )
        .eq('execution_id', id)
        .order('step')
        .order('position')
        .then(dataOf),
      conversation
        .from('execution_events')
        .select('seq, event')
        .eq('execution_id', id)
        .order('seq')
        .limit(most)
        .then(dataOf),
    ])
    return { calls, events: events.map(({ event }) => event) }
  }, id)
  return (
    <>
      <p>
        <a href={addressOf(session_id)}>The conversation</a>
      </p>
      {error_code !== null && (
        <p className="failure">
          {error_code}: {error_message}
        </p>
      )}
      <JsonValue title="Numbers" value={numbers} />
      <JsonValue title="Models that were tried" value={route} />
      <JsonValue title="Metadata" value={metadata} />
      <Section title="Tools and events" reading={reading}>
        {({ calls, events }) => (
          <>
            {calls.map((call, index) => (
              <JsonValue key={index} title={`Call of ${call.tool ?? call.name}`} value={call} />
            ))}
            <JsonValue title={`Events, at most ${most}`} value={events} />
          </>
        )}
      </Section>
    </>
  )
}
