import { dataOf, useBackend } from '../backend.ts'
import type { FormSchema } from '../form/form-fields.ts'
import type { Given } from '../form/given.ts'
import { Confirm } from '../pieces/confirm.tsx'
import { Edit } from '../pieces/edit.tsx'
import { Section } from '../pieces/section.tsx'
import { Table } from '../pieces/table.tsx'
import { useRead } from '../pieces/use-read.ts'
import { count, money } from '../pieces/write.ts'
import { useMember } from './member.ts'
import { useNames } from './use-names.ts'

/** What the organization, a project or a person may use in a day or a month. */
export function Budgets() {
  const { supabase } = useBackend()
  const { can } = useMember()
  const nameOf = useNames()
  const mgmt = supabase.schema('client_mgmt')
  const manages = can('billing.manage')
  const reading = useRead(async () => {
    const [budgets, counters, projects, members] = await Promise.all([
      mgmt.from('budgets').select().order('id').then(dataOf),
      mgmt.from('budget_counters').select().order('period_start').limit(1_000).then(dataOf),
      mgmt.from('projects').select('id, name').order('name').then(dataOf),
      supabase.rpc('organization_members').then(dataOf),
    ])
    // The last period of each budget is the present one, or the last in which it was used.
    const used = new Map(counters.map((one) => [one.budget_id, one]))
    return {
      budgets: budgets.map((one) => ({ ...one, used: used.get(one.id) })),
      projects,
      members,
    }
  })
  const { projects = [], members = [] } = reading.data ?? {}
  const schema: FormSchema = {
    properties: {
      period: { type: 'string', title: 'In each', enum: ['day', 'month'] },
      user_id: {
        type: 'string',
        title: 'Only for the person',
        oneOf: members.map((one) => ({ const: one.user_id, title: one.display_name ?? one.email })),
      },
      project_id: {
        type: 'string',
        title: 'Only for the project',
        oneOf: projects.map((one) => ({ const: String(one.id), title: one.name })),
      },
      limit_usd: { type: 'number', title: 'Dollars' },
      limit_tokens: { type: 'integer', title: 'Tokens' },
      warn_at: { type: 'number', title: 'Warn at this part', default: 0.8 },
    },
    required: ['period'],
  }
  const store = async (given: Given, id?: number) => {
    const project = given.text('project_id')
    const row = {
      period: given.need('period'),
      user_id: given.text('user_id'),
      project_id: project === null ? null : Number(project),
      limit_usd: given.number('limit_usd'),
      limit_tokens: given.number('limit_tokens'),
      warn_at: given.number('warn_at') ?? 0.8,
    }
    const table = mgmt.from('budgets')
    const storing = id === undefined ? table.insert(row) : table.update(row).eq('id', id)
    dataOf(await storing.select('id').single())
    reading.reload()
  }
  return (
    <Section
      title="Budgets"
      about="A request that would exceed a budget is refused before a model is called."
      reading={reading}
      actions={manages && <Edit label="New budget" schema={schema} isPrimary onSubmit={store} />}
    >
      {({ budgets }) => (
        <Table
          label="Budgets"
          rows={budgets}
          keyOf={(one) => one.id}
          empty="No budget: only the limits of a minute bound the usage."
          columns={[
            { title: 'Of', of: (one) => ownerOf(one) },
            { title: 'In each', of: (one) => one.period },
            { title: 'Dollars', of: (one) => money(one.limit_usd), isNumber: true },
            { title: 'Used', of: (one) => money(one.used?.settled_usd ?? null), isNumber: true },
            { title: 'Tokens', of: (one) => count(one.limit_tokens), isNumber: true },
            {
              title: 'Used tokens',
              of: (one) => count(one.used?.settled_tokens ?? null),
              isNumber: true,
            },
            {
              title: 'Actions',
              of: (one) =>
                manages && (
                  <div className="buttons">
                    <Edit
                      label="Change"
                      title="Change a budget"
                      schema={schema}
                      initial={{ ...one, project_id: String(one.project_id ?? '') }}
                      onSubmit={(given) => store(given, one.id)}
                    />
                    <Confirm
                      label="Delete"
                      text="The budget no longer bounds what is used."
                      onConfirm={async () => {
                        const row = mgmt.from('budgets').delete().eq('id', one.id)
                        dataOf(await row.select('id').single())
                        reading.reload()
                      }}
                    />
                  </div>
                ),
            },
          ]}
        />
      )}
    </Section>
  )

  function ownerOf(one: { user_id: string | null; project_id: number | null }): string {
    if (one.user_id !== null) return nameOf(one.user_id)
    if (one.project_id === null) return 'the organization'
    return projects.find(({ id }) => id === one.project_id)?.name ?? '–'
  }
}
