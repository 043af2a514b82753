/**
 * Answers a request as PostgREST with the platform's settings does where lite (0.10.0) would not: lite
 * gets the request in another form, or does not get it.
 */
export async function answerAsPostgrest(
  request: Request,
  answer: (request: Request) => Promise<Response>,
): Promise<Response> {
  const { url, method, signal } = request
  if (nesting(new URL(url).searchParams) > deepest) return Response.json(tooDeep, { status: 400 })
  const isCall = /^\/rest\/v1\/rpc\//.test(new URL(url).pathname)
  const headers = withoutUnkeptPreferences(request)
  if (isCall && method === 'HEAD') {
    // lite takes HEAD for a filter of the result; PostgREST calls the function, as GET does.
    const response = await answer(new Request(url, { method: 'GET', headers, signal }))
    return new Response(null, response)
  }
  const isJson = headers.get('content-type')?.includes('json') !== false
  if (method !== 'POST' || !isJson) return answer(new Request(request, { headers }))
  const text = await request.text()
  const body = isCall ? argumentsOf(text) : text.trim() === 'null' ? '[]' : text
  if (body === undefined) return Response.json(unequalKeys, { status: 400 })
  return answer(new Request(url, { method, headers, body, signal }))
}

/** Levels of brackets in a query. lite reads the thousands that fit into an address for seconds. */
const deepest = 100

function nesting(query: URLSearchParams): number {
  let most = 0
  for (const [, value] of query) {
    let depth = 0
    for (const character of value) {
      if (character === '(') most = Math.max(most, (depth += 1))
      else if (character === ')') depth -= 1
    }
  }
  return most
}

const tooDeep = {
  code: 'PGRST100',
  details: null,
  hint: `At most ${deepest} brackets stand within each other.`,
  message: 'The query is nested too deeply',
}

const unequalKeys = {
  code: 'PGRST102',
  details: null,
  hint: null,
  message: 'All object keys must match',
}

/**
 * lite claims `tx=rollback` and commits; the platform commits and claims nothing (PostgREST,
 * db-tx-end = commit). Nor does it claim `return` for a request that reads.
 */
function withoutUnkeptPreferences({ headers, method }: Request): Headers {
  const prefer = headers.get('prefer')
  const result = new Headers(headers)
  if (prefer === null) return result
  const isRead = method === 'GET' || method === 'HEAD'
  const unkept = isRead ? /^(tx|return)=/ : /^tx=/
  const kept = prefer
    .split(',')
    .map((one) => one.trim())
    .filter((one) => !unkept.test(one))
  if (kept.length === 0) result.delete('prefer')
  else result.set('prefer', kept.join(', '))
  return result
}

/**
 * Of a list PostgREST takes the first object; what is neither object nor list gives no argument.
 * @returns undefined for a list of something else
 */
function argumentsOf(text: string): string | undefined {
  if (/^\s*(\{|$)/.test(text)) return text
  const value = parse(text)
  if (value === undefined) return text
  if (!Array.isArray(value)) return '{}'
  const [first = {}] = value as unknown[]
  const isObject = typeof first === 'object' && first !== null && !Array.isArray(first)
  return isObject ? JSON.stringify(first) : undefined
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // lite says what is wrong with it.
  }
}
