import { isRecord } from '../json.ts'
import { toStorableJson } from '../storable.ts'
import { maxDefinitionBytes, maxDefinitionDepth } from './tool-limits.ts'
import type { ToolDefinition } from './tool-server.ts'

/**
 * What is kept of a tool that a server lists; null when it is over a limit. The server's
 * annotations ("read only", "not destructive") are left out: nothing may rely on them.
 */
export function readDefinition(tool: Readonly<Record<string, unknown>>): ToolDefinition | null {
  const { name, title, description, inputSchema, outputSchema } = tool
  if (typeof name !== 'string' || name === '' || name.length > 256) return null
  if (!isRecord(inputSchema)) return null
  const definition = toStorableJson({
    name,
    ...(typeof title === 'string' && { title }),
    ...(typeof description === 'string' && { description }),
    input_schema: inputSchema,
    ...(isRecord(outputSchema) && { output_schema: outputSchema }),
  })
  const fits =
    !isDeeper(definition, maxDefinitionDepth) &&
    new TextEncoder().encode(JSON.stringify(definition)).length <= maxDefinitionBytes
  return fits ? definition : null
}

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  return levels === 0 || Object.values(value).some((item) => isDeeper(item, levels - 1))
}
