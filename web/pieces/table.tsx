import type { ReactNode } from 'react'

export interface Column<Row> {
  readonly title: string
  readonly of: (row: Row) => ReactNode
  /** Whether the column has numbers, which stand under each other. */
  readonly isNumber?: boolean
}

interface TableProps<Row> {
  readonly label: string
  readonly columns: readonly Column<Row>[]
  readonly rows: readonly Row[]
  readonly keyOf: (row: Row) => string | number
  /** What is shown without a row. */
  readonly empty?: string
}

/** Rows under titles. What others wrote becomes text, which does not turn the order of the rest. */
export function Table<Row>({ label, columns, rows, keyOf, empty = 'None.' }: TableProps<Row>) {
  if (rows.length === 0) return <p className="hint">{empty}</p>
  return (
    <div className="wide" role="group" aria-label={label} tabIndex={0}>
      <table>
        <thead>
          <tr>
            {columns.map(({ title, isNumber }) => (
              <th key={title} scope="col" className={isNumber ? 'number' : undefined}>
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={keyOf(row)}>
              {columns.map(({ title, of, isNumber }) => (
                <td key={title} className={isNumber ? 'number' : undefined}>
                  <Cell value={of(row)} />
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

function Cell({ value }: { readonly value: ReactNode }) {
  return typeof value === 'string' || typeof value === 'number' ? <bdi>{value}</bdi> : value
}
