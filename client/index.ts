export { ColloquyChatTransport, type ChatTransportOptions } from './chat-transport.ts'
export { Connection, type ConnectionOptions } from './connection.ts'
export type { Database } from './database.ts'
export { ColloquyError } from './error.ts'
export { Agents } from './functions.ts'
export { loadMessages, type ChatMetadata } from './load-messages.ts'
export type {
  Decision,
  InvokeAnswer,
  InvokePart,
  InvokeRequest,
  InvokeSettings,
} from './invocation.ts'
