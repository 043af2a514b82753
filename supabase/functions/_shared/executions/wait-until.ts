/** Keeps the worker alive until the work is done, whether or not its client waits. */
export type WaitUntil = (work: Promise<unknown>) => void
