import { parseArgs } from 'node:util'

/** What `npm run test:soak` may be told. */
export interface SoakOptions {
  readonly seed: number
  readonly minutes: number
  readonly clients: number
  readonly organizations: number
  /** Kinds of disturbance that are left out. */
  readonly without: ReadonlySet<string>
  /** Write docs/soak.md. */
  readonly write: boolean
  /** Break what each invariant guards, and expect each to fail. */
  readonly spoil: boolean
}

export const usage = `npm run test:soak -- [--minutes 10] [--clients 50] [--organizations 20] [--seed n]
  [--without worker,backend,postmaster,network,faults] [--write] [--spoil]

Works with a stack of its own while its parts are killed, then checks what must hold.
--write writes docs/soak.md. --spoil breaks each invariant before the checks: each must fail.`

/** @throws TypeError for an argument that does not exist */
export function readOptions(args: string[]): SoakOptions {
  const { values } = parseArgs({
    args,
    options: {
      seed: { type: 'string' },
      minutes: { type: 'string', default: '10' },
      clients: { type: 'string', default: '50' },
      organizations: { type: 'string', default: '20' },
      without: { type: 'string', default: '' },
      write: { type: 'boolean', default: false },
      spoil: { type: 'boolean', default: false },
    },
  })
  const clients = positive('clients', values.clients)
  return {
    seed: values.seed === undefined ? Date.now() % 1_000_000 : positive('seed', values.seed),
    minutes: positive('minutes', values.minutes),
    clients,
    organizations: Math.min(positive('organizations', values.organizations), clients),
    without: new Set(values.without.split(',').filter(Boolean)),
    write: values.write,
    spoil: values.spoil,
  }
}

function positive(name: string, text: string): number {
  const value = Number(text)
  if (!(value > 0)) throw new TypeError(`--${name} is not a positive number: ${text}`)
  return value
}
