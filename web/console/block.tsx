import { dataOf, useBackend } from '../backend.ts'
import { JsonValue } from '../pieces/json-value.tsx'
import { Long } from '../pieces/long.tsx'
import { Section } from '../pieces/section.tsx'
import { Table } from '../pieces/table.tsx'
import { useRead } from '../pieces/use-read.ts'
import { time } from '../pieces/write.ts'

interface BlockProps {
  readonly id: number
  readonly lenses: readonly { readonly id: number; readonly name: string }[]
}

/** Turns of a block that are shown. */
const most = 200

/** What a block has, and what lenses found in it, the newest version first. */
export function Block({ id, lenses }: BlockProps) {
  const { supabase } = useBackend()
  const conversation = supabase.schema('conversation')
  const results = useRead(async () => {
    const rows = conversation
      .from('block_lens_version')
      .select('id, lens_id, version, result, created_at')
      .eq('block_id', id)
    return dataOf(await rows.order('created_at', { ascending: false }).limit(50))
  }, id)
  const turns = useRead(async () => {
    const rows = conversation
      .from('block_turns')
      .select('sequence_order, turns(content, timestamp, participants(name))')
      .eq('block_id', id)
    return dataOf(await rows.order('sequence_order').limit(most))
  }, id)
  return (
    <>
      <Section title="Results" reading={results}>
        {(rows) =>
          rows.length === 0 ? (
            <p className="hint">No lens has looked at this block.</p>
          ) : (
            rows.map((one) => {
              const name = lenses.find((lens) => lens.id === one.lens_id)?.name ?? 'A lens'
              const title = `${name}, version ${one.version}, ${time(one.created_at)}`
              return <JsonValue key={one.id} title={title} value={one.result} />
            })
          )
        }
      </Section>
      <Section title="Turns" reading={turns}>
        {(rows) => (
          <Table
            label="Turns"
            rows={rows}
            keyOf={(one) => one.sequence_order}
            empty="The block is empty."
            columns={[
              { title: 'Who', of: (one) => one.turns.participants.name },
              { title: 'When', of: (one) => time(one.turns.timestamp) },
              { title: 'What', of: (one) => <Long text={one.turns.content} /> },
            ]}
          />
        )}
      </Section>
    </>
  )
}
