import type { Outcome } from '../attempt.ts'
import type { Case, Finding } from '../cases/types.ts'
import { describe } from './leaks.ts'

const planted = /^(aaaaaaaa|bbbbbbbb|cccccccc|dddddddd)-/

/** Takes out what no two runs share: the time, and values drawn at random. */
function normalize(value: unknown): string {
  return JSON.stringify(value)
    .replaceAll(/\b20(2[5-9]|[3-9]\d)-\d\d-\d\d[T ][\d:.]+(Z|[+-]\d\d(:?\d\d)?)?/g, '<time>')
    .replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, (id) =>
      planted.test(id) ? id : '<uuid>',
    )
    .replaceAll(/\bclq_[\w-]+/g, '<key>')
    .replaceAll(/[0-9a-f]{64}/g, '<hash>')
}

/**
 * The same statement in a database where the other organization does not exist must have the same
 * answer: the same rows, the same error in the same words.
 */
export function compareWorlds(one: Case, full: Outcome, empty: Outcome): Finding[] {
  const answer = ({ code, message, detail, hint, rows, affected }: Outcome): string[] => [
    normalize([code, message, detail, hint, affected]),
    ...(rows ?? []).map((row) => normalize(row)).sort(),
  ]
  const [with_, without] = [answer(full), answer(empty)]
  if (with_.join('\n') === without.join('\n')) return []
  const index = Math.max(
    0,
    with_.findIndex((line, at) => line !== without[at]),
  )
  return [
    {
      rule: 'answers are the same whatever the other organization holds',
      object: one.object,
      actor: one.actor === 'owner' ? 'owner of the tables' : one.actor.name,
      message: `${describe(one)}: with ${with_[index]?.slice(0, 300) ?? 'nothing'}; without ${without[index]?.slice(0, 300) ?? 'nothing'}`,
    },
  ]
}
