import process from 'node:process'
import { expect, it, onTestFinished } from 'vitest'
import { abortable } from '../../supabase/functions/_shared/time.ts'

it('an abort ends the wait for work, before and during it', async () => {
  const never = new Promise<never>(() => undefined)
  await expect(abortable(never, AbortSignal.abort(new Error('before')))).rejects.toThrow('before')
  const controller = new AbortController()
  const waiting = abortable(never, controller.signal)
  controller.abort(new Error('during'))
  await expect(waiting).rejects.toThrow('during')
  expect(await abortable(Promise.resolve('done'), new AbortController().signal)).toBe('done')
})

it('work that fails after nobody waits any more harms nobody', async () => {
  const unhandled: unknown[] = []
  const note = (reason: unknown) => unhandled.push(reason)
  process.on('unhandledRejection', note)
  onTestFinished(() => void process.off('unhandledRejection', note))
  const failing = new Promise<never>((_, reject) => setImmediate(reject, new Error('late')))
  await expect(abortable(failing, AbortSignal.abort(new Error('before')))).rejects.toThrow('before')
  await new Promise((resolve) => setTimeout(resolve, 10))
  expect(unhandled).toEqual([])
})
