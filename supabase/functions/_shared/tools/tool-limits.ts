import type { OutboundLimits } from '../outbound/limits.ts'

/** Calls of the model in one execution, unless its agent says otherwise (`max_steps`, up to 32). */
export const defaultSteps = 8
export const maxSteps = 32

/** Tools of one server, and of all servers together; providers take no more. */
export const maxTools = 128
/** Characters of JSON that all definitions together may have: the model reads them in every step. */
export const maxDefinitionsLength = 256 * 1024
/** Bytes of JSON, of which the database stores twice as many, and levels of nesting of one definition. */
export const maxDefinitionBytes = 32 * 1024
export const maxDefinitionDepth = 32
/** Characters that are kept of a description where a definition is too large as a whole. */
export const maxDescription = 4_096
/** Characters that are kept of a server's instructions, and that the model reads of all servers'. */
export const maxInstructions = 2_048
export const maxAllInstructions = 8_192
/** Pages that are read of a listing. */
export const maxListingPages = 32

/** Calls that a model may ask for in one step, and how many of them are made at once. */
export const maxCallsPerStep = 16
export const concurrentCalls = 4
/** Characters of the arguments of one call. */
export const maxArgumentsLength = 64 * 1024

/** Characters of an answer that the model reads. */
export const maxResultText = 48 * 1024
/** Characters of JSON that are stored of an answer, besides its text. */
export const maxStructuredLength = 64 * 1024
/** Characters in base64 of the images and files that one answer, and those of one execution, pass on. */
export const maxResultMedia = 2_000_000
export const maxExecutionMedia = 8_000_000
/** Pieces of content that are kept of an answer. */
export const maxResultParts = 32

/**
 * Milliseconds for each step of an exchange with an MCP server: to connect, in which a server has
 * `probe` to say that it speaks a modern revision; to list; for a call, which each sign of progress
 * begins anew up to `longestCall`; and to end a session.
 */
export const toolTimeouts = {
  probe: 4_000,
  connect: 8_000,
  list: 8_000,
  call: 45_000,
  longestCall: 180_000,
  end: 1_500,
} as const

/** Seconds for which a listing holds whose server does not say, and for which any may. */
export const defaultListingTtl = 60
export const maxListingTtl = 3_600

/** What one request to an MCP server may take and bring. */
export const toolRequestLimits: OutboundLimits = {
  head: 50_000,
  total: 200_000,
  idle: 50_000,
  bytes: 8 * 1024 * 1024,
}
