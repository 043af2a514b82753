import type { Hono } from 'hono'
import { loadOnce } from '../load-once.ts'
import type { Log } from '../log/log.ts'
import type { Clock } from '../time.ts'
import { createFunctionApp } from './function-app.ts'

/**
 * Answers health checks and preflights at once, and loads the routes with the first other request:
 * validation, tokens and the protocols are most of a cold start.
 */
export function createLazyFunction(
  name: string,
  { log, clock }: { readonly log: Log; readonly clock: Clock },
  load: () => Promise<Hono>,
): (request: Request) => Promise<Response> {
  const door = createFunctionApp(name, log, clock)
  const routes = loadOnce(load)
  const find = async ({ method, url }: Request): Promise<Hono> => {
    if (method === 'OPTIONS' || new URL(url).pathname === `/${name}/health`) return door
    try {
      return await routes()
    } catch (error) {
      const failed = createFunctionApp(name, log, clock)
      return failed.all('*', () => {
        throw error
      })
    }
  }
  return async (request) => (await find(request)).fetch(request)
}
