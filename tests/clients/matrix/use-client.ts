import type { ClientDriver } from './driver.ts'
import type { Use, Used } from './describe-clients.ts'
import { verbs } from './verbs.ts'

/** Uses the client of that name once, in this process. */
export async function useClient(
  drivers: readonly ClientDriver[],
  { client, verb, stream, connection }: Use,
): Promise<Used> {
  const driver = drivers.find(({ name }) => name === client)
  const row = verbs.find((one) => one.verb === verb)
  if (!driver || !row) throw new Error(`no client ${client} with the verb ${verb}`)
  const inputs: unknown[] = []
  const given = await row.use(driver.connect(connection), stream, inputs)
  return { given, inputs }
}
