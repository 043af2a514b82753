import { loadOnce } from '../load-once.ts'
import type { ToolServersOptions } from './create-tool-servers.ts'
import type { OpenToolServer, ToolServer } from './tool-server.ts'

/**
 * Opens MCP servers, and loads what speaks their protocol with the first one: most executions call
 * no tool, and it is a large part of a cold start.
 */
export function lazyToolServers(options: ToolServersOptions): OpenToolServer {
  const load = loadOnce(async () => {
    const { createToolServers } = await import('./create-tool-servers.ts')
    return createToolServers(options)
  })
  return (key) => {
    let server: Promise<ToolServer> | null = null
    let here: ToolServer | null = null
    const opened = () => (server ??= load().then((open) => (here = open(key))))
    return {
      list: async (signal) => (await opened()).list(signal),
      call: async (...given) => (await opened()).call(...given),
      reached: () => here?.reached() ?? null,
      close: async () => (await server)?.close(),
    }
  }
}
