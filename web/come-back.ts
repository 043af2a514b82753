const key = 'colloquy.left'

/** Leaves the page for an address that leads back to it, and keeps the view that was open. */
export function leaveFor(address: URL): void {
  sessionStorage.setItem(key, location.hash)
  location.assign(address)
}

/** Opens the view again that the person left: an address that leads back has no part behind `#`. */
export function comeBack(): void {
  const view = sessionStorage.getItem(key)
  if (view === null) return
  sessionStorage.removeItem(key)
  const query = new URLSearchParams(location.search)
  if (query.has('connection') || query.has('error')) location.hash = view
}
