/** Mutants that nothing notices because they change nothing that anyone could notice, and why. */
export const explained: readonly { pattern: RegExp; reason: string }[] = []
