import { type ChildProcess, spawn } from 'node:child_process'

/**
 * Runs the command in place of the shell (same process id, same exit code), beside a watcher that
 * waits on a pipe held by this process. Whatever ends this process, SIGKILL included, closes the
 * pipe, and the watcher then ends the command, with SIGKILL when it has not ended after the grace:
 * nothing outlives the stack. One line on the pipe tells the watcher that the command ended by
 * itself. The watcher ignores every signal that ends a group of processes.
 */
const TIE = (signal: string, tenths: number) => `exec 3<&0 </dev/null
{
  trap '' HUP INT QUIT TERM
  if ! read -r line <&3; then
    kill -s ${signal} $$
    n=0
    while kill -s 0 $$ && [ $n -lt ${tenths} ]; do sleep 0.1; n=$((n + 1)); done
    kill -s KILL $$
  fi
} >/dev/null 2>&1 &
exec "$@" 3<&-`

export interface TiedProcessOptions {
  env: Record<string, string>
  cwd?: string
  /** User and group to run as; only root may set them. */
  uid?: number
  gid?: number
  /** Signal that ends the command in an orderly way. */
  signal: 'SIGINT' | 'SIGTERM'
  /** How long that may take before SIGKILL when this process is gone. Default 2 s. */
  graceMs?: number
}

/**
 * Starts a command that cannot outlive this process. Its stdout and stderr are pipes. It leads a
 * session of its own: a signal to this process's group, such as Ctrl-C in a terminal, does not end
 * it behind the back of the stack, which ends its parts in order.
 */
export function startTiedProcess(
  command: string,
  args: string[],
  options: TiedProcessOptions,
): ChildProcess {
  const { signal, env, graceMs = 2_000, ...rest } = options
  // Windows has no /bin/sh; there the command is a plain child.
  const posix = process.platform !== 'win32'
  const child = posix
    ? spawn('/bin/sh', ['-c', TIE(signal.slice(3), graceMs / 100), 'sh', command, ...args], {
        ...rest,
        env,
        detached: true,
      })
    : spawn(command, args, { ...rest, env, windowsHide: true })
  // The pipe breaks when the watcher ends first; then it needs no message.
  child.stdin?.on('error', () => undefined)
  child.once('exit', () => child.stdin?.end('\n'))
  return child
}

/** Whether the process has neither exited nor failed to start. */
export function isRunning(child: ChildProcess): boolean {
  return child.pid !== undefined && child.exitCode === null && child.signalCode === null
}

/** Ends the process with `signal`, and with SIGKILL when it has not ended after `graceMs`. */
export async function stopProcess(
  child: ChildProcess,
  signal: 'SIGINT' | 'SIGTERM',
  graceMs: number,
): Promise<void> {
  if (!isRunning(child)) return
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  child.kill(signal)
  const timer = setTimeout(() => child.kill('SIGKILL'), graceMs)
  await ended
  clearTimeout(timer)
}
