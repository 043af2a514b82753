import { StartError } from './start-error.ts'

/** The gateway's port from the variable PORT; 54321 when it is not set. */
export function readPort(value: string | undefined): number {
  if (value === undefined || value === '') return 54321
  const port = Number(value)
  if (!/^\d+$/.test(value) || port < 1 || port > 65_535) {
    throw new StartError(`PORT is "${value}", which is no port: use a number from 1 to 65535.`)
  }
  return port
}
