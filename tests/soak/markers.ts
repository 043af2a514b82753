/** A text that only one organization's rows, requests and answers carry. */
export const markerOf = (organization: number) => `[org-${String(organization).padStart(3, '0')}]`

/** The markers in a text. */
export function markersIn(text: string): Set<string> {
  return new Set(text.match(/\[org-\d{3}\]/g) ?? [])
}
