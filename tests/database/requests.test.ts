import { randomUUID } from 'node:crypto'
import type { Sql, TransactionSql } from 'postgres'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connect } from '../../dev/postgres/database.ts'
import { addMember, addOwner, type Member } from '../support/people/tenants.ts'
import { connectOwner } from '../support/stack/database.ts'
import { useDatabase } from '../support/stack/stack.ts'
import { type Asked, beginRequest, request, requestOutcome } from '../support/stack/requests.ts'

// What every request passes first: private.check_request(), as PostgREST calls it.

const sql = connectOwner()
let owner: Member
let colleague: Member

beforeAll(async () => {
  owner = await addOwner(sql)
  colleague = await addMember(sql, owner.organizationId)
})

type Given = Partial<Asked>
const begin = (tx: TransactionSql, asked: Given = {}) =>
  beginRequest(tx, { claims: owner.claims, ...asked })
const outcome = (pool: Sql, asked: Given = {}) =>
  requestOutcome(pool, { claims: owner.claims, ...asked })
const get = (path: string, headers: Record<string, string> = {}, claims = owner.claims) =>
  request(path, { headers }, claims)

/** What becomes of so many requests at once, each of which lasts a tenth of a second. */
function held(pool: Sql, count: number): Promise<string[]> {
  const slow = { work: (tx: TransactionSql) => tx`select pg_sleep(0.1)` }
  return Promise.all(Array.from({ length: count }, () => outcome(pool, slow)))
}

/** Runs `work` while a number of requests of a person run. */
async function during(
  count: number,
  asked: Given,
  work: () => Promise<void>,
  pool = sql,
): Promise<void> {
  if (count === 0) return work()
  await pool.begin(async (tx) => {
    await begin(tx, asked)
    await during(count - 1, asked, work, pool)
  })
}

describe('an estimate', () => {
  test('is refused whatever its spelling', async () => {
    for (const prefer of [
      'count=planned',
      'count=estimated',
      'Count=Planned',
      'return=minimal,count=planned',
      'count = "estimated" , return=representation',
    ]) {
      const headers = { prefer }
      expect(await outcome(sql, { headers })).toBe('PT400 count_not_exact')
      expect(await outcome(sql, { headers, role: 'anon' })).toBe('PT400 count_not_exact')
    }
  })

  test('is refused to an EXPLAIN too, which a header that PostgREST hides can ask for', async () => {
    const explained = sql.begin(async (tx) => {
      await begin(tx)
      await tx`explain select id from public.chat_sessions`
    })
    await expect(explained).rejects.toMatchObject({ code: 'PT400', message: 'count_not_exact' })
  })

  test('is given to the secret key, and an exact count to each person', async () => {
    const planned = { headers: { prefer: 'count=planned' } }
    expect(await outcome(sql, { ...planned, role: 'service_role' })).toBe('allowed')
    expect(await outcome(sql, { headers: { prefer: 'count=exact' } })).toBe('allowed')
  })
})

describe('the requests of one person at once', () => {
  test('are two; the third waits for one of them and then runs', async () => {
    let third: Promise<string> | undefined
    await during(2, {}, () => {
      third = outcome(sql)
      return Promise.resolve()
    })
    expect(await third).toBe('allowed')
  })

  test('are answered all when a page sends fifteen, and some of thirty slow ones are not', async () => {
    const pool = connect(useDatabase().databaseUrl, 30)
    try {
      const outcomes = (count: number) =>
        Promise.all(Array.from({ length: count }, () => outcome(pool)))
      // Opens the connections first.
      await Promise.all(Array.from({ length: 30 }, () => pool`select pg_sleep(0.1)`))
      expect(await outcomes(15)).toEqual(Array(15).fill('allowed'))
      expect(new Set(await held(pool, 30))).toEqual(new Set(['allowed', 'PT429 too_many_requests']))
    } finally {
      await pool.end()
    }
  }, 30_000)

  test('do not hold up a colleague, the secret key or a caller without a token', async () => {
    await during(2, {}, async () => {
      expect(await outcome(sql, { claims: colleague.claims })).toBe('allowed')
      expect(await outcome(sql, { role: 'service_role' })).toBe('allowed')
      expect(await outcome(sql, { role: 'anon' })).toBe('allowed')
    })
  })
})

// At once, each with a person of its own: a third request waits for several seconds.
describe.concurrent('the third request of a person, while the two others last', () => {
  const pool = connect(useDatabase().databaseUrl, 12)
  afterAll(() => pool.end())

  test('is counted by person, on every device and in every organization', async () => {
    const { claims } = await addOwner(sql)
    const elsewhere = { ...claims, session_id: randomUUID(), organization_id: 1 }
    const refused = async () =>
      expect(await outcome(pool, { claims: elsewhere })).toBe('PT429 too_many_requests')
    await during(2, { claims }, refused, pool)
  })

  test('is refused at once when another one has waited long', async () => {
    const { id, claims } = await addOwner(sql)
    const compared = async () => {
      const next = outcome(pool, { claims })
      await untilNextInLine(id)
      const waits = next.then(() => 'waited')
      const another = outcome(pool, { claims })
      expect(await Promise.race([waits, another])).toBe('PT429 too_many_requests')
      expect(await next).toBe('PT429 too_many_requests')
    }
    await during(2, { claims }, compared, pool)
  })

  test('is refused with the limit, and with the time to come back', async () => {
    const { claims } = await addOwner(sql)
    let answer: Response | undefined
    const asked = async () => void (answer = await get('/chat_sessions?select=id', {}, claims))
    await during(2, { claims }, asked, pool)
    expect(answer?.status).toBe(429)
    expect(answer?.headers.get('retry-after')).toBe('1')
    const body = (await answer?.json()) as { code: string; message: string; hint: string }
    expect([body.code, body.message]).toEqual(['PT429', 'too_many_requests'])
    expect(JSON.parse(body.hint)).toMatchObject({ max_concurrent: 2, retry_after: 1 })
  })

  async function untilNextInLine(id: string): Promise<void> {
    for (;;) {
      const rows = await sql`
        select 1 from pg_locks
        where locktype = 'advisory' and classid = 1700 and granted
          and objid = (hashtext(${id})::bigint & 4294967295)::oid`
      if (rows.length > 0) return
      await sql`select pg_sleep(0.01)`
    }
  }
})

describe('through REST', () => {
  test('a page that asks fifteen things at once gets them all', async () => {
    const answers = await Promise.all(
      Array.from({ length: 15 }, () => get('/chat_sessions?select=id')),
    )
    expect(answers.map(({ status }) => status)).toEqual(Array(15).fill(200))
  })

  test('a planned count is refused with its code', async () => {
    const answer = await get('/chat_sessions?select=id', { prefer: 'count=planned' })
    expect(answer.status).toBe(400)
    expect(await answer.json()).toMatchObject({ code: 'PT400', message: 'count_not_exact' })
  })
})
