import { describe, expect, it } from 'vitest'
import { compareDumps } from '../../dev/check/catalog-dump.ts'
import { outcomeOf, runSteps, type Step } from '../../dev/check/runner.ts'

/** Runs steps on a clock that advances 1.5 s at each look. */
async function run(steps: Step[], strict = false): Promise<{ ok: boolean; lines: string[] }> {
  const lines: string[] = []
  let time = 0
  const now = (): number => (time += 1500)
  const ok = await runSteps(steps, { log: (line) => lines.push(line), now, strict })
  return { ok, lines }
}

const good: Step = { name: 'good', run: () => Promise.resolve({ kind: 'passed' }) }
const absent: Step = {
  name: 'absent',
  run: () => Promise.resolve({ kind: 'skipped', reason: 'install it' }),
}

describe('the runner of checks', () => {
  it('prints one line per step with its time', async () => {
    expect(await run([good, good])).toEqual({
      ok: true,
      lines: ['ok       good           1.5 s', 'ok       good           1.5 s'],
    })
  })

  it('prints the output of a step that fails, runs the others, and fails', async () => {
    const bad: Step = { name: 'bad', run: () => Promise.resolve(outcomeOf(['a.ts:1 wrong', 'b'])) }
    expect(await run([bad, good])).toEqual({
      ok: false,
      lines: [
        'FAILED   bad            1.5 s',
        '        a.ts:1 wrong',
        '        b',
        'ok       good           1.5 s',
      ],
    })
  })

  it('takes a step that throws for one that fails', async () => {
    const { ok, lines } = await run([
      { name: 'throws', run: () => Promise.reject(new Error('no server')) },
    ])
    expect(ok).toBe(false)
    expect(lines.join('\n')).toContain('Error: no server')
  })

  it('says what a step lacks that cannot run, without failing', async () => {
    expect(await run([absent])).toEqual({
      ok: true,
      lines: ['not run  absent         1.5 s  install it'],
    })
  })

  it('fails in CI for a step that cannot run', async () => {
    expect(await run([absent], true)).toEqual({
      ok: false,
      lines: ['FAILED   absent         1.5 s  install it'],
    })
  })
})

describe('comparing dumps', () => {
  it('gives what only one of them has', () => {
    expect(compareDumps(['a', 'b'], ['b', 'c'])).toEqual(['- a', '+ c'])
    expect(compareDumps(['a', 'b'], ['a', 'b'])).toEqual([])
  })
})
