import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  ToolCallDrafts,
  type ToolCallPiece,
} from '../../../supabase/functions/_shared/models/tool-call-drafts.ts'

/** How a provider names its calls. */
interface Style {
  readonly ids: 'own' | 'one' | 'none'
  readonly indexes: 'own' | 'one' | 'none'
  readonly idInEvery: boolean
  readonly nameInEvery: boolean
  readonly inTurns: boolean
}

interface Call {
  readonly name: string
  readonly said: string
  /** Where its arguments are cut. */
  readonly cuts: readonly number[]
}

const style = fc.record<Style>({
  ids: fc.constantFrom('own', 'one', 'none'),
  indexes: fc.constantFrom('own', 'one', 'none'),
  idInEvery: fc.boolean(),
  nameInEvery: fc.boolean(),
  inTurns: fc.boolean(),
})
const call = fc.record<Call>({
  name: fc.constantFrom('look', 'send'),
  said: fc.constantFrom('', 'x', '{', '{}', '}{', '"', '{"a":1}'),
  cuts: fc.array(fc.nat(40), { maxLength: 4 }),
})

const argumentsOf = ({ said }: Call, place: number) => JSON.stringify({ place, said })

/** The pieces of one call, as a provider of this style sends them. */
function piecesOf(given: Call, place: number, { ids, indexes, ...every }: Style): ToolCallPiece[] {
  const all = argumentsOf(given, place)
  const isTold = ids === 'own' || indexes === 'own'
  // Without an id and an index of its own, only what it begins with tells a call from the one before.
  const cuts = given.cuts.map((cut) => Math.min(isTold ? cut : cut + 1, all.length))
  const ends = [...cuts, all.length].sort((a, b) => a - b)
  const id = { own: `id-${place}`, one: 'id', none: null }[ids]
  const index = { own: place, one: 0, none: null }[indexes]
  return ends.map((end, n) => ({
    index,
    id: n === 0 || every.idInEvery ? id : null,
    name: n === 0 || every.nameInEvery ? given.name : null,
    arguments: all.slice(ends[n - 1] ?? 0, end),
  }))
}

/** All pieces, call after call, or one of each in turn where each piece says whose it is. */
function sent(calls: readonly Call[], given: Style): ToolCallPiece[] {
  const pieces = calls.map((each, place) => piecesOf(each, place, given))
  const isTold = given.indexes === 'own' || (given.ids === 'own' && given.idInEvery)
  if (!given.inTurns || !isTold) return pieces.flat()
  const rounds = Math.max(...pieces.map(({ length }) => length))
  return Array.from({ length: rounds }, (_, n) => pieces.flatMap((of) => of.slice(n, n + 1))).flat()
}

function assemble(pieces: readonly ToolCallPiece[]) {
  let ids = 0
  const drafts = new ToolCallDrafts(() => String((ids += 1)))
  const shown = pieces.map((piece) => drafts.add(piece))
  return { shown, whole: drafts.whole() }
}

describe('calls of one answer', () => {
  it('come out as they were made, however the provider names and cuts them', () => {
    fc.assert(
      fc.property(fc.array(call, { minLength: 1, maxLength: 4 }), style, (calls, given) => {
        const { shown, whole } = assemble(sent(calls, given))
        expect(whole.map(({ name, arguments: args }) => [name, args])).toEqual(
          calls.map((each, place) => [each.name, argumentsOf(each, place)]),
        )
        expect(new Set(whole.map(({ id }) => id)).size).toBe(calls.length)
        if (given.ids === 'own') expect(whole.map(({ id }) => id)).toEqual(calls.map(idAt))
        for (const { id, arguments: args } of whole) {
          const told = shown.flatMap((delta) => (delta?.id === id ? [delta.arguments] : []))
          expect(told.join('')).toBe(args)
        }
      }),
      { numRuns: 2_000 },
    )
  })

  it('are not made twice when the provider says one of them twice', () => {
    const piece = { index: 0, id: 'a', name: 'send', arguments: '{"to":"ann"}' }
    const half = (args: string) => ({ ...piece, name: null, arguments: args })
    for (const first of [[piece], [{ ...piece, arguments: '' }, half('{"to":'), half('"ann"}')]]) {
      const { whole } = assemble([...first, piece])
      expect(whole).toMatchObject([{ id: 'a', arguments: piece.arguments }])
    }
  })

  it('are 128 at most: more are no answer', () => {
    const pieces = (count: number) =>
      Array.from({ length: count }, (_, index) => ({
        ...{ index, id: `id-${index}`, name: 'send', arguments: '{}' },
      }))
    expect(assemble(pieces(128)).whole).toHaveLength(128)
    expect(() => assemble(pieces(129))).toThrow(
      expect.objectContaining({ code: 'provider_malformed_response' }),
    )
  })
})

function idAt(_: Call, place: number): string {
  return `id-${place}`
}
