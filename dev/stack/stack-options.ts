/** With the lease of 30 s, an execution whose worker died ends within a minute. */
export const defaultCleanupIntervalMs = 20_000

export interface StackOptions {
  /** Port of the gateway; 0 for any free one. Default 54321. */
  port?: number
  /** State directory: secrets, database, lock, logs. Default `.colloquy`. */
  directory?: string
  /** Use this PostgreSQL instead of the embedded one. */
  databaseUrl?: string
  /** Variables for the functions that win over the local defaults. */
  env?: Record<string, string>
  /** Gets every line the stack has to say. */
  log?: (line: string) => void
  /** Default `supabase/migrations`. */
  migrationsDirectory?: string
  /** Default `supabase/seed.sql`. */
  seedFile?: string
  /** Default `supabase/functions`. */
  functionsDirectory?: string
  /** Start a function again when one of its files changes. Default false. */
  watch?: boolean
  /** False trades crash safety of the embedded database for speed. Default true. */
  durable?: boolean
  /** Call session-cleanup at the start and then this often; 0 never. Default 20 s. */
  cleanupIntervalMs?: number
  /** Builds the page that the gateway serves at its root. @returns its folder. Default: no page. */
  buildPage?: () => Promise<string>
  /** Longest a client may take to send a request, headers and body. Default 30 s. */
  requestTimeoutMs?: number
}

/** A running stack: addresses and keys, and how to end it. */
export interface Stack {
  /** The gateway, what the platform calls the project URL. */
  url: string
  /** For clients; stands for the role anon. */
  publishableKey: string
  /** Stands for the role service_role. */
  secretKey: string
  /** Named key `session_cleanup`, which the function session-cleanup accepts. */
  cleanupKey: string
  /** As the owner of the migrations' objects: `postgres`, not a superuser, as on the platform. */
  databaseUrl: string
  /** As superuser; undefined with a database of your own. */
  superuserUrl: string | undefined
  jwtSecret: string
  modelServerUrl: string
  /** Names of the functions that are served. */
  functions: string[]
  /** Variables the functions see. */
  functionEnv: Record<string, string>
  /** Stops every part; safe to call twice. */
  close(): Promise<void>
}
