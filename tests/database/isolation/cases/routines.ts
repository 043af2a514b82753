import type { Actor } from '../actors.ts'
import type { Routine } from '../catalog.ts'
import { routineExpectations } from '../expectations/routines.ts'
import type { RoutineExpectation } from '../expectations/types.ts'
import type { Value } from '../rules.ts'
import type { World } from '../world.ts'
import { type Call, argumentPools, argumentSets } from './arguments.ts'
import { asJson, literal, quoted } from './statements.ts'
import type { Case, Expected } from './types.ts'

/** Every function, by one actor; those nobody may call are tried by a few. */
export function routineCases(
  world: World,
  actor: Actor,
  wanted: (object: string) => boolean,
): Case[] {
  const pools = argumentPools(world)
  return world.catalog.routines
    .filter(({ id, isTrigger }) => !isTrigger && wanted(id))
    .flatMap((routine) => {
      const expectation = routineExpectations[routine.id]
      const may = expectation !== undefined && expectation.executors.includes(actor.role)
      if (!may) return closedCases(routine, actor, pools)
      return openCases(world, routine, expectation, actor, pools)
    })
}

const few = ['anon', 'owner', 'service role']

/** Without a grant, a call is refused before its arguments are looked at. */
function closedCases(
  routine: Routine,
  actor: Actor,
  pools: ReturnType<typeof argumentPools>,
): Case[] {
  if (!few.includes(actor.name)) return []
  const [base] = argumentSets(routine, {}, pools, { combinations: 0, each: 0 })
  return base === undefined ? [] : [toCase(routine, actor, base, { kind: 'denied' })]
}

function openCases(
  world: World,
  routine: Routine,
  expectation: RoutineExpectation,
  actor: Actor,
  pools: ReturnType<typeof argumentPools>,
): Case[] {
  const example = expectation.example?.(world, actor)
  const isAllowed = actor.role === 'service_role' || (expectation.allowed?.(actor) ?? true)
  // Tried in full through the function that calls it.
  const isBody =
    routine.schema === 'private' &&
    world.catalog.routines.some(({ schema, name }) => schema === 'public' && name === routine.name)
  const extent =
    isBody || actor.role === 'service_role'
      ? { combinations: 0, each: 4 }
      : [...few, 'member', 'administrator', 'guest'].includes(actor.name)
        ? { combinations: 15, each: 20 }
        : { combinations: 2, each: 12 }
  const calls = argumentSets(routine, example ?? {}, pools, extent)
  const none: Expected = { kind: 'nothing' }
  return calls.map((call, index) => {
    if (!isAllowed)
      return toCase(routine, actor, call, expectation.empty === true ? none : { kind: 'denied' })
    const succeeds =
      index === 0 &&
      example !== undefined &&
      actor.name === (expectation.control ?? 'administrator')
    return toCase(routine, actor, call, { kind: succeeds ? 'succeeds' : 'open' })
  })
}

function toCase(routine: Routine, actor: Actor, { args, note }: Call, expected: Expected): Case {
  const list = Object.entries(args).map(([name, value]) => {
    const type = routine.arguments.find((one) => one.name === name)?.type ?? 'text'
    return `${quoted(name)} => ${constant(value, type)}`
  })
  return {
    object: routine.id,
    actor,
    verb: 'rpc',
    target: 'all',
    note,
    sql: asJson(`select * from ${routine.schema}.${routine.name}(${list.join(', ')})`),
    reads: true,
    sent: JSON.stringify(args),
    expected,
    args,
  }
}

function constant(value: Value, type: string): string {
  const name = type.includes('.') || /^[a-z ]+(\[\])?$/.test(type) ? type : `public.${type}`
  if (value === null) return `null::${name}`
  if (Array.isArray(value) && type.endsWith('[]')) {
    return `array[${value.map((one) => literal(String(one))).join(', ')}]::${name}`
  }
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value)
  // A statement cannot hold them; as JSON they have reached the tables.
  return `${literal(text.toWellFormed().replaceAll('\0', ''))}::${name}`
}
