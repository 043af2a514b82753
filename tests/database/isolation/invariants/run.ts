import type { Finding } from '../cases/types.ts'
import type { InvariantRule } from '../rules-list.ts'
import type { Session } from '../session.ts'
import { access } from './access.ts'
import { audit } from './audit.ts'
import { actIn, type Check, ignoreUndo, Undo } from './scene.ts'
import { upkeep } from './upkeep.ts'

const checks: Readonly<Record<InvariantRule, Check>> = { ...upkeep, ...audit, ...access }

/** Runs each check in a transaction of its own inside the session's, and undoes it. */
export async function runInvariants({
  world,
  full,
}: Session): Promise<{ cases: number; findings: Finding[] }> {
  const findings: Finding[] = []
  for (const [rule, check] of Object.entries(checks) as [InvariantRule, Check][]) {
    await full
      .savepoint(async (tx) => {
        const problems = await check({ tx, world, as: actIn(tx, world) }).catch(
          (error: unknown) => [String(error)],
        )
        findings.push(
          ...problems.map((message) => ({ rule, object: 'all', actor: 'all', message })),
        )
        throw new Undo()
      })
      .catch(ignoreUndo)
  }
  return { cases: Object.keys(checks).length, findings }
}
