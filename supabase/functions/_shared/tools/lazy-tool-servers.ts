import type { ToolServersOptions } from './create-tool-servers.ts'
import type { OpenToolServer, ToolServer } from './tool-server.ts'

/**
 * Opens MCP servers, and loads what speaks their protocol with the first one: most executions call
 * no tool, and it is a large part of a cold start.
 */
export function lazyToolServers(options: ToolServersOptions): OpenToolServer {
  let loaded: Promise<OpenToolServer> | null = null
  const load = () =>
    (loaded ??= import('./create-tool-servers.ts').then(
      ({ createToolServers }) => createToolServers(options),
      (error: unknown) => {
        // The next execution loads it anew.
        loaded = null
        throw error
      },
    ))
  return (key) => {
    let server: Promise<ToolServer> | null = null
    let here: ToolServer | null = null
    const opened = () => (server ??= load().then((open) => (here = open(key))))
    return {
      list: async (signal) => (await opened()).list(signal),
      call: async (definition, args, signal) => (await opened()).call(definition, args, signal),
      reached: () => here?.reached() ?? null,
      close: async () => (await server)?.close(),
    }
  }
}
