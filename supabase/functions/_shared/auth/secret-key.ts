import { AppError } from '../errors.ts'

/**
 * Requires the project's secret key of one name in the `apikey` header. It accepts no other
 * credential: no other key of the project and no user's token.
 * @throws AppError `unauthorized`, also when no key of this name is configured
 */
export async function verifySecretKey(
  headers: Headers,
  expected: string | undefined,
): Promise<void> {
  const given = headers.get('apikey')
  if (given === null || expected === undefined || !(await equalSecrets(given, expected))) {
    throw new AppError('unauthorized')
  }
}

// Compares digests: their length and the time taken say nothing about the secret.
async function equalSecrets(a: string, b: string): Promise<boolean> {
  const [left, right] = await Promise.all([sha256(a), sha256(b)])
  let difference = 0
  for (const [index, byte] of left.entries()) difference |= byte ^ (right[index] ?? 0x100)
  return difference === 0
}

async function sha256(text: string): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)))
}
