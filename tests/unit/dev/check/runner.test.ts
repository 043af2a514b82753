import { describe, expect, it } from 'vitest'
import { compareDumps } from '../../../../dev/check/catalog-dump.ts'
import { outcomeOf, runSteps, type Step } from '../../../../dev/check/runner.ts'

/** Runs steps, by default one at a time, on a clock that advances 1.5 s at each look. */
async function run(
  steps: Step[],
  options: { strict?: boolean; atOnce?: number } = {},
): Promise<{ ok: boolean; lines: string[] }> {
  const lines: string[] = []
  let time = 0
  const now = (): number => (time += 1500)
  const log = (line: string): void => void lines.push(line)
  const ok = await runSteps(steps, { log, now, strict: false, atOnce: 1, ...options })
  return { ok, lines }
}

const good: Step = { name: 'good', run: () => Promise.resolve({ kind: 'passed' }) }
const absent: Step = {
  name: 'absent',
  run: () => Promise.resolve({ kind: 'skipped', reason: 'install it' }),
}

describe('the runner of checks', () => {
  it('says when each step begins, how long each took, and how long all took', async () => {
    expect(await run([good, good])).toEqual({
      ok: true,
      lines: [
        'begins   good',
        'ok       good           1.5 s',
        'begins   good',
        'ok       good           1.5 s',
        'ok       all steps      7.5 s',
      ],
    })
  })

  it('runs steps side by side, no more than it may, and keeps the lines of one together', async () => {
    const ends = new Map<string, () => void>()
    const slow = (name: string): Step => ({
      name,
      run: () =>
        new Promise((resolve) => ends.set(name, () => resolve(outcomeOf([`${name} 1`, '2'])))),
    })
    const running = run([slow('a'), slow('b'), slow('c')], { atOnce: 2 })
    expect([...ends.keys()]).toEqual(['a', 'b'])
    ends.get('b')?.()
    await expect.poll(() => [...ends.keys()]).toEqual(['a', 'b', 'c'])
    ends.get('c')?.()
    ends.get('a')?.()
    const { lines } = await running
    expect(lines.map((line) => line.replace(/ +\d+\.\d s$/, ''))).toEqual([
      'begins   a',
      'begins   b',
      'FAILED   b',
      '        b 1',
      '        2',
      'begins   c',
      'FAILED   c',
      '        c 1',
      '        2',
      'FAILED   a',
      '        a 1',
      '        2',
      'FAILED   all steps',
    ])
  })

  it('prints the output of a step that fails, runs the others, and fails', async () => {
    const bad: Step = { name: 'bad', run: () => Promise.resolve(outcomeOf(['a.ts:1 wrong', 'b'])) }
    expect(await run([bad, good])).toEqual({
      ok: false,
      lines: [
        'begins   bad',
        'FAILED   bad            1.5 s',
        '        a.ts:1 wrong',
        '        b',
        'begins   good',
        'ok       good           1.5 s',
        'FAILED   all steps      7.5 s',
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
      lines: [
        'begins   absent',
        'not run  absent         1.5 s  install it',
        'ok       all steps      4.5 s',
      ],
    })
  })

  it('fails in CI for a step that cannot run', async () => {
    expect(await run([absent], { strict: true })).toEqual({
      ok: false,
      lines: [
        'begins   absent',
        'FAILED   absent         1.5 s  install it',
        'FAILED   all steps      4.5 s',
      ],
    })
  })
})

describe('comparing dumps', () => {
  it('gives what only one of them has', () => {
    expect(compareDumps(['a', 'b'], ['b', 'c'])).toEqual(['- a', '+ c'])
    expect(compareDumps(['a', 'b'], ['a', 'b'])).toEqual([])
  })
})
