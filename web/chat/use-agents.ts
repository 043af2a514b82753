import { useEffect, useState } from 'react'
import { dataOf, useBackend } from '../backend.ts'

export interface AgentChoice {
  readonly id: number
  readonly name: string
  readonly models: readonly { readonly name: string; readonly display_name: string }[]
}

/** The agents that the person may ask, each with its models. Without them the backend chooses. */
export function useAgents(): readonly AgentChoice[] {
  const { supabase } = useBackend()
  const [agents, setAgents] = useState<readonly AgentChoice[]>([])
  useEffect(() => {
    const read = async () => {
      const [rows, models] = await Promise.all([
        supabase.from('agents').select('id, name').eq('enabled', true).order('name').then(dataOf),
        supabase
          .from('models')
          .select('agent_id, name, display_name')
          .eq('enabled', true)
          .contains('capabilities', ['chat'])
          .order('priority', { ascending: false })
          .then(dataOf),
      ])
      const modelsOf = (id: number) => models.filter(({ agent_id }) => agent_id === id)
      setAgents(rows.map((row) => ({ ...row, models: modelsOf(row.id) })))
    }
    read().catch((error: unknown) => console.error(error))
  }, [supabase])
  return agents
}
