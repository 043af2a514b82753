import type { ComponentType } from 'react'
import { Agents } from './agents.tsx'
import { Analysis } from './analysis.tsx'
import { Audit } from './audit.tsx'
import { Budgets } from './budgets.tsx'
import { Executions } from './executions.tsx'
import { Health } from './health.tsx'
import { Keys } from './keys.tsx'
import { Members } from './members.tsx'
import { Models } from './models.tsx'
import { Organization } from './organization.tsx'
import { Prompts } from './prompts.tsx'
import { Servers } from './servers.tsx'
import { Usage } from './usage.tsx'

export interface View {
  /** In the address. */
  readonly name: string
  readonly title: string
  readonly Page: ComponentType
  /** The permission without which the view shows nothing. */
  readonly needs?: string
}

/** Each view shows what the person may read, and offers what the person may do. */
export const views: readonly View[] = [
  { name: 'members', title: 'Members', Page: Members },
  { name: 'keys', title: 'API keys', Page: Keys, needs: 'agents.invoke' },
  { name: 'agents', title: 'Agents', Page: Agents },
  { name: 'models', title: 'Models and prices', Page: Models },
  { name: 'prompts', title: 'Prompts', Page: Prompts },
  { name: 'servers', title: 'MCP servers', Page: Servers },
  { name: 'usage', title: 'Usage', Page: Usage },
  { name: 'budgets', title: 'Budgets', Page: Budgets },
  { name: 'executions', title: 'Executions', Page: Executions },
  { name: 'health', title: 'Health', Page: Health },
  { name: 'analysis', title: 'Analysis', Page: Analysis },
  { name: 'audit', title: 'Audit log', Page: Audit, needs: 'audit.read' },
  { name: 'organization', title: 'Organization', Page: Organization },
]
