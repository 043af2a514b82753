import { explained } from './explained.ts'
import type { Verdict } from './judge.ts'

interface Line {
  kind: string
  all: number
  catalog: number
  behaviour: number
  noticed: number
}

export const isNoticed = ({ catalog, behaviour }: Verdict): boolean =>
  catalog.length + behaviour.length > 0

const explanationOf = ({ mutant }: Verdict): string | undefined =>
  explained.find(({ pattern }) => pattern.test(mutant.name))?.reason

/** Percent of the mutants that could be applied. */
export function scoreOf(verdicts: readonly Verdict[]): number {
  const possible = verdicts.filter(({ impossible }) => impossible === undefined)
  return (possible.filter(isNoticed).length / possible.length) * 100
}

/** The report in docs/, in Markdown. */
export function writeReport(verdicts: readonly Verdict[], seconds: number): string {
  const possible = verdicts.filter(({ impossible }) => impossible === undefined)
  const seeds = possible.filter(({ mutant }) => mutant.kind === 'seeded defect')
  const others = possible.filter(({ mutant }) => mutant.kind !== 'seeded defect')
  const missed = others.filter((verdict) => !isNoticed(verdict))
  const lines = linesOf(others)
  const total = lines.reduce(
    (sum, line) => ({
      kind: 'all',
      all: sum.all + line.all,
      catalog: sum.catalog + line.catalog,
      behaviour: sum.behaviour + line.behaviour,
      noticed: sum.noticed + line.noticed,
    }),
    { kind: 'all', all: 0, catalog: 0, behaviour: 0, noticed: 0 },
  )
  return [
    '# Mutation report',
    '',
    'Written by `npm run test:mutation`. Every policy, grant, trigger, key and check of a caller is weakened by',
    'itself, and undone: the tests of `tests/database/isolation` are asked whether they notice, and of functions and',
    'keys those of `tests/database` too. *Catalog* means that the object is not what its expectation says, *behaviour*',
    'that a role could see, write or learn what it must not, or could not do what it may.',
    '',
    `**${total.noticed} of ${total.all} noticed (${((total.noticed / total.all) * 100).toFixed(1)} %)**, in ${Math.round(seconds)} s; ` +
      `${verdicts.length - possible.length} more could not be applied and are not counted.`,
    '',
    '| weakened | mutants | by the catalog | by behaviour | noticed |',
    '|---|---:|---:|---:|---:|',
    ...[...lines, total].map(
      ({ kind, all, catalog, behaviour, noticed }) =>
        `| ${kind} | ${all} | ${catalog} | ${behaviour} | ${((noticed / all) * 100).toFixed(1)} % |`,
    ),
    '',
    '## Defects of earlier systems, put back',
    '',
    '| defect | noticed by |',
    '|---|---|',
    ...seeds.map(
      ({ mutant, catalog, behaviour }) =>
        `| ${mutant.name} | ${[...behaviour, ...catalog].join('; ') || '**nothing**'} |`,
    ),
    '',
    '## Not noticed',
    '',
    ...(missed.length === 0
      ? ['None.']
      : missed.map(
          (verdict) =>
            `- \`${verdict.mutant.name}\`: ${explanationOf(verdict) ?? '**not explained**'}`,
        )),
    '',
  ].join('\n')
}

function linesOf(verdicts: readonly Verdict[]): Line[] {
  const kinds = [...new Set(verdicts.map(({ mutant }) => mutant.kind))]
  return kinds.map((kind) => {
    const of = verdicts.filter(({ mutant }) => mutant.kind === kind)
    const count = (is: (verdict: Verdict) => boolean) => of.filter(is).length
    return {
      kind,
      all: of.length,
      catalog: count(({ catalog }) => catalog.length > 0),
      behaviour: count(({ behaviour }) => behaviour.length > 0),
      noticed: count(isNoticed),
    }
  })
}
