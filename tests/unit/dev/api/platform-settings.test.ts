import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { platformSettings } from '../../../../dev/api/platform-settings.ts'
import { functionNames } from '../../../../dev/functions/functions.ts'

const supabase = new URL('../../../../supabase/', import.meta.url)
const config = readFileSync(new URL('config.toml', supabase), 'utf8')

/** The values of one table of config.toml, which uses strings, numbers, booleans and lists only. */
function table(name: string): Record<string, unknown> {
  const body = config.split(`\n[${name}]\n`)[1]?.split(/\n\[/)[0] ?? ''
  const values: Record<string, unknown> = {}
  for (const [, key, value] of body.matchAll(/^(\w+) = (.+)$/gm)) {
    values[key ?? ''] = JSON.parse(value ?? '')
  }
  return values
}

test('the local stack follows config.toml', () => {
  expect(table('api')).toMatchObject(platformSettings.api)
  expect(table('auth')).toMatchObject(platformSettings.auth)
})

test('the token hook is the one that the migrations make', () => {
  expect(table('auth.hook.custom_access_token')).toEqual({
    enabled: true,
    uri: 'pg-functions://postgres/public/custom_access_token_hook',
  })
  const folder = new URL('migrations/', supabase)
  const scripts = readdirSync(folder).map((file) => readFileSync(new URL(file, folder), 'utf8'))
  expect(scripts.join()).toContain('function public.custom_access_token_hook(event jsonb)')
})

test('every function verifies tokens itself, none through the platform', () => {
  const names = functionNames(new URL('functions', supabase).pathname)
  expect(names.length).toBeGreaterThan(0)
  for (const name of names) expect(table(`functions.${name}`)).toEqual({ verify_jwt: false })
  const configured = [...config.matchAll(/^\[functions\.([\w-]+)\]$/gm)].map(([, name]) => name)
  expect(configured.sort()).toEqual(names)
})
