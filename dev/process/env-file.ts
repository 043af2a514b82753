import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'

/**
 * Sets variables in an env file, readable by its owner only. Lines for other variables and comments
 * stay as they are.
 */
export function writeEnvFile(path: string, values: Record<string, string>): void {
  const missing = new Map(Object.entries(values))
  const lines = existsSync(path) ? readFileSync(path, 'utf8').trimEnd().split('\n') : []
  const updated = lines.map((line) => {
    const name = /^\s*(?:export\s+)?([A-Za-z_]\w*)\s*=/.exec(line)?.[1]
    const value = name === undefined ? undefined : missing.get(name)
    if (name === undefined || value === undefined) return line
    missing.delete(name)
    return `${name}=${value}`
  })
  const added = [...missing].map(([name, value]) => `${name}=${value}`)
  const draft = `${path}.${process.pid}`
  writeFileSync(draft, `${[...updated, ...added].join('\n').trimStart()}\n`, { mode: 0o600 })
  renameSync(draft, path)
}
