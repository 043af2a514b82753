import type { Tenant } from '../actors.ts'

const letters = { a: 'a', b: 'b', none: 'p' } as const

/** Finds every marker in a text; the letter says whose value it is. */
export const markerPattern = /canary-[abp]-\d+/g

/** Identity values of B begin here, far from any that a sequence gives. */
export const firstForeignId = 7_700_000_000_000

/** Any identity value or uuid that was planted for B. */
export const foreignIdPattern = /\b77\d{11}\b|bbbbbbbb-[0-9a-f-]{27}/

/** Gives out values that say whose they are, the same ones in every run. */
export class Names {
  readonly tenant: Tenant
  #texts = 0
  #uuids = 0
  #ids = 0
  readonly #run: string

  /** @param run four hexadecimal digits, for databases that hold more than one run */
  constructor(tenant: Tenant, run = '0000') {
    this.tenant = tenant
    this.#run = run
  }

  text(): string {
    return `canary-${letters[this.tenant]}-${Number.parseInt(this.#run, 16)}${pad(++this.#texts, 5)}`
  }

  uuid(): string {
    const prefix = { a: 'aaaaaaaa', b: 'bbbbbbbb', none: 'cccccccc' }[this.tenant]
    return `${prefix}-${this.#run}-7000-8000-${(++this.#uuids).toString(16).padStart(12, '0')}`
  }

  /** For an identity column: undefined lets the sequence give it, which only B must not. */
  id(): number | undefined {
    if (this.tenant !== 'b') return undefined
    return firstForeignId + Number.parseInt(this.#run, 16) * 100_000 + ++this.#ids
  }
}

function pad(value: number, length: number): string {
  return String(value).padStart(length, '0')
}
