import { completeModel } from '../models/complete-model.ts'
import { configuredProviders, resolveAdapter, type ModelConfiguration } from '../models/registry.ts'
import { streamModel } from '../models/stream-model.ts'
import { toEvents, type Models } from './models.ts'

/** The models of the configured providers. */
export function createModels(configuration: ModelConfiguration): Models {
  return {
    providers: configuredProviders(configuration),
    async *call(step, request, { stream, signal }) {
      const adapter = resolveAdapter(step.provider, configuration)
      if (stream) yield* streamModel(adapter, request, { signal })
      else yield toEvents(await completeModel(adapter, request, { signal }))
    },
  }
}
