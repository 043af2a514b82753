// Takes the packages that the files outside this folder import from this folder's node_modules:
//   node --import ./resolve-here.js run-verbs.js
import { registerHooks } from 'node:module'

const here = import.meta.url

registerHooks({
  resolve(specifier, context, next) {
    const isPackage = !/^(?:[./]|file:|node:)/.test(specifier)
    const isOurs = !context.parentURL?.includes('/node_modules/')
    return next(specifier, isPackage && isOurs ? { ...context, parentURL: here } : context)
  },
})
