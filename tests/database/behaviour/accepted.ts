/**
 * The test in which each thing that a client may write changes something: by file below `tests/`, then by
 * title, `schema.table: column …`, or `schema.table.column: key …` for the keys of a JSON object.
 */
export const behaviour: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  'database/identity/organizations.test.ts': {
    'members.manage renames; members, strangers and anon do not; slug and state nobody': [
      'public.organizations: name',
    ],
    'an organization is seen by its members alone, billing details with billing.manage': [
      'client_mgmt.billing_accounts: billing_info',
    ],
  },
  'database/routing/parameters.test.ts': {
    'settings win over each other: organization, agent, model, project, model choice': [
      'public.organizations: settings',
      'public.agents: config',
      'client_mgmt.projects: settings',
      'client_mgmt.llm_configs: settings',
    ],
    'each model of a route has the parameters of its own, apart from what its adapter reads': [
      'public.models: config',
    ],
    'take every parameter of a call, and the keys of an adapter only where it reads them': [
      'public.organizations.settings: temperature max_output_tokens top_p top_k stop seed',
      'public.organizations.settings: presence_penalty frequency_penalty reasoning_effort',
      'public.agents.config: location max_tokens_parameter max_steps tools',
    ],
    'the provider that an agent names is the provider of its type': [
      'public.agents.config: provider',
    ],
  },
  'database/routing/routing.test.ts': {
    'every layer that names a model is shown in order, and the first one wins': [
      'public.models: agent_id name',
      'public.chat_sessions: model_id',
      'client_mgmt.llm_configs: project_id provider model',
    ],
    'a layer that names a disabled or unknown model is shown and passed over': [
      'public.models: enabled',
    ],
  },
  'database/routing/available-models.test.ts': {
    'members see what an invocation would find: their own agents first, each in order of its route':
      ['public.models: priority'],
    'an agent of one’s own hides the platform’s of the same name, unless it is disabled': [
      'public.agents: name enabled',
    ],
    'models that are disabled or whose provider nobody has a key for are left out': [
      'public.agents: type',
      'public.models: provider',
    ],
  },
  'database/routing/capabilities.test.ts': {
    'a route has only models with the capability that is asked for': [
      'public.models: capabilities',
    ],
  },
  'database/routing/preferences.test.ts': {
    'a preference has a value of its type, or is refused when it is written': [
      'public.client_schema_preferences: preference_type_id preference_value',
    ],
    'an organization has several sets of preferences, and a project chooses one': [
      'public.client_schema_preferences: client_schema_id',
      'client_mgmt.projects: client_schema_id',
    ],
  },
  'unit/executions/trim-history.test.ts': {
    'loses its oldest turns before the first call, in the stream and the record too': [
      'public.models: context_tokens',
    ],
  },
  'database/budgets/own-prices.test.ts': {
    'an organization prices what the platform does not, for itself alone': [
      'public.models: model_id',
      'client_mgmt.model_prices: provider model_id input_per_million output_per_million',
    ],
  },
  'database/budgets/settling.test.ts': {
    'a price counts from its date until the next one': ['client_mgmt.model_prices: valid_from'],
    'charges cached input at its own price, and never less than nothing': [
      'client_mgmt.model_prices: cached_input_per_million',
    ],
  },
  'database/budgets/reserving.test.ts': {
    'budgets of organization, project and person, per day and month, all apply at once': [
      'client_mgmt.budgets: project_id user_id period limit_usd',
    ],
    'tokens are limited like money, also where no price is known': [
      'client_mgmt.budgets: limit_tokens',
    ],
  },
  'database/budgets/budgets.test.ts': {
    'an alert is written once per period, when the share of the limit is passed': [
      'client_mgmt.budgets: warn_at',
    ],
  },
  'database/chat/prompt-layers.test.ts': {
    'every layer is sent in one order: global, organization, project, agent, context, user, sign-in':
      [
        'public.agents: instructions',
        'public.system_prompts: scope user_id content',
        'public.user_sessions: system_prompt',
      ],
    'a layer of a project or of a context goes only there, and the explanation says why it is left out':
      [
        'public.system_prompts: project_id context enabled',
        'public.chat_sessions: context',
        'client_mgmt.system_prompt_opt_outs: system_prompt_id',
      ],
    'the prompt of a sign-in is that device’s alone, and a template may name its workspace': [
      'public.user_sessions: workspace_path',
    ],
  },
  'database/chat/prompts.test.ts': {
    'layers come as global, organization, user, the higher priority first inside each': [
      'public.system_prompts: priority',
    ],
    'one can do without a layer, unless it is mandatory': ['public.system_prompts: mandatory'],
    'a template reaches the declared variables and nothing else': [
      'public.system_prompts: template variables',
    ],
  },
  'database/chat/library-prompts.test.ts': {
    'a request fills a prompt of the library, which is the last of the system prompts': [
      'client_mgmt.prompts: name template variables',
    ],
  },
  'database/guests/joining.test.ts': {
    'an organization that takes no guests, a suspended and an absent one give one error': [
      'public.organizations.settings: guests_may_join',
    ],
  },
  'database/guests/conversations.test.ts': {
    'a guest invokes open agents alone; a closed one and an absent one give one error': [
      'public.agents: open_to_guests',
    ],
  },
  'database/search/search.test.ts': {
    'an organization searches in its language, and finds what it wrote in the one before': [
      'public.organizations.settings: search_language',
    ],
  },
  'database/search/embeddings.test.ts': {
    'an organization without the setting has no vector made, and none after it is taken back': [
      'public.organizations.settings: search_model',
    ],
  },
  'database/chat/chat.test.ts': {
    'a shared conversation is read by every member, and by no other organization': [
      'public.chat_sessions: visibility',
    ],
  },
  'database/chat/message-count.test.ts': {
    'message_count counts the branch that the session shows, and no abandoned one': [
      'public.chat_sessions: current_message_id',
    ],
  },
  'database/behaviour/accepted.test.ts': {
    'a session keeps its own id, title, project and agent, and leaves the lists when it is closed':
      ['public.chat_sessions: id title project_id agent_id status'],
    'people see what an agent, a model and a member are called': [
      'public.agents: description',
      'public.models: display_name description',
      'public.users: display_name',
    ],
  },
  'database/content/own-data.test.ts': {
    'the JSON that clients keep for themselves comes back where people read the row': [
      'public.users: metadata',
      'public.user_sessions: session_metadata',
      'public.chat_sessions: metadata',
      'conversation.participants: patterns_metadata',
      'conversation.blocks: metadata',
      'conversation.turns: metadata',
    ],
    'what a participant, a block and a turn are called comes back as it was written': [
      'conversation.participants: name type',
      'conversation.blocks: project_id name type',
      'conversation.turns: content timestamp',
    ],
    'the template of a lens that names a variable is refused': [
      'conversation.lens_prototypes: name prompt_template',
    ],
  },
  'database/content/lenses.test.ts': {
    'a lens with a template, a schema, an agent or a model that cannot work is refused by name': [
      'conversation.lens_prototypes: variables output_schema agent model',
    ],
  },
  'database/content/views.test.ts': {
    'a participant who is a member has an address for members, and its account for itself': [
      'conversation.participants: user_id',
    ],
    'a block has the names of its project and its organization': ['client_mgmt.projects: name'],
  },
  'database/content/deletions.test.ts': {
    'what content refers to is not deleted, and nothing of the content goes': [
      'conversation.turns: participant_id',
    ],
  },
  'database/content/block-order.test.ts': {
    'a statement leaves the places of a block as 1, 2, 3 …, or is refused': [
      'conversation.block_turns: block_id turn_id sequence_order',
    ],
  },
  'database/mcp/mcp.test.ts': {
    'one’s own entry wins over the organization’s of the same name, also to switch it off': [
      'public.mcp_configurations: user_id name enabled',
    ],
  },
  'database/mcp/endpoints.test.ts': {
    'a junk endpoint is refused with 422 when it is inserted and when it is changed': [
      'public.mcp_configurations: type endpoint',
    ],
  },
  'database/behaviour/mcp-configurations.test.ts': {
    'what a configuration says of its server reaches the person who uses it': [
      'public.mcp_configurations: command args env auth_type oauth_provider',
    ],
  },
  'functions/oauth/discovery.test.ts': {
    'limits servers and issuers, also of what is connected already': [
      'client_mgmt.mcp_allowed_hosts: host',
    ],
  },
  'functions/oauth/resource.test.ts': {
    'is the discovered one unless the configuration has its own': [
      'public.mcp_configurations: oauth_resource',
    ],
  },
  'database/tools/acceptance.test.ts': {
    'a server that may add tools has its new ones accepted, and its changed ones not': [
      'public.mcp_configurations: accept_new_tools',
    ],
    'a server that may change its words has descriptions accepted, and nothing else': [
      'public.mcp_configurations: accept_descriptions',
    ],
  },
  'database/tools/tools.test.ts': {
    'policies: the tool’s own, else the server’s, else ask; what is off is not shown': [
      'client_mgmt.mcp_tool_policies: mcp_configuration_id tool_name policy',
    ],
  },
  'functions/oauth/metadata.test.ts': {
    'without a declaration of S256 serves where a manager named the issuer, with a reason, on the record':
      ['client_mgmt.oauth_issuer_exceptions: issuer exception reason'],
  },
}
