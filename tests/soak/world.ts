import type { Client } from '../support/people/supabase-client.ts'
import type { Acknowledged, OwnRow } from './acknowledged.ts'
import type { Answers } from './answers.ts'
import type { Parts } from './parts.ts'
import type { Random } from './random.ts'

export interface SoakOrganization {
  readonly id: number
  /** From 1. */
  readonly number: number
  readonly marker: string
  readonly agent: string
  /** The owner's client. */
  readonly owner: SoakClient
  /** A budget that is small enough to be hit; null: no budget. */
  readonly budget: { readonly row: OwnRow; limit: number } | null
}

/** A person of one organization, on two devices. */
export interface SoakClient {
  readonly id: string
  readonly email: string
  readonly password: string
  devices: [Client, Client]
  organization: SoakOrganization
  readonly random: Random
  readonly conversations: Conversation[]
  /** Rows of its own that it may change and delete. */
  readonly rows: OwnRow[]
}

export interface Conversation {
  readonly id: string
  readonly row: OwnRow
  readonly asked: Asked[]
}

/** One request for an answer, and all that any connection received of it. */
export interface Asked {
  /** Names the request at the provider. */
  readonly seed: number
  readonly by: SoakClient
  readonly conversation: Conversation
  readonly body: Readonly<Record<string, unknown>>
  readonly headers: Readonly<Record<string, string>>
  /** The message that it stores; null: it regenerates an answer. */
  readonly message: { readonly id: string; readonly content: string } | null
  executionId: string | null
  /** Streams that a connection received whole, comments aside. */
  readonly streams: Set<string>
  /** Answers without a stream, each as JSON text. */
  readonly answers: Set<string>
}

/** What a run of the soak shares. */
export interface World extends Parts {
  readonly acknowledged: Acknowledged
  readonly answers: Answers
  readonly asked: Asked[]
  readonly organizations: SoakOrganization[]
  readonly clients: SoakClient[]
  /** How often each operation came to its end. */
  readonly operations: Map<string, number>
  /** Aborts when the clients stop: they finish what they do. */
  readonly stopping: AbortSignal
  /** Aborts when connections are given up. */
  readonly over: AbortSignal
  readonly executionsOf: Map<string, Asked>
}
