import { startToolServer, textAnswer, type ToolServer } from './tool-server.ts'

export interface AskingServer extends ToolServer {
  /** What each call of the tool brought with it, in order. */
  replies(): unknown[]
}

/** A server whose tool asks the person before it answers: `rounds` has the questions of each round. */
export async function startAskingServer(
  tool: string,
  rounds: readonly object[],
): Promise<AskingServer> {
  const server = await startToolServer({ [tool]: {} })
  const replies: unknown[] = []
  server.intercept = ({ method, id, params }, _request, response) => {
    if (method !== 'tools/call') return false
    const inputRequests = rounds[replies.length]
    replies.push(params?.['inputResponses'])
    const result = inputRequests
      ? { resultType: 'input_required', inputRequests, requestState: 's' }
      : { resultType: 'complete', ...textAnswer('done') }
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ jsonrpc: '2.0', id, result }))
    return true
  }
  return Object.assign(server, { replies: () => replies })
}
