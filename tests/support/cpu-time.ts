/**
 * How long this process computes while `work` runs, in milliseconds. A busy machine adds nothing to
 * it, as it does to the time on the wall.
 */
export async function cpuTimeOf(work: () => unknown): Promise<number> {
  const before = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1_000
}
