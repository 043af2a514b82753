export interface Bar {
  readonly name: string
  readonly value: number
  /** The value with its unit. */
  readonly shown: string
}

const width = 640
const height = 120
const gap = 2

/** A small bar chart. A table beside it has the same numbers; a screen reader gets the largest one. */
export function Bars({ label, bars }: { readonly label: string; readonly bars: readonly Bar[] }) {
  const most = bars.reduce<Bar | null>((last, one) => {
    return last === null || one.value > last.value ? one : last
  }, null)
  if (most === null || most.value <= 0) return null
  const step = width / bars.length
  return (
    <figure className="bars">
      <svg
        viewBox={`0 0 ${width} ${height}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`${label}. The most: ${most.shown}, ${most.name}.`}
      >
        {bars.map(({ name, value, shown }, index) => {
          const tall = Math.max(value > 0 ? 2 : 0, (value / most.value) * height)
          return (
            <rect
              key={name}
              x={index * step + gap / 2}
              y={height - tall}
              width={Math.max(1, step - gap)}
              height={tall}
            >
              <title>{`${name}: ${shown}`}</title>
            </rect>
          )
        })}
      </svg>
      <figcaption className="row hint">
        <span>{bars[0]?.name}</span>
        <span>{bars.at(-1)?.name}</span>
      </figcaption>
    </figure>
  )
}
