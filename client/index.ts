export { ColloquyChatTransport, type ChatTransportOptions } from './chat-transport.ts'
export { Connection, type ConnectionOptions } from './connection.ts'
export type { Database } from './database.ts'
export type { Elicitation, ElicitationAnswer, ElicitationQuestion } from './elicitation.ts'
export { ColloquyError } from './error.ts'
export { uploadFile, type UploadedPart } from './files.ts'
export { readEvents, type StreamEvent } from './events.ts'
export { Agents } from './functions.ts'
export { loadMessages, type ChatMetadata } from './load-messages.ts'
export type {
  Decision,
  InvokeAnswer,
  InvokePart,
  InvokeRequest,
  InvokeSettings,
  KeyProvider,
  PolledExecution,
  StoredProviderKey,
} from './invocation.ts'
export type { LensRun, LensRunRequest } from './lenses.ts'
export type { SearchAnswer, SearchKind, SearchRequest, SearchResult } from './search.ts'
export {
  McpServers,
  type BegunConnection,
  type EndedConnection,
  type HeaderKey,
  type IssuerClient,
  type KeyOwner,
  type McpConnection,
  type RefreshedConnection,
  type StoredIssuerClient,
  type TestedServer,
} from './mcp-servers.ts'
export {
  watchSession,
  watchSessionsToAnswer,
  type LiveChannel,
  type LiveClient,
} from './watch-session.ts'
