import { expect, it } from 'vitest'
import { createObjects } from '../../supabase/functions/_shared/objects.ts'

it.each(['../../../rest/v1/users', 'a/../b', 'a/./b', 'a//b', '..', ''])(
  'the path %j asks for nothing outside the bucket',
  async (path) => {
    const asked: string[] = []
    const objects = createObjects({
      supabaseUrlOf: () => 'https://project.example',
      keysOf: () => ({ apikey: 'k', token: 't' }),
      fetch: (input) => {
        asked.push(input instanceof Request ? input.url : String(input))
        return Promise.resolve(new Response('x'))
      },
    })
    await expect(objects.readObject(path, 10)).rejects.toMatchObject({ code: 'file_not_found' })
    expect(asked).toEqual([])
    await objects.readObject('1/..2/%2e%2e/name', 10)
    expect(asked).toEqual([
      'https://project.example/storage/v1/object/attachments/1/..2/%252e%252e/name',
    ])
  },
)
