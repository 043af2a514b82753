import { expect, it } from 'vitest'
import { answerAsPostgrest } from '../../../../dev/api/rest-forms.ts'

/** A filter that nests so many brackets, written in an address as clients write it. */
const nested = (levels: number) => `${'('.repeat(levels)}a.eq.1${')'.repeat(levels)}`

async function ask(query: string): Promise<[status: number, code: unknown, passedOn: number]> {
  let passedOn = 0
  const response = await answerAsPostgrest(
    new Request(`http://localhost/rest/v1/rows?${query}`),
    () => {
      passedOn += 1
      return Promise.resolve(Response.json([]))
    },
  )
  const body = (await response.json()) as { code?: unknown }
  return [response.status, body.code, passedOn]
}

it.each(['or=', 'select=', 'a=in.', 'or=%28a.eq.1%29&and='])(
  'refuses a query whose brackets nest too deeply before lite reads it: %s',
  async (start) => {
    expect(await ask(start + nested(100))).toEqual([200, undefined, 1])
    expect(await ask(start + encodeURIComponent(nested(101)))).toEqual([400, 'PGRST100', 0])
    expect(await ask(start + nested(3_000))).toEqual([400, 'PGRST100', 0])
  },
)

it('counts brackets within each other, not side by side', async () => {
  expect(await ask(`select=${'a(b),'.repeat(200)}c`)).toEqual([200, undefined, 1])
})
