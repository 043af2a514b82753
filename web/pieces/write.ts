const numbers = new Intl.NumberFormat('en')
const dollars = new Intl.NumberFormat('en', {
  style: 'currency',
  currency: 'USD',
  maximumFractionDigits: 4,
})
const times = new Intl.DateTimeFormat('en-CA', {
  dateStyle: 'short',
  timeStyle: 'short',
  hour12: false,
})

/** What stands for a value that is absent. */
const none = '–'

export function count(value: number | null): string {
  return value === null ? none : numbers.format(value)
}

export function money(value: number | null): string {
  return value === null ? none : dollars.format(value)
}

/** PostgreSQL's times without an end. */
const endless: Readonly<Record<string, string>> = { '-infinity': 'ever', infinity: 'never' }

/** A time in the person's own zone. */
export function time(value: string | null): string {
  return value === null ? none : (endless[value] ?? times.format(new Date(value)))
}

export function seconds(milliseconds: number | null): string {
  return milliseconds === null ? none : `${numbers.format(milliseconds / 1_000)} s`
}

/** `tool_call` as words. */
export function words(name: string | null): string {
  return name === null ? none : name.replaceAll(/[_.]/g, ' ')
}
