import { createContext, runInContext } from 'node:vm'

/** An answer as React Native's own `fetch` gives it: only whole, without a body to read. */
const wholeFetch: typeof fetch = async (target, init) => {
  const response = await fetch(target, init)
  const text = await response.text()
  const { ok, status, headers } = response
  const json = async () => JSON.parse(text) as unknown
  const whole = { ok, status, headers, text: async () => text, json }
  return whole as unknown as Response
}

/** Of the engine's own encoder there is only half: Hermes has no TextDecoder. */
const common = {
  ...{ AbortController, AbortSignal, Headers, Request, Response, FormData, Blob },
  ...{ TextEncoder, atob, btoa, performance, queueMicrotask },
  ...{ setTimeout, clearTimeout, setInterval, clearInterval, setImmediate, clearImmediate },
  // React Native parses no address: it is for reading `href` only.
  URL: class {
    constructor(readonly href: string) {}
  },
}

/** What React Native adds to the globals of the language, under Hermes. */
export const reactNativeGlobals = { ...common, fetch: wholeFetch }

/** What Expo adds to that. Its TextDecoder knows UTF-8 only, and no pieces. */
export const expoGlobals = {
  ...common,
  ...{ fetch, URL, URLSearchParams, structuredClone },
  ...{ ReadableStream, WritableStream, TransformStream },
  TextDecoder: class {
    decode(bytes: Uint8Array, options?: object): string {
      if (options) throw new TypeError('not supported')
      return new TextDecoder().decode(bytes)
    }
  },
}

/**
 * Runs a script with those globals and no others: a context of its own has the globals of the
 * language only.
 * @returns the value of the expression, as JSON
 */
export async function runInGlobals<Result>(
  globals: object,
  script: string,
  expression: string,
): Promise<Result> {
  const context = createContext({ ...globals })
  runInContext(script, context)
  const text = `(async () => JSON.stringify(await ${expression}))()`
  return JSON.parse((await runInContext(text, context)) as string) as Result
}
