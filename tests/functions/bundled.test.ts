import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { root } from '../../dev/check/command.ts'
import { bundleFunction, startBounds } from '../../dev/check/function-starts.ts'
import { type FunctionProcess, startFunction } from '../../dev/functions/function-process.ts'
import { startTiedProcess } from '../../dev/process/tied-process.ts'
import { accessToken, signUpWithOrganization } from '../support/people/people.ts'
import { makeDirectory } from '../support/stack/directory.ts'
import { useStack } from '../support/stack/stack.ts'

// Each function as the platform gets it: one bundled entry, without the packages it was made of.

const directory = makeDirectory()
const names = Object.keys(startBounds)
beforeAll(async () => {
  for (const name of names) {
    const folder = path.join(directory, name)
    mkdirSync(folder)
    writeFileSync(path.join(folder, 'bundle.js'), await bundleFunction(root, name))
    writeFileSync(path.join(folder, 'index.ts'), `export { default } from './bundle.js'`)
  }
})
afterAll(() => {
  rmSync(directory, { recursive: true, force: true })
})

/** The Deno that the platform's runtime is built on; npm has it for Linux only. */
const ofThePlatform = path.join(root, 'node_modules/deno-of-the-platform/deno')
const isElsewhere = process.platform !== 'linux' || process.arch !== 'x64'

const runtimes: [string, typeof startTiedProcess][] = [
  ['the newest Deno', startTiedProcess],
  [
    'the Deno of the platform',
    (_, args, options) =>
      startTiedProcess(
        ofThePlatform,
        args
          .filter((one) => one !== '--ignore-env')
          .map((one) => one.replace(/(--allow-env)=.*/, '$1')),
        options,
      ),
  ],
]

it('the Deno of the platform is there on Linux', () => {
  expect(existsSync(ofThePlatform) || isElsewhere).toBe(true)
})

describe.each(runtimes.slice(0, existsSync(ofThePlatform) ? 2 : 1))('under %s', (_, start) => {
  const open: FunctionProcess[] = []
  afterAll(() => Promise.all(open.map((one) => one.close())))

  async function call(name: string, target: string, init: RequestInit = {}): Promise<Response> {
    const one = startFunction(
      { name, directory, env: useStack().functionEnv, watch: false, log: () => undefined },
      start,
    )
    open.push(one)
    await one.ready
    return fetch(`${one.address()}/${name}${target}`, init)
  }

  it('agents answers an invocation', async () => {
    const authorization = `Bearer ${await accessToken(await signUpWithOrganization('bundled'))}`
    const body = JSON.stringify({ agent: 'droid', message: { content: 'Hi' }, stream: false })
    const answer = await call('agents', '/invoke', {
      method: 'POST',
      headers: { authorization },
      body,
    })
    expect(await answer.json()).toMatchObject({ finish_reason: 'stop' })
  })

  it('oauth knows its callers', async () => {
    const headers = { authorization: 'Bearer no-token' }
    const answer = await call('oauth', '/connections', { method: 'POST', headers, body: '{}' })
    expect([answer.status, await answer.json()]).toMatchObject([401, { error: {} }])
  })

  it('session-cleanup cleans up', async () => {
    const headers = { apikey: useStack().cleanupKey }
    const answer = await call('session-cleanup', '', { method: 'POST', headers })
    expect(await answer.json()).toMatchObject({ complete: true })
  })
})
