import { readFile } from 'node:fs/promises'
import path from 'node:path'
import OpenAI from 'openai'
import { expect, it } from 'vitest'
import { root } from '../../dev/check/command.ts'
import { readFences } from '../../dev/check/fences.ts'
import { signUpWithOrganization } from '../support/people/people.ts'
import { useStack } from '../support/stack/stack.ts'

type Program = (surroundings: object) => Promise<void>

it('the program of docs/api-keys.md makes, uses, rotates and revokes a key', async () => {
  const text = await readFile(path.join(root, 'docs/api-keys.md'), 'utf8')
  const fences = readFences(text).map(({ code }) => code)
  expect(fences).toHaveLength(1)
  const code = fences.join('\n').replace(/^import .*$/gm, '')
  const body = `export default async ({ supabase, url, OpenAI, console }) => {${code}}`
  const module = (await import(
    /* @vite-ignore */ `data:text/javascript,${encodeURIComponent(body)}`
  )) as { default: Program }
  const ann = await signUpWithOrganization('ann')
  const printed: unknown[] = []
  await module.default({
    supabase: ann.client,
    url: useStack().url,
    OpenAI,
    console: { log: (line: unknown) => printed.push(line) },
  })
  expect(printed).toHaveLength(3)
  expect(printed[0]).toEqual(expect.stringMatching(/./))
  expect(printed[1]).toBeGreaterThan(0)
  expect(printed[2]).toEqual(['customer-42: 1'])
  const { data } = await ann.client.rpc('list_api_keys').throwOnError()
  expect(data).toMatchObject([{ name: 'shop', works: false }])
})
