import { attempt, type Finding, Unknown } from './finding.ts'

const firstSafe = [17, 6, 1, 155] as const
const patience = 20_000

/**
 * The image of a hosted project, which only the management API knows.
 *
 * @param hostname of the project; its reference is the first label
 * @param api the management API's origin
 */
export function inspectImage(hostname: string, token: string, api: string): Promise<Finding> {
  return attempt('the image is 17.6.1.155 or newer', async () => {
    const [reference = ''] = hostname.split('.')
    const response = await fetch(`${api}/v1/projects/${reference}`, {
      headers: { authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(patience),
    })
    if (!response.ok) throw new Error(`the management API answered ${response.status}`)
    const project = (await response.json()) as { database?: { version?: string } }
    return judgeImage(project.database?.version ?? 'none')
  })
}

function judgeImage(version: string): string[] | Unknown {
  const parts = version.split('.').map(Number)
  const isKnown = parts.length === firstSafe.length && parts.every(Number.isInteger)
  if (!isKnown) return new Unknown([`the version has another form: ${version}`])
  const at = firstSafe.findIndex((part, index) => part !== parts[index])
  if (at === -1 || (parts[at] ?? 0) > (firstSafe[at] ?? 0)) return []
  return [`${version}: https://github.com/supabase/supautils/issues/196: upgrade the project`]
}
