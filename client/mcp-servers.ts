import { Connection, type ConnectionOptions } from './connection.ts'

/** Whose key or token it is: every member uses the organization's, unless they have their own. */
export type KeyOwner = 'me' | 'organization'

export interface BegunConnection {
  /** Where the person signs in: open it in a browser. */
  readonly authorization_url: string
  readonly expires_at: string
}

export interface McpConnection {
  readonly id: number
  readonly mcp_configuration_id: number
  readonly issuer: string
  readonly scope: string | null
}

export interface RefreshedConnection {
  readonly id: number
  readonly expires_at: string | null
}

export interface EndedConnection {
  readonly id: number
  /** Whether the issuer has revoked the tokens; null when it cannot. */
  readonly revoked: boolean | null
}

export interface HeaderKey {
  readonly value: string
  readonly owner?: KeyOwner
  /** The endpoint that the person saw: an error when it has changed. */
  readonly endpoint?: string
}

/** What a test of a server found; docs/mcp-servers.md explains the fields. */
export interface TestedServer {
  readonly usable: boolean
  /** null: no request is known to have gone to the server. */
  readonly reachable: boolean | null
  readonly era: 'modern' | 'older' | 'sse' | null
  readonly tools: readonly { readonly name: string; readonly title: string | null }[]
  readonly refused: readonly {
    readonly name: string
    readonly code: string
    readonly reason: string
  }[]
  /** Why there may be more tools. */
  readonly incomplete: string | null
  readonly problem: { readonly code: string; readonly message: string } | null
  /** Who must sign in, or enter a credential. */
  readonly sign_in: 'you' | 'manager' | null
  readonly issuer: string | null
}

/** A client that a manager registered at an issuer. */
export interface IssuerClient {
  readonly issuer: string
  readonly client_id: string
  readonly client_secret?: string
  readonly token_endpoint_auth_method?: 'none' | 'client_secret_basic' | 'client_secret_post'
}

export interface StoredIssuerClient {
  readonly id: number
  readonly issuer: string
  readonly client_id: string
  readonly source: 'preregistered'
  /** What the client has to have at its issuer. */
  readonly redirect_uri: string
}

/** The routes of the function `oauth`, with types. Each throws ColloquyError with a sentence. */
export class McpServers {
  readonly #connection: Connection

  constructor(options: ConnectionOptions | Connection) {
    this.#connection = Connection.of(options)
  }

  /** Tries a server as an agent of the caller would use it. */
  test(configurationId: number): Promise<TestedServer> {
    return this.#connection.json(`${configuration(configurationId)}/test`, { method: 'POST' })
  }

  /**
   * Begins to connect a server whose `auth_type` is `oauth`.
   * @param redirectTo the client's own page: it gets `connection` or `error` in its query
   */
  connect(configurationId: number, redirectTo: string): Promise<BegunConnection> {
    return this.#connection.json(`${oauth}/connections`, {
      body: { mcp_configuration_id: configurationId, redirect_to: redirectTo },
    })
  }

  /** Ends what `connect` began. @param handle `connection` of the page's query */
  finish(handle: string): Promise<McpConnection> {
    return this.#connection.json(`${oauth}/connections/finish`, { body: { connection: handle } })
  }

  /** Refreshes the tokens of a connection before they are due. */
  refresh(connectionId: number): Promise<RefreshedConnection> {
    return this.#connection.json(`${oauth}/connections/${connectionId}/refresh`, { method: 'POST' })
  }

  /** Ends a connection. */
  disconnect(connectionId: number): Promise<EndedConnection> {
    return this.#connection.json(`${oauth}/connections/${connectionId}`, { method: 'DELETE' })
  }

  /** @param endpoint that the person saw: an error when it has changed */
  async setBearerToken(configurationId: number, token: string, endpoint?: string): Promise<void> {
    await this.#connection.request(`${configuration(configurationId)}/bearer-token`, {
      method: 'PUT',
      body: { token, ...(endpoint !== undefined && { endpoint }) },
    })
  }

  async removeBearerToken(configurationId: number): Promise<void> {
    await this.#connection.request(`${configuration(configurationId)}/bearer-token`, {
      method: 'DELETE',
    })
  }

  /** Stores the key that a server reads from a header. */
  async setHeaderKey(configurationId: number, name: string, key: HeaderKey): Promise<void> {
    await this.#connection.request(header(configurationId, name), { method: 'PUT', body: key })
  }

  async removeHeaderKey(id: number, name: string, owner: KeyOwner = 'me'): Promise<void> {
    await this.#connection.request(`${header(id, name)}?owner=${owner}`, { method: 'DELETE' })
  }

  /** Stores a client that a manager registered at an issuer. */
  setClient(client: IssuerClient): Promise<StoredIssuerClient> {
    return this.#connection.json(`${oauth}/clients`, { method: 'PUT', body: client })
  }
}

const oauth = 'functions/v1/oauth'

function configuration(id: number): string {
  return `${oauth}/configurations/${id}`
}

function header(configurationId: number, name: string): string {
  return `${configuration(configurationId)}/headers/${encodeURIComponent(name)}`
}
