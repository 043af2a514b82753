import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { format, resolveConfig } from 'prettier'
import * as z from 'zod'
import { root } from './command.ts'
import { type Operation, operations } from './openapi-routes.ts'

const file = path.join(root, 'client/openapi.json')

const error = {
  type: 'object',
  required: ['error'],
  properties: {
    error: {
      type: 'object',
      required: ['code', 'message'],
      properties: {
        code: { type: 'string', description: 'One of docs/error-codes.md.' },
        message: { type: 'string', description: 'A sentence for a person.' },
        path: { type: 'string', description: 'The field of the request that is wrong.' },
      },
    },
  },
}

/** OpenAPI 3.1 of the functions: the bodies are the schemas by which the functions validate. */
function buildDocument(): object {
  const paths: Record<string, Record<string, object>> = {}
  for (const operation of operations) {
    const { name, parameters } = readPath(operation.path)
    const methods = (paths[name] ??= {})
    methods[operation.method.toLowerCase()] = toOperation(operation, parameters)
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Colloquy functions', version: '0.1.0', license: { name: 'Apache-2.0' } },
    servers: [
      {
        url: '{project}/functions/v1',
        variables: { project: { default: 'http://127.0.0.1:54321' } },
      },
    ],
    security: [{ accessToken: [] }],
    paths,
    components: {
      schemas: { Error: error },
      securitySchemes: { accessToken: { type: 'http', scheme: 'bearer' } },
    },
  }
}

/** `/a/:id{.+}/:more?` as `/a/{id}/{more}`, and the names. */
function readPath(pattern: string): { name: string; parameters: string[] } {
  const parameters: string[] = []
  const name = pattern.replaceAll(/:(\w+)(?:\{[^}]*\})?\??/g, (_, parameter: string) => {
    parameters.push(parameter)
    return `{${parameter}}`
  })
  return { name, parameters }
}

function toOperation(operation: Operation, parameters: readonly string[]): object {
  const { summary, body, headers = {}, query = {}, open } = operation
  const { answer = [200, 'application/json'] } = operation
  const [status, type] = answer
  const text = { type: 'string' }
  return {
    summary,
    ...(open && { security: [] }),
    parameters: [
      ...parameters.map((name) => ({ name, in: 'path', required: true, schema: text })),
      ...describe('header', headers),
      ...describe('query', query),
    ],
    ...(body && {
      requestBody: { required: true, content: { 'application/json': { schema: toSchema(body) } } },
    }),
    responses: {
      [status]: { description: 'Success', ...(type !== null && { content: { [type]: {} } }) },
      default: {
        description: 'Why not',
        content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
      },
    },
  }
}

function describe(place: string, named: Readonly<Record<string, string>>): object[] {
  return Object.entries(named).map(([name, description]) => ({
    name,
    in: place,
    description,
    schema: { type: 'string' },
  }))
}

function toSchema(body: z.ZodType): object {
  const { $schema: _, ...schema } = z.toJSONSchema(body, { io: 'input', unrepresentable: 'any' })
  return schema
}

async function openApiText(): Promise<string> {
  const config = await resolveConfig(file)
  return format(JSON.stringify(buildDocument()), { ...config, parser: 'json' })
}

export async function writeOpenApi(): Promise<void> {
  await writeFile(file, await openApiText())
}

/** @returns a line when the committed document is not that of the schemas */
export async function findOpenApiProblems(): Promise<string[]> {
  const committed = await readFile(file, 'utf8')
  if (committed === (await openApiText())) return []
  return ['client/openapi.json is not what the schemas give. Run "npm run client:openapi".']
}
