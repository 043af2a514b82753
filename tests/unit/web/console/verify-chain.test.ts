import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { type Link, verifyChain } from '../../../../web/console/verify-chain.ts'

/** A chain as the database writes it. */
function chainOf(...payloads: string[]): Link[] {
  let head = '0'.repeat(64)
  return payloads.map((payload, index) => {
    const hash = createHash('sha256').update(Buffer.from(head, 'hex')).update(payload).digest('hex')
    const link = { sequence: index + 1, payload, previous_hash: `\\x${head}`, hash: `\\x${hash}` }
    head = hash
    return link
  })
}

/** Gives the events two at a time. */
const verify = (links: readonly Link[]) =>
  verifyChain((after) =>
    Promise.resolve(links.filter(({ sequence }) => sequence > after).slice(0, 2)),
  )

const whole = chainOf('{"a": 1}', '{"ü": "☃"}', '{"c": 3}', '{"d": 4}', '{"e": 5}')

test('a whole chain is valid, and gives its head', async () => {
  const head = whole.at(-1)?.hash.slice(2)
  expect(await verify(whole)).toEqual({ isValid: true, events: 5, head })
  expect(await verify([])).toEqual({ isValid: true, events: 0, head: '0'.repeat(64) })
})

test.each([1, 2, 3, 4, 5])('a changed payload of event %i shows at the event', async (sequence) => {
  const changed = whole.map((one) => (one.sequence === sequence ? { ...one, payload: '{}' } : one))
  expect(await verify(changed)).toEqual({ isValid: false, sequence })
})

test('an event that is gone, and one with a computed hash, show at the next event', async () => {
  expect(await verify(whole.filter(({ sequence }) => sequence !== 3))).toEqual({
    isValid: false,
    sequence: 3,
  })
  const [first] = chainOf('{"forged": true}')
  expect(await verify([first as Link, ...whole.slice(1)])).toEqual({ isValid: false, sequence: 2 })
})
