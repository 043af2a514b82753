import { describe, expect, test } from 'vitest'
import { toStorageRequest } from '../../../../dev/api/storage-forms.ts'

describe('toStorageRequest', () => {
  const listing = (body: string) =>
    toStorageRequest(
      new Request('http://localhost/storage/v1/object/list/attachments', { method: 'POST', body }),
    )

  test.each(['{"prefix":', 'prefix=a', '\0'])('refuses to list for the body %j', async (body) => {
    const answer = await listing(body)
    expect(answer).toBeInstanceOf(Response)
    expect((answer as Response).status).toBe(400)
    await expect((answer as Response).json()).resolves.toMatchObject({ statusCode: '400' })
  })

  test.each([
    ['{"prefix":"7/"}', '7/'],
    ['{"prefix":7}', ''],
    ['[]', ''],
    ['', ''],
  ])('reads the folder of the body %j as %j', async (body, prefix) => {
    expect(await listing(body)).toMatchObject({ prefix })
  })
})
