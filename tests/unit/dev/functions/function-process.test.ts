import type { ChildProcess } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { startFunction } from '../../../../dev/functions/function-process.ts'
import { startTiedProcess } from '../../../../dev/process/tied-process.ts'

type Start = typeof startTiedProcess

const script = 'echo "Listening on http://127.0.0.1:9"; exec sleep 600'
const starts: Start = (_command, _args, options) =>
  startTiedProcess('/bin/sh', ['-c', script], { ...options, cwd: '/' })
/** The system starts nothing and says so later, as without a process left (EAGAIN). */
const refuses: Start = (command, args, options) =>
  startTiedProcess(command, args, { ...options, cwd: '/absent' })

const failures: Record<string, Start> = {
  'told as an error': refuses,
  'told as an error of a process without streams (EMFILE)': (...given): ChildProcess =>
    Object.assign(refuses(...given), { stdout: undefined, stderr: undefined }),
  'thrown (ENOMEM)': () => {
    throw Object.assign(new Error('spawn ENOMEM'), { code: 'ENOMEM' })
  },
}

const options = { name: 'agents', directory: '/absent', env: {}, watch: false }

describe.each(Object.entries(failures))('a start that fails, %s', (_, fails) => {
  it('is tried again until the function answers', async () => {
    const lines: string[] = []
    const attempts = [starts, fails, fails, starts]
    const start: Start = (...given) => (attempts.shift() ?? starts)(...given)
    const running = startFunction({ ...options, log: (line) => lines.push(line) }, start)
    await running.ready
    const first = running.pid() ?? 0
    process.kill(first, 'SIGKILL')
    await expect.poll(() => attempts.length, { timeout: 60_000 }).toBe(0)
    await expect.poll(() => running.address(), { timeout: 60_000 }).toBe('http://127.0.0.1:9')
    expect(running.pid()).not.toBe(first)
    expect(lines.filter((line) => line.endsWith('is started again.'))).toHaveLength(3)
    await running.close()
  }, 90_000)

  it('is an error of the first start', async () => {
    const running = startFunction({ ...options, log: () => undefined }, fails)
    await expect(running.ready).rejects.toThrow(/^The function agents did not start: spawn/)
    await running.close()
  })
})
