/** A JSON object, as opposed to an array, null or a scalar. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The value when it is a non-empty string, else null. */
export function stringOf(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null
}

/** A thousand times the longest context. What goes beyond would not fit into a ledger either. */
const maxCount = 1_000_000_000
const maxDollars = 1_000_000

/** The value when it is a usable count, else null: a ledger must never see NaN or -1. */
export function countOf(value: unknown): number | null {
  const count = amountOf(value, maxCount)
  return Number.isInteger(count) ? count : null
}

/** The value when it is a usable amount of US dollars, else null. */
export function dollarsOf(value: unknown): number | null {
  return amountOf(value, maxDollars)
}

/** A number, also one that is written as a text. */
function amountOf(value: unknown, max: number): number | null {
  const isText =
    typeof value === 'string' && /^\d{1,20}(?:\.\d{1,20})?(?:e-?\d{1,2})?$/i.test(value)
  const amount = isText ? Number(value) : value
  return typeof amount === 'number' && amount >= 0 && amount <= max ? amount : null
}
