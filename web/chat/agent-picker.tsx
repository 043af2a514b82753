import type { AgentChoice } from './use-agents.ts'

/** What the person chose; without it the backend chooses. */
export interface Choice {
  readonly agent?: string
  readonly model?: string
}

interface AgentPickerProps {
  readonly agents: readonly AgentChoice[]
  /** The agent that the conversation began with. */
  readonly agentId: number | null
  readonly choice: Choice
  readonly onChoose: (choice: Choice) => void
}

/** Chooses who answers the next message. */
export function AgentPicker({ agents, agentId, choice, onChoose }: AgentPickerProps) {
  if (agents.length === 0) return null
  const own = agents.find(({ id }) => id === agentId)
  const chosen = agents.find(({ name }) => name === choice.agent) ?? own
  return (
    <>
      <select
        aria-label="Agent"
        value={choice.agent ?? ''}
        onChange={({ target }) => onChoose(target.value === '' ? {} : { agent: target.value })}
      >
        <option value="">{own ? own.name : 'Any agent'}</option>
        {agents
          .filter((one) => one !== own)
          .map(({ id, name }) => (
            <option key={id} value={name}>
              {name}
            </option>
          ))}
      </select>
      {chosen && chosen.models.length > 0 && (
        <select
          aria-label="Model"
          value={choice.model ?? ''}
          onChange={({ target }) => {
            const { model: _, ...agent } = choice
            onChoose(target.value === '' ? agent : { ...agent, model: target.value })
          }}
        >
          <option value="">Any model</option>
          {chosen.models.map(({ name, display_name }) => (
            <option key={name} value={name}>
              {display_name}
            </option>
          ))}
        </select>
      )}
    </>
  )
}
