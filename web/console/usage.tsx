import { useState } from 'react'
import { dataOf, useBackend } from '../backend.ts'
import { Bars } from '../pieces/bars.tsx'
import { Section } from '../pieces/section.tsx'
import { Table } from '../pieces/table.tsx'
import { useRead } from '../pieces/use-read.ts'
import { count, money } from '../pieces/write.ts'
import { useMember } from './member.ts'
import { addUp, everyDay, type Used } from './usage-sums.ts'
import { useNames } from './use-names.ts'

const periods = [7, 30, 90] as const
/** As many answers as one request of the platform gives. */
const newest = 1_000

/** What answers used and cost: of everyone with `billing.manage`, otherwise of the person. */
export function Usage() {
  const { supabase } = useBackend()
  const { can } = useMember()
  const nameOf = useNames()
  const [days, setDays] = useState<number>(30)
  const dates = everyDay(days, new Date())
  const since = dates[0] ?? ''
  const byDay = useRead(
    async () =>
      dataOf(await supabase.rpc('usage_by_day', { since })).map((row): Used => ({ ...row })),
    since,
  )
  const answers = useRead(async () => {
    const ledger = supabase
      .schema('client_mgmt')
      .from('usage_ledger')
      .select('agent_name, provider, model_id, input_tokens, output_tokens, cost_usd')
    const read = ledger.gte('created_at', since).order('created_at', { ascending: false })
    return dataOf(await read.limit(newest)).map((row) => ({ ...row, executions: 1 }))
  }, since)
  const choose = (
    <select
      aria-label="Period"
      value={days}
      onChange={({ target }) => setDays(Number(target.value))}
    >
      {periods.map((one) => (
        <option key={one} value={one}>
          {one} days
        </option>
      ))}
    </select>
  )
  const isCut = answers.data?.length === newest
  return (
    <>
      <Section
        title={can('billing.manage') ? 'By day' : 'Yours, by day'}
        about="Days are those of UTC."
        reading={byDay}
        actions={choose}
      >
        {(rows) => {
          const sums = new Map(addUp(rows, (row) => row.day ?? '').map((one) => [one.name, one]))
          const bars = dates.map((day) => {
            const value = sums.get(day)?.tokens ?? 0
            return { name: day, value, shown: `${count(value)} tokens` }
          })
          return (
            <>
              <Bars label="Tokens by day" bars={bars} />
              <Sums label="By day" first="Day" sums={[...sums.values()].reverse()} />
            </>
          )
        }}
      </Section>
      <Section title="By person" reading={byDay}>
        {(rows) => (
          <Sums
            label="By person"
            first="Person"
            sums={addUp(rows, (row) => nameOf(row.user_id ?? null))}
          />
        )}
      </Section>
      <Section
        title="By agent"
        {...(isCut && { about: `Of the newest ${count(newest)} answers.` })}
        reading={answers}
      >
        {(rows) => (
          <Sums label="By agent" first="Agent" sums={addUp(rows, (row) => row.agent_name ?? '–')} />
        )}
      </Section>
      <Section
        title="By model"
        {...(isCut && { about: `Of the newest ${count(newest)} answers.` })}
        reading={answers}
      >
        {(rows) => (
          <Sums
            label="By model"
            first="Model"
            sums={addUp(rows, (row) => `${row.provider}: ${row.model_id}`)}
          />
        )}
      </Section>
    </>
  )
}

interface SumsProps {
  readonly label: string
  readonly first: string
  readonly sums: ReturnType<typeof addUp>
}

function Sums({ label, first, sums }: SumsProps) {
  return (
    <Table
      label={label}
      rows={sums}
      keyOf={(one) => one.name}
      empty="No answer yet."
      columns={[
        { title: first, of: (one) => one.name },
        { title: 'Answers', of: (one) => count(one.executions), isNumber: true },
        { title: 'Tokens', of: (one) => count(one.tokens), isNumber: true },
        { title: 'Cost', of: (one) => money(one.cost), isNumber: true },
      ]}
    />
  )
}
