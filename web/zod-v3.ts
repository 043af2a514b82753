/**
 * What the AI SDK imports of zod 3, to read schemas of that version. The page has no such schema, and zod 3
 * would be a twentieth of it.
 */
export const ZodFirstPartyTypeKind: Readonly<Record<string, string>> = {}
