import { isRecord } from '../json.ts'
import { toStorableJson, toStorableText } from '../storable.ts'
import { cleanSchema } from './clean-schema.ts'
import { instructionsName } from './server-instructions.ts'
import { maxDefinitionBytes, maxDefinitionDepth, maxDescription } from './tool-limits.ts'
import type { RefusedTool, ToolDefinition } from './tool-server.ts'

export type ReadDefinition =
  | { readonly definition: ToolDefinition; readonly refusal?: never }
  | { readonly definition?: never; readonly refusal: RefusedTool }

const longestName = 256

/**
 * What is kept of a tool that a server lists, or why nothing is. Null is absent. The server's
 * annotations ("read only", "not destructive") are left out: nothing may rely on them.
 * @param place where it stands in the listing, to speak of a tool without a name
 */
export function readDefinition(tool: unknown, place: number): ReadDefinition {
  if (!isRecord(tool)) return refuse(`#${place + 1}`, 'is not an object')
  const { name, title, description, inputSchema, outputSchema } = tool
  if (typeof name !== 'string' || name === '') return refuse(`#${place + 1}`, 'has no name')
  if (name === instructionsName) return refuse(name, 'has a reserved name')
  if (name.length > longestName)
    return overLimit(name, `has a name of over ${longestName} characters`)
  const input = readInputSchema(inputSchema)
  if (typeof input === 'string') return refuse(name, input)
  if (isDeeper(input, maxDefinitionDepth - 1)) {
    return overLimit(name, `has a schema of over ${maxDefinitionDepth} levels`)
  }
  const known = { name, ...(typeof title === 'string' && { title: title.slice(0, 1_000) }) }
  const input_schema = cleanSchema(input)
  const whole = toStorableJson({
    ...known,
    ...(typeof description === 'string' && { description }),
    input_schema,
    ...readOutputSchema(outputSchema),
  })
  if (fits(whole)) return { definition: whole }
  // What a call needs: the schema of answers only judges them, and the model reads a beginning.
  const least = toStorableJson({
    ...known,
    ...(typeof description === 'string' && { description: description.slice(0, maxDescription) }),
    input_schema,
  })
  if (fits(least)) return { definition: least }
  return overLimit(name, `is larger than ${maxDefinitionBytes} bytes`)
}

/** A tool that is left out because of how it is. */
export function refuse(name: string, reason: string): ReadDefinition {
  return { refusal: { name: shown(name), code: 'tool_unusable', reason } }
}

/** A tool that is left out because there is too much of it, or of them. */
export function overLimit(name: string, reason: string): ReadDefinition {
  return { refusal: { name: shown(name), code: 'tool_over_limit', reason } }
}

/** An object's schema, or what is wrong with it. Absent, or an empty list of PHP: no named fields. */
function readInputSchema(schema: unknown): Record<string, unknown> | string {
  const isEmpty = Array.isArray(schema) && schema.length === 0
  if (schema === undefined || schema === null || schema === true || isEmpty) return {}
  if (!isRecord(schema)) return 'has an input schema that is no object'
  const { type } = schema
  const isForObjects =
    type === undefined || type === null || type === 'object' || isListWith(type, 'object')
  return isForObjects ? schema : 'has an input schema for something else than an object'
}

function readOutputSchema(schema: unknown) {
  const isUsable = isRecord(schema) && !isDeeper(schema, maxDefinitionDepth - 1)
  return isUsable && { output_schema: cleanSchema(schema) }
}

function isListWith(value: unknown, item: string): boolean {
  return Array.isArray(value) && value.includes(item)
}

function fits(definition: ToolDefinition): boolean {
  return new TextEncoder().encode(JSON.stringify(definition)).length <= maxDefinitionBytes
}

/** Whether a value has more levels than these. */
export function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  return levels === 0 || Object.values(value).some((item) => isDeeper(item, levels - 1))
}

function shown(name: string): string {
  return toStorableText(name.slice(0, longestName))
}
