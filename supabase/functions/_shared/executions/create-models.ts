import type { ReportProblem } from '../http/report-problem.ts'
import { completeModel } from '../models/complete-model.ts'
import { configuredProviders, type ModelConfiguration, resolveAdapter } from '../models/registry.ts'
import { streamModel } from '../models/stream-model.ts'
import type { ReadOrganizationKey } from '../provider-keys/read-key.ts'
import { type Models, toEvents } from './models.ts'

/**
 * The models of the configured providers, and of the providers for which organizations have their
 * own keys.
 */
export function createModels(
  configuration: ModelConfiguration,
  readOrganizationKey: ReadOrganizationKey,
  report: ReportProblem,
): Models {
  return {
    providers: configuredProviders(configuration, report),
    async call({ provider, credential }, request, take, { stream, signal, organizationId }) {
      const own = credential === 'organization'
      const used = own ? await readOrganizationKey(organizationId, provider) : configuration
      const adapter = resolveAdapter(provider, used)
      if (stream) await streamModel(adapter, request, take, { signal })
      else take(toEvents(await completeModel(adapter, request, { signal })))
    },
  }
}
