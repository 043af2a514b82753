/** Collects how to close the parts that have started, and closes them once, the last one first. */
export class Cleanup {
  readonly #steps: (() => Promise<void> | void)[] = []
  #closing: Promise<void> | undefined

  add(step: () => Promise<void> | void): void {
    this.#steps.push(step)
  }

  /** Closes every part, even after one fails; then throws the first failure. */
  close(): Promise<void> {
    this.#closing ??= this.#run()
    return this.#closing
  }

  async #run(): Promise<void> {
    const failures: unknown[] = []
    for (const step of this.#steps.reverse()) {
      try {
        await step()
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length > 0) throw failures[0]
  }
}

type Results<Tasks extends readonly Promise<unknown>[]> = {
  -readonly [Index in keyof Tasks]: Awaited<Tasks[Index]>
}

/** Like Promise.all, but a failure is thrown only when every task has ended: no part starts late. */
export async function allEnded<const Tasks extends readonly Promise<unknown>[]>(
  ...tasks: Tasks
): Promise<Results<Tasks>> {
  await Promise.allSettled(tasks)
  return Promise.all(tasks)
}
