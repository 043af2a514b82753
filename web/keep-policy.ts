import { config } from 'zod/v4/core'

// What libraries need to live under the page's policy. This module is imported before all others.

// zod, which the AI SDK uses, would try whether it may compile code from text, and a browser reports each
// attempt.
config({ jitless: true })

interface TrustedTypes {
  createPolicy(name: string, rules: { createHTML: (text: string) => string | null }): unknown
}

// The Markdown parser lets the browser decode a reference such as `&amp;`. No other text becomes HTML.
const { trustedTypes } = globalThis as { trustedTypes?: TrustedTypes }
trustedTypes?.createPolicy('default', {
  createHTML: (text) => (/^&[A-Za-z0-9]{1,40};$/.test(text) ? text : null),
})
