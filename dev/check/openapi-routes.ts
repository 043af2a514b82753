import type * as z from 'zod'
import { answersSchema } from '../../supabase/functions/_shared/executions/answer-tool-call.ts'
import { decisionSchema } from '../../supabase/functions/_shared/executions/decide-tool-call.ts'
import { invocationSchema } from '../../supabase/functions/_shared/executions/invocation.ts'
import { authorizationSchema } from '../../supabase/functions/_shared/oauth/begin-authorization.ts'
import { authorizationCodeSchema } from '../../supabase/functions/_shared/oauth/finish-authorization.ts'
import { bearerTokenSchema } from '../../supabase/functions/_shared/oauth/set-bearer-token.ts'
import { headerKeySchema } from '../../supabase/functions/_shared/oauth/set-header-key.ts'
import { preregisteredClientSchema } from '../../supabase/functions/_shared/oauth/set-preregistered-client.ts'
import { chatBodySchema } from '../../supabase/functions/_shared/openai/chat-body.ts'
import { lensRunSchema } from '../../supabase/functions/_shared/lenses/lens-request.ts'
import { embeddingsBodySchema } from '../../supabase/functions/_shared/openai/embeddings-body.ts'
import { responsesBodySchema } from '../../supabase/functions/_shared/openai/responses-body.ts'
import { providerKeySchema } from '../../supabase/functions/_shared/provider-keys/store-key.ts'
import { searchSchema } from '../../supabase/functions/_shared/search/search.ts'

/** One route of a function, as clients see it. */
export interface Operation {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** Below `/functions/v1`, with parameters in Hono's form. */
  readonly path: string
  readonly summary: string
  readonly body?: z.ZodType
  /** Status and media type of a success; a type of null has no body. */
  readonly answer?: readonly [status: number, type: string | null]
  /** Headers that the route reads, with their meaning. */
  readonly headers?: Readonly<Record<string, string>>
  /** Parameters of the query, with their meaning. */
  readonly query?: Readonly<Record<string, string>>
  /** No access token is needed. */
  readonly open?: true
}

const events = 'text/event-stream'
const idempotency = { 'Idempotency-Key': 'A key of the client’s choice: a repetition runs once.' }
const noBody = [204, null] as const

/** Every route that a client calls. A test compares them with those that the functions serve. */
export const operations: readonly Operation[] = [
  {
    method: 'POST',
    path: '/agents/invoke',
    summary: 'Asks an agent: a stream of UI messages, or with stream: false one JSON answer.',
    body: invocationSchema,
    answer: [200, events],
    headers: idempotency,
  },
  {
    method: 'GET',
    path: '/agents/executions/:id',
    summary: 'Reads the status of an execution, and its answer once it has ended.',
  },
  {
    method: 'GET',
    path: '/agents/executions/:id/stream',
    summary: 'Reads the stream of an execution again and follows it.',
    answer: [200, events],
    headers: { 'Last-Event-ID': 'The id of the last event that the client has.' },
  },
  {
    method: 'POST',
    path: '/agents/executions/:id/cancel',
    summary: 'Stops an execution and keeps the text so far.',
  },
  {
    method: 'POST',
    path: '/agents/executions/:id/approvals/:tool_call_id',
    summary: 'Approves or denies a tool call that waits.',
    body: decisionSchema,
  },
  {
    method: 'POST',
    path: '/agents/executions/:id/answers/:tool_call_id',
    summary: 'Answers the questions of a tool call that waits.',
    body: answersSchema,
  },
  {
    method: 'POST',
    path: '/agents/search',
    summary: 'Finds messages, turns and results by their words, their meaning, or both.',
    body: searchSchema,
  },
  {
    method: 'PUT',
    path: '/agents/provider-credentials/:provider',
    summary: 'Stores the organization’s own key of a provider, after a call with it has succeeded.',
    body: providerKeySchema,
  },
  {
    method: 'DELETE',
    path: '/agents/provider-credentials/:provider',
    summary: 'Removes the organization’s own key of a provider.',
    answer: noBody,
  },
  {
    method: 'POST',
    path: '/agents/lenses/:id/runs',
    summary: 'Runs a lens over a block or a project, and answers how far the run is.',
    body: lensRunSchema,
  },
  {
    method: 'POST',
    path: '/agents/lens-runs/:id/continue',
    summary: 'Goes on with a run of a lens, and answers how far it is.',
  },
  {
    method: 'POST',
    path: '/agents/v1/chat/completions',
    summary: 'OpenAI’s chat completions, streamed or whole.',
    body: chatBodySchema,
    headers: idempotency,
  },
  {
    method: 'POST',
    path: '/agents/v1/responses',
    summary: 'OpenAI’s responses, streamed or whole.',
    body: responsesBodySchema,
    headers: idempotency,
  },
  {
    method: 'POST',
    path: '/agents/v1/embeddings',
    summary: 'OpenAI’s embeddings: a vector for each text.',
    body: embeddingsBodySchema,
  },
  { method: 'GET', path: '/agents/v1/models', summary: 'OpenAI’s list of models.' },
  { method: 'GET', path: '/agents/v1/models/:id{.+}', summary: 'One model of the list.' },
  { method: 'GET', path: '/agents/health', summary: 'Says that the function runs.', open: true },
  {
    method: 'POST',
    path: '/oauth/connections',
    summary: 'Begins the authorization at an MCP server.',
    body: authorizationSchema,
    answer: [201, 'application/json'],
  },
  {
    method: 'POST',
    path: '/oauth/connections/finish',
    summary: 'Exchanges the code, as the person who began.',
    body: authorizationCodeSchema,
    answer: [201, 'application/json'],
  },
  {
    method: 'POST',
    path: '/oauth/connections/:id/refresh',
    summary: 'Refreshes the tokens of a connection.',
  },
  {
    method: 'DELETE',
    path: '/oauth/connections/:id',
    summary: 'Revokes a connection at the server and deletes it here.',
  },
  {
    method: 'PUT',
    path: '/oauth/configurations/:id/bearer-token',
    summary: 'Stores the bearer token of an MCP server.',
    body: bearerTokenSchema,
    answer: noBody,
  },
  {
    method: 'DELETE',
    path: '/oauth/configurations/:id/bearer-token',
    summary: 'Removes the bearer token of an MCP server.',
    answer: noBody,
  },
  {
    method: 'PUT',
    path: '/oauth/configurations/:id/headers/:name',
    summary: 'Stores the key that an MCP server reads from a header.',
    body: headerKeySchema,
    answer: noBody,
  },
  {
    method: 'DELETE',
    path: '/oauth/configurations/:id/headers/:name',
    summary: 'Removes the key that an MCP server reads from a header.',
    query: { owner: 'Whose key: the organization’s or the person’s own.' },
    answer: noBody,
  },
  {
    method: 'POST',
    path: '/oauth/configurations/:id/test',
    summary: 'Tries an MCP server and says what it finds.',
  },
  {
    method: 'PUT',
    path: '/oauth/clients',
    summary: 'Stores a client that was registered at an issuer by hand.',
    body: preregisteredClientSchema,
  },
  {
    method: 'GET',
    path: '/oauth/callback/:issuer?',
    summary: 'Receives the browser from an issuer and sends it on to the client.',
    answer: [303, null],
    open: true,
  },
  {
    method: 'GET',
    path: '/oauth/client-metadata.json',
    summary: 'Describes this client to issuers.',
    open: true,
  },
  { method: 'GET', path: '/oauth/health', summary: 'Says that the function runs.', open: true },
]
