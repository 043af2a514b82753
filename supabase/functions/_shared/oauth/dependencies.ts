import type { Keyset } from '../crypto/keyset.ts'
import type { Database } from '../database.ts'
import type { Log } from '../log/log.ts'
import type { OutboundFetch } from '../outbound/outbound.ts'
import type { Clock } from '../time.ts'
import type { RedirectAllowList } from './redirect-allow-list.ts'

/** The addresses of this backend, and the addresses that it may reach. */
export interface OAuthSettings {
  /** `<public url of the function>/callback`: issuers send the browser here, each below it. */
  readonly callbackUrl: string
  /** Address of our client id metadata document; it is our client id where it is https. */
  readonly clientMetadataUrl: string
  readonly redirects: RedirectAllowList
  /** Development only: servers on this machine, by http too. */
  readonly allowLoopback: boolean
}

/** What using connections needs. */
export interface CredentialDependencies {
  readonly database: Database
  readonly keyset: Keyset
  /** The guarded fetch of an organization; null: it has no list of hosts. */
  readonly outbound: (allowedHosts: readonly string[] | null) => OutboundFetch
  readonly clock: Clock
  /** From 0 to below 1. */
  readonly random: () => number
  readonly log: Log
}

/** What making connections needs, too. */
export interface OAuthDependencies extends CredentialDependencies {
  readonly settings: OAuthSettings
}
