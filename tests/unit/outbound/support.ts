import { OutboundError } from '../../../supabase/functions/_shared/outbound/error.ts'
import { createOutboundFetch } from '../../../supabase/functions/_shared/outbound/outbound.ts'
import type { Resolve } from '../../../supabase/functions/_shared/outbound/resolve.ts'

export const strict = createOutboundFetch({ allowLoopback: false })
export const development = createOutboundFetch({ allowLoopback: true })

export async function reasonOf(work: Promise<unknown>): Promise<string> {
  try {
    await work
    return 'none'
  } catch (error) {
    if (error instanceof OutboundError) return error.reason
    throw error
  }
}

/** A resolver with fixed answers, which counts its calls. */
export function answers(...addresses: string[]) {
  const names: string[] = []
  const resolve: Resolve = async (name) => {
    names.push(name)
    return addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))
  }
  return { names, resolve }
}
