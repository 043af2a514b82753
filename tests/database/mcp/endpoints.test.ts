import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import {
  isLoopback,
  isPublic,
  parseAddress,
} from '../../../supabase/functions/_shared/outbound/address.ts'
import { checkTarget } from '../../../supabase/functions/_shared/outbound/target.ts'
import { addMember, addOwner, as, type Member, refusal } from '../../support/people/tenants.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()

const problemOf = async (endpoint: string) => {
  const [row] = await sql<{ problem: string | null }[]>`
    select private.mcp_endpoint_problem(${endpoint}) as problem`
  return row?.problem ?? null
}

const mayBeUsed = (endpoint: string): boolean => {
  try {
    checkTarget(endpoint, { allowLoopback: true })
    return true
  } catch {
    return false
  }
}

const hosts = [
  ...['mcp.example.com', 'MCP.EXAMPLE.COM:8443', 'mcp.example.', 'münchen.example', 'a_b.example'],
  ...['10.0.0.1', '10.0.0.1.', '172.16.5.5:443', '192.168.1.1', '169.254.169.254', '100.64.0.1'],
  ...['0.0.0.0', '1.1.1.1', '8.8.8.8:8080', '168.63.129.16', '255.255.255.255', '224.0.0.1'],
  ...['[fd00::1]', '[fe80::1]', '[::ffff:10.0.0.1]', '[2606:4700::1111]', '[2001:db8::1]', '[::]'],
  ...['127.0.0.1', 'localhost', 'app.localhost', '[::1]', '[64:ff9b::a00:1]', '[2002::1]'],
]

test.each(hosts)('https://%s/mcp may be saved where the function may call it', async (host) => {
  const endpoint = `https://${host}/mcp`
  expect((await problemOf(endpoint)) === null).toBe(mayBeUsed(endpoint))
})

test.each([
  ...['', 'x', 'mcp.example.com', 'file:///etc/passwd', 'ftp://a.example', 'javascript:alert(1)'],
  ...['http://mcp.example.com/', 'https://', 'https:///mcp', 'https://user@a.example/'],
  ...['https://user:pw@a.example/', 'https://a.example:port/', 'https://a b.example/'],
  ...[
    'https://a.example\\@10.0.0.1/',
    'https://0x7f.1/',
    'https://2130706433/',
    'https://010.0.0.1',
  ],
  ...[
    'https://１0.0.0.1/',
    'https://10。0。0。1/',
    'https://%31%30.0.0.1/',
    'https://[::1',
    '\nhttps://a.b',
  ],
])('%j is never saved', async (endpoint) => {
  expect(await problemOf(endpoint)).not.toBeNull()
})

test('the database and the guard know the same special addresses, to their first and last', async () => {
  const edges = [
    ...['0.0.0.0', '0.255.255.255', '1.0.0.0', '9.255.255.255', '10.0.0.0', '11.0.0.0'],
    ...['100.63.255.255', '100.64.0.0', '100.128.0.0', '169.253.255.255', '169.254.0.0'],
    ...['172.15.255.255', '172.16.0.0', '172.31.255.255', '172.32.0.0', '192.0.0.0', '192.0.1.0'],
    ...[
      '192.0.2.0',
      '192.88.99.0',
      '192.168.255.255',
      '192.169.0.0',
      '198.17.255.255',
      '198.18.0.0',
    ],
    ...['198.20.0.0', '198.51.100.9', '203.0.113.1', '223.255.255.255', '224.0.0.0', '240.0.0.0'],
    ...['168.63.129.15', '168.63.129.16', '::', '::ffff:8.8.8.8', '1fff::', '2000::', '3ffe::'],
    ...['2001::', '2001:1ff::', '2001:200::', '2001:db8::', '2002::', '2003::', '3fff::', '4000::'],
  ]
  for (const text of edges) {
    const address = parseAddress(text)
    if (address === null) throw new Error(text)
    const [row] = await sql`select private.is_special_address(${text}::inet) as special`
    expect(row?.special, text).toBe(!isPublic(address) && !isLoopback(address))
  }
})

test('a junk endpoint is refused with 422 when it is inserted and when it is changed', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const insert = (endpoint: string) => (t: typeof tx) => t`
      insert into public.mcp_configurations (user_id, name, type, endpoint)
      values (null, 'server', 'http', ${endpoint})`
    for (const endpoint of [
      '',
      'file:///etc/passwd',
      'https://10.0.0.1',
      'https://u:p@a.example',
    ]) {
      expect(await refusal(tx, owner, insert(endpoint))).toBe('PT422 address_not_allowed')
    }
    await as(tx, owner, insert('https://mcp.example.com/mcp'))
    const change = (t: typeof tx) =>
      t`update public.mcp_configurations set endpoint = 'https://192.168.0.1/'`
    expect(await refusal(tx, owner, change)).toBe('PT422 address_not_allowed')
  })
})

test('a query that no configuration names any more is forgotten', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const kept = async () => {
      const rows = await tx<{ query: string }[]>`
        select query from private.mcp_endpoint_queries
        where organization_id = ${owner.organizationId} order by id`
      return rows.map(({ query }) => query)
    }
    const put = async (name: string, query: string) => {
      await tx`update private.mcp_endpoint_queries set named_at = now() - interval '1 hour'`
      await as(
        tx,
        owner,
        (t) => t`
          insert into public.mcp_configurations (user_id, name, type, endpoint)
          values (null, ${name}, 'http', ${`https://mcp.example.com/mcp?key=${query}`})
          on conflict on constraint mcp_configurations_name_key do update set endpoint = excluded.endpoint`,
      )
    }
    await put('a', '1')
    await put('a', '1')
    expect(await kept()).toEqual(['key=1'])
    await put('a', '2')
    await put('b', '1')
    expect(await kept()).toEqual(['key=2', 'key=1'])
    await as(tx, owner, (t) => t`delete from public.mcp_configurations where name = 'a'`)
    expect(await kept()).toEqual(['key=1'])
    await as(tx, owner, (t) => t`delete from public.mcp_configurations`)
    expect(await kept()).toEqual([])
    await put('c', '3')
    expect(await kept()).toEqual(['key=3'])
  })
})

test('a query goes with its last configuration at once, and with the membership of its person', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const member = await addMember(tx, owner.organizationId)
    const add = (person: Member, name: string) =>
      as(
        tx,
        person,
        (t) => t`
          insert into public.mcp_configurations (name, type, endpoint)
          values (${name}, 'http', 'https://mcp.example.com/mcp?key=1')`,
      )
    const holders = async () => {
      const rows = await tx<{ user_id: string }[]>`
        select user_id from private.mcp_endpoint_queries
        where organization_id = ${owner.organizationId}`
      return rows.map(({ user_id }) => user_id).sort()
    }
    for (const person of [owner, member]) for (const name of ['a', 'b']) await add(person, name)
    expect(await holders()).toEqual([owner.id, member.id].sort())
    const move = (name: string) => (t: TransactionSql) =>
      t`update public.mcp_configurations set endpoint = 'https://b.example/' where name = ${name}`
    await as(tx, owner, move('a'))
    expect(await holders()).toEqual([owner.id, member.id].sort())
    await as(tx, owner, move('b'))
    expect(await holders()).toEqual([member.id])
    await as(tx, owner, (t) => t`select public.remove_member(${member.id})`)
    expect(await holders()).toEqual([])
  })
})

test('the name of a query that its owner does not have is refused', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const member = await addMember(tx, owner.organizationId)
    const put = (endpoint: string) => (t: TransactionSql) => t`
      insert into public.mcp_configurations (name, type, endpoint) values ('a', 'http', ${endpoint})
      on conflict on constraint mcp_configurations_name_key do update set endpoint = excluded.endpoint`
    await as(tx, owner, put('https://mcp.example.com/mcp?key=1'))
    const [row] = await tx<{ named: string }[]>`
      select endpoint as named from public.mcp_configurations
      where organization_id = ${owner.organizationId}`
    const named = row?.named ?? ''
    // By the clock: in a transaction that began a minute ago, the clean-up would else take it for unused.
    const unused = await tx`
      select 1 from private.mcp_endpoint_queries
      where organization_id = ${owner.organizationId} and named_at <= now()`
    expect(unused).toEqual([])
    expect(await refusal(tx, owner, put(named))).toBe('allowed')
    expect(await refusal(tx, member, put(named))).toBe('22023 invalid_request')
    for (const wrong of ['https://mcp.example.com/mcp?redacted=0', named.replace('/mcp', '/x')]) {
      expect(await refusal(tx, owner, put(wrong))).toBe('22023 invalid_request')
    }
    expect(await refusal(tx, owner, put('https://mcp.example.com/mcp?redacted=no'))).toBe('allowed')
  })
})
