// Written by "npm run db:types" from the migrations.

export type Json = string | number | boolean | null | { [key: string]: Json | undefined } | Json[]

export type Database = {
  client_mgmt: {
    Tables: {
      access_grants: {
        Row: {
          admin_user_id: string
          created_at: string
          ended_at: string | null
          expires_at: string
          id: number
          organization_id: number
          reason: string
          scope: string
        }
        ComputedFields: never
        Insert: {
          admin_user_id: string
          created_at?: string
          ended_at?: string | null
          expires_at: string
          id?: never
          organization_id: number
          reason: string
          scope: string
        }
        Update: {
          admin_user_id?: string
          created_at?: string
          ended_at?: string | null
          expires_at?: string
          id?: never
          organization_id?: number
          reason?: string
          scope?: string
        }
        Relationships: [
          {
            foreignKeyName: 'access_grants_admin_user_id_fkey'
            columns: ['admin_user_id']
            isOneToOne: false
            referencedRelation: 'users'
            referencedColumns: ['id']
          },
          {
            foreignKeyName: 'access_grants_organization_id_fkey'
            columns: ['organization_id']
            isOneToOne: false
            referencedRelation: 'clients'
            referencedColumns: ['id']
          },
        ]
      }
      billing_accounts: {
        Row: {
          billing_info: NonNullable<Json>
          created_at: string
          organization_id: number
          updated_at: string
        }
        ComputedFields: never
        Insert: {
          billing_info?: NonNullable<Json>
          created_at?: string
          organization_id?: number
          updated_at?: string
        }
        Update: {
          billing_info?: NonNullable<Json>
          created_at?: string
          organization_id?: number
          updated_at?: string
        }
        Relationships: [
          {
            foreignKeyName: 'billing_accounts_organization_id_fkey'
            columns: ['organization_id']
            isOneToOne: true
            referencedRelation: 'clients'
            referencedColumns: ['id']
          },
        ]
      }
      budget_alerts: {
        Row: {
          budget_id: number
          created_at: string
          organization_id: number
          period_start: string
        }
        ComputedFields: never
        Insert: {
          budget_id: number
          created_at?: string
          organization_id: number
          period_start: string
        }
        Update: {
          budget_id?: number
          created_at?: string
          organization_id?: number
          period_start?: string
        }
        Relationships: [
          {
            foreignKeyName: 'budget_alerts_counter_fkey'
            columns: ['organization_id', 'budget_id', 'period_start']
            isOneToOne: true
            referencedRelation: 'budget_counters'
            referencedColumns: ['organization_id', 'budget_id', 'period_start']
          },
        ]
      }
      budget_counters: {
        Row: {
          budget_id: number
          organization_id: number
          period_start: string
          reserved_tokens: number
          reserved_usd: number
          settled_tokens: number
          settled_usd: number
          updated_at: string
        }
        ComputedFields: never
        Insert: {
          budget_id: number
          organization_id: number
          period_start: string
          reserved_tokens?: number
          reserved_usd?: number
          settled_tokens?: number
          settled_usd?: number
          updated_at?: string
        }
        Update: {
          budget_id?: number
          organization_id?: number
          period_start?: string
          reserved_tokens?: number
          reserved_usd?: number
          settled_tokens?: number
          settled_usd?: number
          updated_at?: string
        }
        Relationships: [
          {
            foreignKeyName: 'budget_counters_budget_fkey'
            columns: ['organization_id', 'budget_id']
            isOneToOne: false
            referencedRelation: 'budgets'
            referencedColumns: ['organization_id', 'id']
          },
        ]
      }
      budget_reservations: {
        Row: {
          budget_id: number
          created_at: string
          execution_id: string
          organization_id: number
          period_start: string
          reserved_tokens: number
          reserved_usd: number
          settled_at: string | null
          settled_tokens: number | null
          settled_usd: number | null
        }
        ComputedFields: never
        Insert: {
          budget_id: number
          created_at?: string
          execution_id: string
          organization_id: number
          period_start: string
          reserved_tokens: number
          reserved_usd: number
          settled_at?: string | null
          settled_tokens?: number | null
          settled_usd?: number | null
        }
        Update: {
          budget_id?: number
          created_at?: string
          execution_id?: string
          organization_id?: number
          period_start?: string
          reserved_tokens?: number
          reserved_usd?: number
          settled_at?: string | null
          settled_tokens?: number | null
          settled_usd?: number | null
        }
        Relationships: [
          {
            foreignKeyName: 'budget_reservations_counter_fkey'
            columns: ['organization_id', 'budget_id', 'period_start']
            isOneToOne: false
            referencedRelation: 'budget_counters'
            referencedColumns: ['organization_id', 'budget_id', 'period_start']
          },
        ]
      }
      budgets: {
        Row: {
          created_at: string
          id: number
          limit_tokens: number | null
          limit_usd: number | null
          organization_id: number
          period: string
          project_id: number | null
          updated_at: string
          user_id: string | null
          warn_at: number
        }
        ComputedFields: never
        Insert: {
          created_at?: string
          id?: never
          limit_tokens?: number | null
          limit_usd?: number | null
          organization_id?: number
          period: string
          project_id?: number | null
          updated_at?: string
          user_id?: string | null
          warn_at?: number
        }
        Update: {
          created_at?: string
          id?: never
          limit_tokens?: number | null
          limit_usd?: number | null
          organization_id?: number
          period?: string
          project_id?: number | null
          updated_at?: string
          user_id?: string | null
          warn_at?: number
        }
        Relationships: [
          {
            foreignKeyName: 'budgets_organization_id_fkey'
            columns: ['organization_id']
            isOneToOne: false
            referencedRelation: 'clients'
            referencedColumns: ['id']
          },
          {
            foreignKeyName: 'budgets_project_fkey'
            columns: ['organization_id', 'project_id']
            isOneToOne: false
            referencedRelation: 'projects'
            referencedColumns: ['organization_id', 'id']
          },
          {
            foreignKeyName: 'budgets_user_fkey'
            columns: ['organization_id', 'user_id']
            isOneToOne: false
            referencedRelation: 'client_users'
            referencedColumns: ['organization_id', 'user_id']
          },
        ]
      }
      client_users: {
        Row: {
          created_at: string
          ended_at: string | null
          ended_by: string | null
          invited_by: string | null
          organization_id: number
          permissions: string[]
          role: string
          updated_at: string
          user_id: string
        }
        ComputedFields: never
        Insert: {
          created_at?: string
          ended_at?: string | null
          ended_by?: string | null
          invited_by?: string | null
          organization_id: number
          permissions?: string[]
          role: string
          updated_at?: string
          user_id: string
        }
        Update: {
          created_at?: string
          ended_at?: string | null
          ended_by?: string | null
          invited_by?: string | null
          organization_id?: number
          permissions?: string[]
          role?: string
          updated_at?: string
          user_id?: string
        }
        Relationships: [
          {
            foreignKeyName: 'client_users_organization_id_fkey'
            columns: ['organization_id']
            isOneToOne: false
            referencedRelation: 'clients'
            referencedColumns: ['id']
          },
          {
            foreignKeyName: 'client_users_user_id_fkey'
            columns: ['user_id']
            isOneToOne: false
            referencedRelation: 'users'
            referencedColumns: ['id']
          },
        ]
      }
      invitations: {
        Row: {
          accepted_at: string | null
          accepted_by: string | null
          created_at: string
          email: string
          expires_at: string
          id: number
          invited_by: string
          organization_id: number
          revoked_at: string | null
          role: string
        }
        ComputedFields: never
        Insert: {
          accepted_at?: string | null
          accepted_by?: string | null
          created_at?: string
          email: string
          expires_at?: string
          id?: never
          invited_by: string
          organization_id?: number
          revoked_at?: string | null
          role: string
        }
        Update: {
          accepted_at?: string | null
          accepted_by?: string | null
          created_at?: string
          email?: string
          expires_at?: string
          id?: never
          invited_by?: string
          organization_id?: number
          revoked_at?: string | null
          role?: string
        }
        Relationships: [
          {
            foreignKeyName: 'invitations_invited_by_fkey'
            columns: ['organization_id', 'invited_by']
            isOneToOne: false
            referencedRelation: 'client_users'
            referencedColumns: ['organization_id', 'user_id']
          },
          {
            foreignKeyName: 'invitations_organization_id_fkey'
            columns: ['organization_id']
            isOneToOne: false
            referencedRelation: 'clients'
            referencedColumns: ['id']
          },
        ]
      }
      llm_configs: {
        Row: {
          created_at: string
          id: number
          model: string
          organization_id: number
          project_id: number | null
          provider: string
          settings: NonNullable<Json>
          updated_at: string
        }
        ComputedFields: never
        Insert: {
          created_at?: string
          id?: never
          model: string
          organization_id?: number
          project_id?: number | null
          provider: string
          settings?: NonNullable<Json>
          updated_at?: string
        }
        Update: {
          created_at?: string
          id?: never
          model?: string
          organization_id?: number
          project_id?: number | null
          provider?: string
          settings?: NonNullable<Json>
          updated_at?: string
        }
        Relationships: [
          {
            foreignKeyName: 'llm_configs_organization_id_fkey'
            columns: ['organization_id']
            isOneToOne: false
            referencedRelation: 'clients'
            referencedColumns: ['id']
          },
          {
            foreignKeyName: 'llm_configs_project_fkey'
            columns: ['organization_id', 'project_id']
            isOneToOne: false
            referencedRelation: 'projects'
            referencedColumns: ['organization_id', 'id']
          },
        ]
      }
      mcp_allowed_hosts: {
        Row: {
          created_at: string
          created_by: string | null
          host: string
          id: number
          organization_id: number
        }
        ComputedFields: never
        Insert: {
          created_at?: string
          created_by?: string | null
          host: string
          id?: never
          organization_id?: number
        }
        Update: {
          created_at?: string
          created_by?: string | null
          host?: string
          id?: never
          organization_id?: number
        }
        Relationships: [
          {
            foreignKeyName: 'mcp_allowed_hosts_organization_id_fkey'
            columns: ['organization_id']
            isOneToOne: false
            referencedRelation: 'clients'
            referencedColumns: ['id']
          },
        ]
      }
      mcp_tool_listings: {
        Row: {
          created_at: string
          expires_at: string
          mcp_configuration_id: number
          organization_id: number
          tools: NonNullable<Json>
          updated_at: string
          user_id: string
        }
        ComputedFields: never
        Insert: {
          created_at?: string
          expires_at: string
          mcp_configuration_id: number
          organization_id: number
          tools: NonNullable<Json>
          updated_at?: string
          user_id: string
        }
        Update: {
          created_at?: string
          expires_at?: string
          mcp_configuration_id?: number
          organization_id?: number
          tools?: NonNullable<Json>
          updated_at?: string
          user_id?: string
        }
        Relationships: [
          {
            foreignKeyName: 'mcp_tool_listings_user_fkey'
            columns: ['organization_id', 'user_id']
            isOneToOne: false
            referencedRelation: 'client_users'
            referencedColumns: ['organization_id', 'user_id']
          },
        ]
      }
      mcp_tool_policies: {
        Row: {
          created_at: string
          id: number
          mcp_configuration_id: number
          organization_id: number
          policy: string
          tool_name: string | null
          updated_at: string
        }
        ComputedFields: never
        Insert: {
          created_at?: string
          id?: never
          mcp_configuration_id: number
          organization_id?: number
          policy: string
          tool_name?: string | null
          updated_at?: string
        }
        Update: {
          created_at?: string
          id?: never
          mcp_configuration_id?: number
          organization_id?: number
          policy?: string
          tool_name?: string | null
          updated_at?: string
        }
        Relationships: [
          {
            foreignKeyName: 'mcp_tool_policies_organization_id_fkey'
            columns: ['organization_id']
            isOneToOne: false
            referencedRelation: 'clients'
            referencedColumns: ['id']
          },
        ]
      }
      mcp_tools: {
        Row: {
          approved_at: string | null
          approved_by: string | null
          changed_at: string | null
          created_at: string
          definition: Json | null
          definition_hash: string | null
          id: number
          mcp_configuration_id: number
          name: string
          organization_id: number
          proposed_definition: Json | null
          proposed_hash: string | null
          status: string
          updated_at: string
        }
        ComputedFields: never
        Insert: {
          approved_at?: string | null
          approved_by?: string | null
          changed_at?: string | null
          created_at?: string
          definition?: Json | null
          definition_hash?: string | null
          id?: never
          mcp_configuration_id: number
          name: string
          organization_id: number
          proposed_definition?: Json | null
          proposed_hash?: string | null
          status?: string
          updated_at?: string
        }
        Update: {
          approved_at?: string | null
          approved_by?: string | null
          changed_at?: string | null
          created_at?: string
          definition?: Json | null
          definition_hash?: string | null
          id?: never
          mcp_configuration_id?: number
          name?: string
          organization_id?: number
          proposed_definition?: Json | null
          proposed_hash?: string | null
          status?: string
          updated_at?: string
        }
        Relationships: [
          {
            foreignKeyName: 'mcp_tools_organization_id_fkey'
            columns: ['organization_id']
            isOneToOne: false
            referencedRelation: 'clients'
            referencedColumns: ['id']
          },
        ]
      }
      model_prices: {
        Row: {
          cached_input_per_million: number | null
          created_at: string
          id: number
          input_per_million: number | null
          model_id: string
          organization_id: number | null
          output_per_million: number | null
          provider: string
          valid_from: string
        }
        ComputedFields: never
        Insert: {
          cached_input_per_million?: number | null
          created_at?: string
          id?: never
          input_per_million?: number | null
          model_id: string
          organization_id?: number | null
          output_per_million?: number | null
          provider: string
          valid_from?: string
        }
        Update: {
          cached_input_per_million?: number | null
          created_at?: string
          id?: never
          input_per_million?: number | null
          model_id?: string
          organization_id?: number | null
          output_per_million?: number | null
          provider?: string
          valid_from?: string
        }
        Relationships: [
          {
            foreignKeyName: 'model_prices_organization_id_fkey'
            columns: ['organization_id']
            isOneToOne: false
            referencedRelation: 'clients'
            referencedColumns: ['id']
          },
        ]
      }
      oauth_clients: {
        Row: {
          client_id: string | null
          created_at: string
          id: number
          issuer: string
          lease_expires_at: string | null
          lease_id: string | null
          organization_id: number
          redirect_uri: string | null
          registered_at: string | null
          rejected_at: string | null
          secret_expires_at: string | null
          source: string
          superseded_at: string | null
          token_endpoint_auth_method: string | null
          updated_at: string
        }
        ComputedFields: never
        Insert: {
          client_id?: string | null
          created_at?: string
          id?: never
          issuer: string
          lease_expires_at?: string | null
          lease_id?: string | null
          organization_id?: number
          redirect_uri?: string | null
          registered_at?: string | null
          rejected_at?: string | null
          secret_expires_at?: string | null
          source: string
          superseded_at?: string | null
          token_endpoint_auth_method?: string | null
          updated_at?: string
        }
        Update: {
          client_id?: string | null
          created_at?: string
          id?: never
          issuer?: string
          lease_expires_at?: string | null
          lease_id?: string | null
          organization_id?: number
          redirect_uri?: string | null
          registered_at?: string | null
          rejected_at?: string | null
          secret_expires_at?: string | null
          source?: string
          superseded_at?: string | null
          token_endpoint_auth_method?: string | null
          updated_at?: string
        }
        Relationships: [
          {
            foreignKeyName: 'oauth_clients_organization_id_fkey'
            columns: ['organization_id']
            isOneToOne: false
            referencedRelation: 'clients'
            referencedColumns: ['id']
          },
        ]
      }
      oauth_issuer_exceptions: {
        Row: {
          created_at: string
          created_by: string | null
          exception: string
          id: number
          issuer: string
          organization_id: number
          reason: string
        }
        ComputedFields: never
        Insert: {
          created_at?: string
          created_by?: string | null
          exception: string
          id?: never
          issuer: string
          organization_id?: number
          reason: string
        }
        Update: {
          created_at?: string
          created_by?: string | null
          exception?: string
          id?: never
          issuer?: string
          organization_id?: number
          reason?: string
        }
        Relationships: [
          {
            foreignKeyName: 'oauth_issuer_exceptions_organization_id_fkey'
            columns: ['organization_id']
            isOneToOne: false
            referencedRelation: 'clients'
            referencedColumns: ['id']
          },
        ]
      }
      organization_limits: {
        Row: {
          changes_per_minute: number
          changes_per_minute_per_guest: number
          changes_per_minute_per_user: number
          created_at: string
          joins_per_minute: number
          max_concurrent_executions: number
          max_concurrent_per_end_user: number
          max_concurrent_per_guest: number
          max_concurrent_per_user: number
          max_guests: number
          organization_id: number
          requests_per_minute: number
          requests_per_minute_per_end_user: number
          requests_per_minute_per_guest: number
          requests_per_minute_per_user: number
          stored_bytes: number
          stored_bytes_per_guest: number
          stored_bytes_per_user: number
          tokens_per_minute: number
          tokens_per_minute_per_end_user: number
          tokens_per_minute_per_guest: number
          tokens_per_minute_per_user: number
          updated_at: string
        }
        ComputedFields: never
        Insert: {
          changes_per_minute?: number
          changes_per_minute_per_guest?: number
          changes_per_minute_per_user?: number
          created_at?: string
          joins_per_minute?: number
          max_concurrent_executions?: number
          max_concurrent_per_end_user?: number
          max_concurrent_per_guest?: number
          max_concurrent_per_user?: number
          max_guests?: number
          organization_id: number
          requests_per_minute?: number
          requests_per_minute_per_end_user?: number
          requests_per_minute_per_guest?: number
          requests_per_minute_per_user?: number
          stored_bytes?: number
          stored_bytes_per_guest?: number
          stored_bytes_per_user?: number
          tokens_per_minute?: number
          tokens_per_minute_per_end_user?: number
          tokens_per_minute_per_guest?: number
          tokens_per_minute_per_user?: number
          updated_at?: string
        }
        Update: {
          changes_per_minute?: number
          changes_per_minute_per_guest?: number
          changes_per_minute_per_user?: number
          created_at?: string
          joins_per_minute?: number
          max_concurrent_executions?: number
          max_concurrent_per_end_user?: number
          max_concurrent_per_guest?: number
          max_concurrent_per_user?: number
          max_guests?: number
          organization_id?: number
          requests_per_minute?: number
          requests_per_minute_per_end_user?: number
          requests_per_minute_per_guest?: number
          requests_per_minute_per_user?: number
          stored_bytes?: number
          stored_bytes_per_guest?: number
          stored_bytes_per_user?: number
          tokens_per_minute?: number
          tokens_per_minute_per_end_user?: number
          tokens_per_minute_per_guest?: number
          tokens_per_minute_per_user?: number
          updated_at?: string
        }
        Relationships: [
          {
            foreignKeyName: 'organization_limits_organization_id_fkey'
            columns: ['organization_id']
            isOneToOne: true
            referencedRelation: 'clients'
            referencedColumns: ['id']
          },
        ]
      }
      projects: {
        Row: {
          client_schema_id: number | null
          created_at: string
          id: number
          name: string
          organization_id: number
          settings: NonNullable<Json>
          updated_at: string
        }
        ComputedFields: never
        Insert: {
          client_schema_id?: number | null
          created_at?: string
          id?: never
          name: string
          organization_id?: number
          settings?: NonNullable<Json>
          updated_at?: string
        }
        Update: {
          client_schema_id?: number | null
          created_at?: string
          id?: never
          name?: string
          organization_id?: number
          settings?: NonNullable<Json>
          updated_at?: string
        }
        Relationships: [
          {
            foreignKeyName: 'projects_organization_id_fkey'
            columns: ['organization_id']
            isOneToOne: false
            referencedRelation: 'clients'
            referencedColumns: ['id']
          },
        ]
      }
      prompts: {
        Row: {
          created_at: string
          id: number
          name: string
          organization_id: number
          template: string
          updated_at: string
          variables: NonNullable<Json>
        }
        ComputedFields: never
        Insert: {
          created_at?: string
          id?: never
          name: string
          organization_id?: number
          template: string
          updated_at?: string
          variables?: NonNullable<Json>
        }
        Update: {
          created_at?: string
          id?: never
          name?: string
          organization_id?: number
          template?: string
          updated_at?: string
          variables?: NonNullable<Json>
        }
        Relationships: [
          {
            foreignKeyName: 'prompts_organization_id_fkey'
            columns: ['organization_id']
            isOneToOne: false
            referencedRelation: 'clients'
            referencedColumns: ['id']
          },
        ]
      }
      provider_credentials: {
        Row: {
          created_at: string
          created_by: string | null
          id: number
          last_four: string
          organization_id: number
          provider: string
          stored_at: string
          updated_at: string
        }
        ComputedFields: never
        Insert: {
          created_at?: string
          created_by?: string | null
          id?: never
          last_four: string
          organization_id: number
          provider: string
          stored_at?: string
          updated_at?: string
        }
        Update: {
          created_at?: string
          created_by?: string | null
          id?: never
          last_four?: string
          organization_id?: number
          provider?: string
          stored_at?: string
          updated_at?: string
        }
        Relationships: [
          {
            foreignKeyName: 'provider_credentials_created_by_fkey'
            columns: ['organization_id', 'created_by']
            isOneToOne: false
            referencedRelation: 'client_users'
            referencedColumns: ['organization_id', 'user_id']
          },
          {
            foreignKeyName: 'provider_credentials_organization_id_fkey'
            columns: ['organization_id']
            isOneToOne: false
            referencedRelation: 'clients'
            referencedColumns: ['id']
          },
        ]
      }
      system_prompt_opt_outs: {
        Row: {
          created_at: string
          organization_id: number
          system_prompt_id: number
          user_id: string
        }
        ComputedFields: never
        Insert: {
          created_at?: string
          organization_id?: number
          system_prompt_id: number
          user_id?: string
        }
        Update: {
          created_at?: string
          organization_id?: number
          system_prompt_id?: number
          user_id?: string
        }
        Relationships: [
          {
            foreignKeyName: 'system_prompt_opt_outs_user_fkey'
            columns: ['organization_id', 'user_id']
            isOneToOne: false
            referencedRelation: 'client_users'
            referencedColumns: ['organization_id', 'user_id']
          },
        ]
      }
      system_prompt_versions: {
        Row: {
          changed_by: string | null
          content: string
          context: string | null
          created_at: string
          enabled: boolean
          id: number
          mandatory: boolean
          organization_id: number | null
          priority: number
          system_prompt_id: number
          template: boolean
          user_id: string | null
          variables: NonNullable<Json>
          version: number
        }
        ComputedFields: never
        Insert: {
          changed_by?: string | null
          content: string
          context?: string | null
          created_at?: string
          enabled: boolean
          id?: never
          mandatory: boolean
          organization_id?: number | null
          priority: number
          system_prompt_id: number
          template: boolean
          user_id?: string | null
          variables: NonNullable<Json>
          version: number
        }
        Update: {
          changed_by?: string | null
          content?: string
          context?: string | null
          created_at?: string
          enabled?: boolean
          id?: never
          mandatory?: boolean
          organization_id?: number | null
          priority?: number
          system_prompt_id?: number
          template?: boolean
          user_id?: string | null
          variables?: NonNullable<Json>
          version?: number
        }
        Relationships: [
          {
            foreignKeyName: 'system_prompt_versions_organization_id_fkey'
            columns: ['organization_id']
            isOneToOne: false
            referencedRelation: 'clients'
            referencedColumns: ['id']
          },
          {
            foreignKeyName: 'system_prompt_versions_user_fkey'
            columns: ['organization_id', 'user_id']
            isOneToOne: false
            referencedRelation: 'client_users'
            referencedColumns: ['organization_id', 'user_id']
          },
        ]
      }
      usage_ledger: {
        Row: {
          agent_name: string | null
          cached_input_tokens: number | null
          cost_usd: number | null
          created_at: string
          end_user: string | null
          execution_id: string
          id: number
          input_tokens: number | null
          is_estimated: boolean
          model_id: string
          organization_id: number
          output_tokens: number | null
          project_id: number | null
          provider: string
          reasoning_tokens: number | null
          tool_input_tokens: number | null
          user_id: string | null
        }
        ComputedFields: never
        Insert: {
          agent_name?: string | null
          cached_input_tokens?: number | null
          cost_usd?: number | null
          created_at?: string
          end_user?: string | null
          execution_id: string
          id?: never
          input_tokens?: number | null
          is_estimated?: boolean
          model_id: string
          organization_id: number
          output_tokens?: number | null
          project_id?: number | null
          provider: string
          reasoning_tokens?: number | null
          tool_input_tokens?: number | null
          user_id?: string | null
        }
        Update: {
          agent_name?: string | null
          cached_input_tokens?: number | null
          cost_usd?: number | null
          created_at?: string
          end_user?: string | null
          execution_id?: string
          id?: never
          input_tokens?: number | null
          is_estimated?: boolean
          model_id?: string
          organization_id?: number
          output_tokens?: number | null
          project_id?: number | null
          provider?: string
          reasoning_tokens?: number | null
          tool_input_tokens?: number | null
          user_id?: string | null
        }
        Relationships: []
      }
    }
    Views: {
      clients: {
        Row: {
          billing_info: Json | null
          created_at: string
          id: number
          name: string
          settings: NonNullable<Json>
        }
        ComputedFields: never
        Relationships: []
      }
      users: {
        Row: {
          auth_info: NonNullable<Json>
          created_at: string
          email: string | null
          id: string
        }
        ComputedFields: never
        Insert: {
          auth_info?: Json | null
          created_at?: string | null
          email?: string | null
          id?: string | null
        }
        Update: {
          auth_info?: Json | null
          created_at?: string | null
          email?: string | null
          id?: string | null
        }
        Relationships: []
      }
    }
    Functions: {
      [_ in never]: never
    }
    Enums: {
      [_ in never]: never
    }
    CompositeTypes: {
      [_ in never]: never
    }
  }
  conversation: {
    Tables: {
      block_lens_version: {
        Row: {
          agent: string | null
          answered_by: string | null
          block_id: number
          cost_usd: number | null
          created_at: string
          embedding: number[] | null
          error_code: string | null
          execution_ids: string[]
          id: number
          input_hash: string
          input_tokens: number | null
          lens_id: number
          model: string | null
          organization_id: number
          output_tokens: number | null
          result: Json | null
          run_id: number
          version: number
        }
        ComputedFields: never
        Insert: {
          agent?: string | null
          answered_by?: string | null
          block_id: number
          cost_usd?: number | null
          created_at?: string
          embedding?: number[] | null
          error_code?: string | null
          execution_ids: string[]
          id?: never
          input_hash: string
          input_tokens?: number | null
          lens_id: number
          model?: string | null
          organization_id?: number
          output_tokens?: number | null
          result?: Json | null
          run_id: number
          version: number
        }
        Update: {
          agent?: string | null
          answered_by?: string | null
          block_id?: number
          cost_usd?: number | null
          created_at?: string
          embedding?: number[] | null
          error_code?: string | null
          execution_ids?: string[]
          id?: never
          input_hash?: string
          input_tokens?: number | null
          lens_id?: number
          model?: string | null
          organization_id?: number
          output_tokens?: number | null
          result?: Json | null
          run_id?: number
          version?: number
        }
        Relationships: [
          {
            foreignKeyName: 'block_lens_version_block_fkey'
            columns: ['organization_id', 'block_id']
            isOneToOne: false
            referencedRelation: 'blocks'
            referencedColumns: ['organization_id', 'id']
          },
          {
            foreignKeyName: 'block_lens_version_block_fkey'
            columns: ['organization_id', 'block_id']
            isOneToOne: false
            referencedRelation: 'project_blocks'
            referencedColumns: ['organization_id', 'id']
          },
          {
            foreignKeyName: 'block_lens_version_lens_id_fkey'
            columns: ['lens_id']
            isOneToOne: false
            referencedRelation: 'lens_prototypes'
            referencedColumns: ['id']
          },
        ]
      }
      block_readers: {
        Row: {
          block_id: number
          created_at: string
          organization_id: number
          user_id: string
        }
        ComputedFields: never
        Insert: {
          block_id: number
          created_at?: string
          organization_id?: number
          user_id: string
        }
        Update: {
          block_id?: number
          created_at?: string
          organization_id?: number
          user_id?: string
        }
        Relationships: [
          {
            foreignKeyName: 'block_readers_block_fkey'
            columns: ['organization_id', 'block_id']
            isOneToOne: false
            referencedRelation: 'blocks'
            referencedColumns: ['organization_id', 'id']
          },
          {
            foreignKeyName: 'block_readers_block_fkey'
            columns: ['organization_id', 'block_id']
            isOneToOne: false
            referencedRelation: 'project_blocks'
            referencedColumns: ['organization_id', 'id']
          },
        ]
      }
      block_turns: {
        Row: {
          block_id: number
          created_at: string
          organization_id: number
          sequence_order: number
          turn_id: number
        }
        ComputedFields: never
        Insert: {
          block_id: number
          created_at?: string
          organization_id?: number
          sequence_order: number
          turn_id: number
        }
        Update: {
          block_id?: number
          created_at?: string
          organization_id?: number
          sequence_order?: number
          turn_id?: number
        }
        Relationships: [
          {
            foreignKeyName: 'block_turns_block_fkey'
            columns: ['organization_id', 'block_id']
            isOneToOne: false
            referencedRelation: 'blocks'
            referencedColumns: ['organization_id', 'id']
          },
          {
            foreignKeyName: 'block_turns_block_fkey'
            columns: ['organization_id', 'block_id']
            isOneToOne: false
            referencedRelation: 'project_blocks'
            referencedColumns: ['organization_id', 'id']
          },
          {
            foreignKeyName: 'block_turns_turn_fkey'
            columns: ['organization_id', 'turn_id']
            isOneToOne: false
            referencedRelation: 'turns'
            referencedColumns: ['organization_id', 'id']
          },
        ]
      }
      blocks: {
        Row: {
          created_at: string
          id: number
          metadata: NonNullable<Json>
          name: string
          organization_id: number
          project_id: number
          type: string
          updated_at: string
          visibility: string
        }
        ComputedFields: never
        Insert: {
          created_at?: string
          id?: never
          metadata?: NonNullable<Json>
          name: string
          organization_id?: number
          project_id: number
          type?: string
          updated_at?: string
          visibility?: string
        }
        Update: {
          created_at?: string
          id?: never
          metadata?: NonNullable<Json>
          name?: string
          organization_id?: number
          project_id?: number
          type?: string
          updated_at?: string
          visibility?: string
        }
        Relationships: []
      }
      execution_events: {
        Row: {
          created_at: string
          event: NonNullable<Json>
          execution_id: string
          organization_id: number
          seq: number
        }
        ComputedFields: never
        Insert: {
          created_at?: string
          event: NonNullable<Json>
          execution_id: string
          organization_id: number
          seq: number
        }
        Update: {
          created_at?: string
          event?: NonNullable<Json>
          execution_id?: string
          organization_id?: number
          seq?: number
        }
        Relationships: []
      }
      hand_back_notes: {
        Row: {
          author_id: string | null
          created_at: string
          note: string
          organization_id: number
          session_id: string
          updated_at: string
        }
        ComputedFields: never
        Insert: {
          author_id?: string | null
          created_at?: string
          note: string
          organization_id: number
          session_id: string
          updated_at?: string
        }
        Update: {
          author_id?: string | null
          created_at?: string
          note?: string
          organization_id?: number
          session_id?: string
          updated_at?: string
        }
        Relationships: []
      }
      lens_prototypes: {
        Row: {
          agent: string | null
          created_at: string
          id: number
          model: string | null
          name: string
          organization_id: number | null
          output_schema: NonNullable<Json>
          prompt_template: string
          updated_at: string
          variables: NonNullable<Json>
          version: number
        }
        ComputedFields: never
        Insert: {
          agent?: string | null
          created_at?: string
          id?: never
          model?: string | null
          name: string
          organization_id?: number | null
          output_schema?: NonNullable<Json>
          prompt_template: string
          updated_at?: string
          variables?: NonNullable<Json>
          version?: number
        }
        Update: {
          agent?: string | null
          created_at?: string
          id?: never
          model?: string | null
          name?: string
          organization_id?: number | null
          output_schema?: NonNullable<Json>
          prompt_template?: string
          updated_at?: string
          variables?: NonNullable<Json>
          version?: number
        }
        Relationships: []
      }
      lens_run_blocks: {
        Row: {
          attempts: number
          block_id: number
          calls: number
          input_hash: string | null
          lease_expires_at: string | null
          organization_id: number
          run_id: number
          status: string
        }
        ComputedFields: never
        Insert: {
          attempts?: number
          block_id: number
          calls: number
          input_hash?: string | null
          lease_expires_at?: string | null
          organization_id: number
          run_id: number
          status?: string
        }
        Update: {
          attempts?: number
          block_id?: number
          calls?: number
          input_hash?: string | null
          lease_expires_at?: string | null
          organization_id?: number
          run_id?: number
          status?: string
        }
        Relationships: [
          {
            foreignKeyName: 'lens_run_blocks_block_fkey'
            columns: ['organization_id', 'block_id']
            isOneToOne: false
            referencedRelation: 'blocks'
            referencedColumns: ['organization_id', 'id']
          },
          {
            foreignKeyName: 'lens_run_blocks_block_fkey'
            columns: ['organization_id', 'block_id']
            isOneToOne: false
            referencedRelation: 'project_blocks'
            referencedColumns: ['organization_id', 'id']
          },
          {
            foreignKeyName: 'lens_run_blocks_run_fkey'
            columns: ['organization_id', 'run_id']
            isOneToOne: false
            referencedRelation: 'lens_run_progress'
            referencedColumns: ['organization_id', 'id']
          },
          {
            foreignKeyName: 'lens_run_blocks_run_fkey'
            columns: ['organization_id', 'run_id']
            isOneToOne: false
            referencedRelation: 'lens_runs'
            referencedColumns: ['organization_id', 'id']
          },
        ]
      }
      lens_runs: {
        Row: {
          agent: string | null
          calls: number
          completed_at: string | null
          created_at: string
          id: number
          input_tokens: number
          lens_id: number
          max_cost_usd: number | null
          max_output_tokens: number
          model: string | null
          organization_id: number
          part_bytes: number
          project_id: number
          status: string
          user_id: string | null
          version: number
        }
        ComputedFields: never
        Insert: {
          agent?: string | null
          calls: number
          completed_at?: string | null
          created_at?: string
          id?: never
          input_tokens: number
          lens_id: number
          max_cost_usd?: number | null
          max_output_tokens: number
          model?: string | null
          organization_id?: number
          part_bytes: number
          project_id: number
          status?: string
          user_id?: string | null
          version: number
        }
        Update: {
          agent?: string | null
          calls?: number
          completed_at?: string | null
          created_at?: string
          id?: never
          input_tokens?: number
          lens_id?: number
          max_cost_usd?: number | null
          max_output_tokens?: number
          model?: string | null
          organization_id?: number
          part_bytes?: number
          project_id?: number
          status?: string
          user_id?: string | null
          version?: number
        }
        Relationships: [
          {
            foreignKeyName: 'lens_runs_lens_id_fkey'
            columns: ['lens_id']
            isOneToOne: false
            referencedRelation: 'lens_prototypes'
            referencedColumns: ['id']
          },
        ]
      }
      lens_versions: {
        Row: {
          agent: string | null
          changed_by: string | null
          created_at: string
          id: number
          lens_id: number
          model: string | null
          organization_id: number | null
          output_schema: NonNullable<Json>
          prompt_template: string
          variables: NonNullable<Json>
          version: number
        }
        ComputedFields: never
        Insert: {
          agent?: string | null
          changed_by?: string | null
          created_at?: string
          id?: never
          lens_id: number
          model?: string | null
          organization_id?: number | null
          output_schema: NonNullable<Json>
          prompt_template: string
          variables: NonNullable<Json>
          version: number
        }
        Update: {
          agent?: string | null
          changed_by?: string | null
          created_at?: string
          id?: never
          lens_id?: number
          model?: string | null
          organization_id?: number | null
          output_schema?: NonNullable<Json>
          prompt_template?: string
          variables?: NonNullable<Json>
          version?: number
        }
        Relationships: [
          {
            foreignKeyName: 'lens_versions_lens_id_fkey'
            columns: ['lens_id']
            isOneToOne: false
            referencedRelation: 'lens_prototypes'
            referencedColumns: ['id']
          },
        ]
      }
      message_feedback: {
        Row: {
          comment: string | null
          created_at: string
          execution_id: string | null
          message_id: string
          organization_id: number
          rating: string
          session_id: string
          updated_at: string
          user_id: string
        }
        ComputedFields: never
        Insert: {
          comment?: string | null
          created_at?: string
          execution_id?: string | null
          message_id: string
          organization_id: number
          rating: string
          session_id: string
          updated_at?: string
          user_id: string
        }
        Update: {
          comment?: string | null
          created_at?: string
          execution_id?: string | null
          message_id?: string
          organization_id?: number
          rating?: string
          session_id?: string
          updated_at?: string
          user_id?: string
        }
        Relationships: []
      }
      participants: {
        Row: {
          created_at: string
          id: number
          name: string
          organization_id: number
          patterns_metadata: NonNullable<Json>
          type: string
          updated_at: string
          user_id: string | null
        }
        ComputedFields: never
        Insert: {
          created_at?: string
          id?: never
          name: string
          organization_id?: number
          patterns_metadata?: NonNullable<Json>
          type?: string
          updated_at?: string
          user_id?: string | null
        }
        Update: {
          created_at?: string
          id?: never
          name?: string
          organization_id?: number
          patterns_metadata?: NonNullable<Json>
          type?: string
          updated_at?: string
          user_id?: string | null
        }
        Relationships: []
      }
      tool_approvals: {
        Row: {
          arguments_hash: string
          created_at: string
          decided_at: string | null
          decided_by: string | null
          decision: string | null
          execution_id: string
          expires_at: string
          organization_id: number
          tool_call_id: string
        }
        ComputedFields: never
        Insert: {
          arguments_hash: string
          created_at?: string
          decided_at?: string | null
          decided_by?: string | null
          decision?: string | null
          execution_id: string
          expires_at: string
          organization_id: number
          tool_call_id: string
        }
        Update: {
          arguments_hash?: string
          created_at?: string
          decided_at?: string | null
          decided_by?: string | null
          decision?: string | null
          execution_id?: string
          expires_at?: string
          organization_id?: number
          tool_call_id?: string
        }
        Relationships: [
          {
            foreignKeyName: 'tool_approvals_call_fkey'
            columns: ['organization_id', 'execution_id', 'tool_call_id']
            isOneToOne: true
            referencedRelation: 'tool_calls'
            referencedColumns: ['organization_id', 'execution_id', 'tool_call_id']
          },
        ]
      }
      tool_calls: {
        Row: {
          arguments: string
          completed_at: string | null
          created_at: string
          definition_hash: string | null
          endpoint: string | null
          error_code: string | null
          execution_id: string
          mcp_configuration_id: number | null
          name: string
          organization_id: number
          position: number
          result: Json | null
          runner_id: string | null
          server: string | null
          started_at: string | null
          status: string
          step: number
          tool: string | null
          tool_call_id: string
        }
        ComputedFields: never
        Insert: {
          arguments: string
          completed_at?: string | null
          created_at?: string
          definition_hash?: string | null
          endpoint?: string | null
          error_code?: string | null
          execution_id: string
          mcp_configuration_id?: number | null
          name: string
          organization_id: number
          position: number
          result?: Json | null
          runner_id?: string | null
          server?: string | null
          started_at?: string | null
          status: string
          step: number
          tool?: string | null
          tool_call_id: string
        }
        Update: {
          arguments?: string
          completed_at?: string | null
          created_at?: string
          definition_hash?: string | null
          endpoint?: string | null
          error_code?: string | null
          execution_id?: string
          mcp_configuration_id?: number | null
          name?: string
          organization_id?: number
          position?: number
          result?: Json | null
          runner_id?: string | null
          server?: string | null
          started_at?: string | null
          status?: string
          step?: number
          tool?: string | null
          tool_call_id?: string
        }
        Relationships: []
      }
      tool_elicitations: {
        Row: {
          actions: Json | null
          answered_at: string | null
          answered_by: string | null
          arguments_hash: string
          created_at: string
          execution_id: string
          expires_at: string
          organization_id: number
          questions: NonNullable<Json>
          round: number
          tool_call_id: string
        }
        ComputedFields: never
        Insert: {
          actions?: Json | null
          answered_at?: string | null
          answered_by?: string | null
          arguments_hash: string
          created_at?: string
          execution_id: string
          expires_at: string
          organization_id: number
          questions: NonNullable<Json>
          round: number
          tool_call_id: string
        }
        Update: {
          actions?: Json | null
          answered_at?: string | null
          answered_by?: string | null
          arguments_hash?: string
          created_at?: string
          execution_id?: string
          expires_at?: string
          organization_id?: number
          questions?: NonNullable<Json>
          round?: number
          tool_call_id?: string
        }
        Relationships: [
          {
            foreignKeyName: 'tool_elicitations_call_fkey'
            columns: ['organization_id', 'execution_id', 'tool_call_id']
            isOneToOne: true
            referencedRelation: 'tool_calls'
            referencedColumns: ['organization_id', 'execution_id', 'tool_call_id']
          },
        ]
      }
      turn_sources: {
        Row: {
          block_id: number
          created_at: string
          message_id: string
          organization_id: number
          session_id: string
          turn_id: number
        }
        ComputedFields: never
        Insert: {
          block_id: number
          created_at?: string
          message_id: string
          organization_id?: number
          session_id: string
          turn_id: number
        }
        Update: {
          block_id?: number
          created_at?: string
          message_id?: string
          organization_id?: number
          session_id?: string
          turn_id?: number
        }
        Relationships: [
          {
            foreignKeyName: 'turn_sources_block_fkey'
            columns: ['organization_id', 'block_id']
            isOneToOne: false
            referencedRelation: 'blocks'
            referencedColumns: ['organization_id', 'id']
          },
          {
            foreignKeyName: 'turn_sources_block_fkey'
            columns: ['organization_id', 'block_id']
            isOneToOne: false
            referencedRelation: 'project_blocks'
            referencedColumns: ['organization_id', 'id']
          },
          {
            foreignKeyName: 'turn_sources_turn_fkey'
            columns: ['organization_id', 'turn_id']
            isOneToOne: true
            referencedRelation: 'turns'
            referencedColumns: ['organization_id', 'id']
          },
        ]
      }
      turns: {
        Row: {
          content: string
          created_at: string
          id: number
          is_restricted: boolean
          metadata: NonNullable<Json>
          organization_id: number
          participant_id: number
          timestamp: string
          updated_at: string
        }
        ComputedFields: never
        Insert: {
          content: string
          created_at?: string
          id?: never
          is_restricted?: boolean
          metadata?: NonNullable<Json>
          organization_id?: number
          participant_id: number
          timestamp?: string
          updated_at?: string
        }
        Update: {
          content?: string
          created_at?: string
          id?: never
          is_restricted?: boolean
          metadata?: NonNullable<Json>
          organization_id?: number
          participant_id?: number
          timestamp?: string
          updated_at?: string
        }
        Relationships: [
          {
            foreignKeyName: 'turns_participant_fkey'
            columns: ['organization_id', 'participant_id']
            isOneToOne: false
            referencedRelation: 'participant_users'
            referencedColumns: ['organization_id', 'id']
          },
          {
            foreignKeyName: 'turns_participant_fkey'
            columns: ['organization_id', 'participant_id']
            isOneToOne: false
            referencedRelation: 'participants'
            referencedColumns: ['organization_id', 'id']
          },
        ]
      }
    }
    Views: {
      lens_comparisons: {
        Row: {
          agent: string | null
          answered_by: string | null
          block_id: number
          block_name: string
          cost_usd: number | null
          error_code: string | null
          id: number
          is_same: boolean | null
          is_stale: boolean | null
          lens_id: number
          lens_name: string
          model: string | null
          organization_id: number
          other_agent: string | null
          other_answered_by: string | null
          other_cost_usd: number | null
          other_error_code: string | null
          other_id: number
          other_is_stale: boolean | null
          other_model: string | null
          other_result: Json | null
          other_version: number
          project_id: number
          result: Json | null
          version: number
        }
        ComputedFields: never
        Relationships: [
          {
            foreignKeyName: 'block_lens_version_block_fkey'
            columns: ['organization_id', 'block_id']
            isOneToOne: false
            referencedRelation: 'blocks'
            referencedColumns: ['organization_id', 'id']
          },
          {
            foreignKeyName: 'block_lens_version_block_fkey'
            columns: ['organization_id', 'block_id']
            isOneToOne: false
            referencedRelation: 'project_blocks'
            referencedColumns: ['organization_id', 'id']
          },
          {
            foreignKeyName: 'block_lens_version_lens_id_fkey'
            columns: ['lens_id']
            isOneToOne: false
            referencedRelation: 'lens_prototypes'
            referencedColumns: ['id']
          },
        ]
      }
      lens_results: {
        Row: {
          agent: string | null
          answered_by: string | null
          block_id: number
          block_name: string
          cost_usd: number | null
          created_at: string
          error_code: string | null
          id: number
          input_tokens: number | null
          is_stale: boolean | null
          lens_id: number
          lens_name: string
          model: string | null
          organization_id: number
          output_tokens: number | null
          project_id: number
          result: Json | null
          run_id: number
          version: number
        }
        ComputedFields: never
        Relationships: [
          {
            foreignKeyName: 'block_lens_version_block_fkey'
            columns: ['organization_id', 'block_id']
            isOneToOne: false
            referencedRelation: 'blocks'
            referencedColumns: ['organization_id', 'id']
          },
          {
            foreignKeyName: 'block_lens_version_block_fkey'
            columns: ['organization_id', 'block_id']
            isOneToOne: false
            referencedRelation: 'project_blocks'
            referencedColumns: ['organization_id', 'id']
          },
          {
            foreignKeyName: 'block_lens_version_lens_id_fkey'
            columns: ['lens_id']
            isOneToOne: false
            referencedRelation: 'lens_prototypes'
            referencedColumns: ['id']
          },
        ]
      }
      lens_run_progress: {
        Row: {
          agent: string | null
          blocks: number | null
          calls: number
          cancelled: number | null
          completed_at: string | null
          cost_usd: number | null
          created_at: string
          done: number | null
          failed: number | null
          id: number
          input_tokens: number
          lens_id: number
          max_cost_usd: number | null
          max_output_tokens: number
          model: string | null
          organization_id: number
          project_id: number
          remaining: number | null
          status: string
          user_id: string | null
          version: number
        }
        ComputedFields: never
        Relationships: [
          {
            foreignKeyName: 'lens_runs_lens_id_fkey'
            columns: ['lens_id']
            isOneToOne: false
            referencedRelation: 'lens_prototypes'
            referencedColumns: ['id']
          },
        ]
      }
      participant_users: {
        Row: {
          auth_info: Json | null
          client_names: string[] | null
          created_at: string
          email: string | null
          id: number
          name: string
          organization_id: number
          patterns_metadata: NonNullable<Json>
          role: string
          type: string
          updated_at: string
          user_id: string | null
        }
        ComputedFields: never
        Relationships: []
      }
      project_blocks: {
        Row: {
          client_name: string
          created_at: string
          id: number
          metadata: NonNullable<Json>
          name: string
          organization_id: number
          project_id: number
          project_name: string
          turn_count: number | null
          type: string
          updated_at: string
          visibility: string
        }
        ComputedFields: never
        Relationships: []
      }
    }
    Functions: {
      [_ in never]: never
    }
    Enums: {
      [_ in never]: never
    }
    CompositeTypes: {
      [_ in never]: never
    }
  }
  public: {
    Tables: {
      admin_audit_log: {
        Row: {
          action: string
          admin_email: string | null
          admin_id: number | null
          details: NonNullable<Json>
          id: number
          resource_id: string | null
          resource_type: string
          success: boolean
          timestamp: string
        }
        ComputedFields: never
        Insert: {
          action: string
          admin_email?: string | null
          admin_id?: number | null
          details?: NonNullable<Json>
          id?: never
          resource_id?: string | null
          resource_type: string
          success?: boolean
          timestamp?: string
        }
        Update: {
          action?: string
          admin_email?: string | null
          admin_id?: number | null
          details?: NonNullable<Json>
          id?: never
          resource_id?: string | null
          resource_type?: string
          success?: boolean
          timestamp?: string
        }
        Relationships: []
      }
      agent_executions: {
        Row: {
          agent_id: number | null
          attempt: number
          cached_input_tokens: number | null
          cancel_requested_at: string | null
          completed_at: string | null
          cost_usd: number | null
          created_at: string
          end_user: string | null
          error_code: string | null
          error_message: string | null
          estimated_input_tokens: number | null
          finish_reason: string | null
          first_chunk_ms: number | null
          id: string
          idempotency_key: string | null
          input_tokens: number | null
          latency_ms: number | null
          lease_expires_at: string
          message_id: string
          metadata: NonNullable<Json>
          model_id: number | null
          organization_id: number
          output_tokens: number | null
          project_id: number | null
          prompts_hash: string | null
          reasoning_tokens: number | null
          request_hash: string
          reserved_tokens: number
          response_message_id: string
          route: NonNullable<Json>
          session_id: string
          status: string
          stored_bytes: number
          tool_input_tokens: number | null
          total_tokens: number | null
          updated_at: string
          user_id: string
        }
        ComputedFields: never
        Insert: {
          agent_id?: number | null
          attempt?: number
          cached_input_tokens?: number | null
          cancel_requested_at?: string | null
          completed_at?: string | null
          cost_usd?: number | null
          created_at?: string
          end_user?: string | null
          error_code?: string | null
          error_message?: string | null
          estimated_input_tokens?: number | null
          finish_reason?: string | null
          first_chunk_ms?: number | null
          id?: string
          idempotency_key?: string | null
          input_tokens?: number | null
          latency_ms?: number | null
          lease_expires_at: string
          message_id: string
          metadata?: NonNullable<Json>
          model_id?: number | null
          organization_id: number
          output_tokens?: number | null
          project_id?: number | null
          prompts_hash?: string | null
          reasoning_tokens?: number | null
          request_hash: string
          reserved_tokens?: number
          response_message_id?: string
          route?: NonNullable<Json>
          session_id: string
          status?: string
          stored_bytes?: number
          tool_input_tokens?: number | null
          total_tokens?: number | null
          updated_at?: string
          user_id: string
        }
        Update: {
          agent_id?: number | null
          attempt?: number
          cached_input_tokens?: number | null
          cancel_requested_at?: string | null
          completed_at?: string | null
          cost_usd?: number | null
          created_at?: string
          end_user?: string | null
          error_code?: string | null
          error_message?: string | null
          estimated_input_tokens?: number | null
          finish_reason?: string | null
          first_chunk_ms?: number | null
          id?: string
          idempotency_key?: string | null
          input_tokens?: number | null
          latency_ms?: number | null
          lease_expires_at?: string
          message_id?: string
          metadata?: NonNullable<Json>
          model_id?: number | null
          organization_id?: number
          output_tokens?: number | null
          project_id?: number | null
          prompts_hash?: string | null
          reasoning_tokens?: number | null
          request_hash?: string
          reserved_tokens?: number
          response_message_id?: string
          route?: NonNullable<Json>
          session_id?: string
          status?: string
          stored_bytes?: number
          tool_input_tokens?: number | null
          total_tokens?: number | null
          updated_at?: string
          user_id?: string
        }
        Relationships: [
          {
            foreignKeyName: 'agent_executions_agent_id_fkey'
            columns: ['agent_id']
            isOneToOne: false
            referencedRelation: 'agents'
            referencedColumns: ['id']
          },
          {
            foreignKeyName: 'agent_executions_agent_id_fkey'
            columns: ['agent_id']
            isOneToOne: false
            referencedRelation: 'v_agent_status'
            referencedColumns: ['agent_id']
          },
          {
            foreignKeyName: 'agent_executions_message_fkey'
            columns: ['organization_id', 'session_id', 'message_id']
            isOneToOne: false
            referencedRelation: 'chat_messages'
            referencedColumns: ['organization_id', 'session_id', 'id']
          },
          {
            foreignKeyName: 'agent_executions_model_id_fkey'
            columns: ['model_id']
            isOneToOne: false
            referencedRelation: 'models'
            referencedColumns: ['id']
          },
          {
            foreignKeyName: 'agent_executions_session_fkey'
            columns: ['organization_id', 'session_id']
            isOneToOne: false
            referencedRelation: 'chat_sessions'
            referencedColumns: ['organization_id', 'id']
          },
          {
            foreignKeyName: 'agent_executions_session_fkey'
            columns: ['organization_id', 'session_id']
            isOneToOne: false
            referencedRelation: 'v_recent_sessions'
            referencedColumns: ['organization_id', 'id']
          },
        ]
      }
      agent_health: {
        Row: {
          agent_id: number
          consecutive_failures: number
          created_at: string
          id: number
          last_check: string
          last_error: string | null
          organization_id: number | null
          status: string
          updated_at: string
        }
        ComputedFields: never
        Insert: {
          agent_id: number
          consecutive_failures?: number
          created_at?: string
          id?: never
          last_check?: string
          last_error?: string | null
          organization_id?: number | null
          status?: string
          updated_at?: string
        }
        Update: {
          agent_id?: number
          consecutive_failures?: number
          created_at?: string
          id?: never
          last_check?: string
          last_error?: string | null
          organization_id?: number | null
          status?: string
          updated_at?: string
        }
        Relationships: [
          {
            foreignKeyName: 'agent_health_agent_id_fkey'
            columns: ['agent_id']
            isOneToOne: false
            referencedRelation: 'agents'
            referencedColumns: ['id']
          },
          {
            foreignKeyName: 'agent_health_agent_id_fkey'
            columns: ['agent_id']
            isOneToOne: false
            referencedRelation: 'v_agent_status'
            referencedColumns: ['agent_id']
          },
          {
            foreignKeyName: 'agent_health_organization_id_fkey'
            columns: ['organization_id']
            isOneToOne: false
            referencedRelation: 'organizations'
            referencedColumns: ['id']
          },
        ]
      }
      agent_metrics: {
        Row: {
          agent_id: number
          avg_latency_ms: number
          avg_tokens_in: number | null
          avg_tokens_out: number | null
          cancelled_requests: number
          created_at: string
          date: string
          failed_requests: number
          id: number
          measured_requests: number
          organization_id: number | null
          successful_requests: number
          total_requests: number
          updated_at: string
        }
        ComputedFields: never
        Insert: {
          agent_id: number
          avg_latency_ms?: number
          avg_tokens_in?: number | null
          avg_tokens_out?: number | null
          cancelled_requests?: number
          created_at?: string
          date?: string
          failed_requests?: number
          id?: never
          measured_requests?: number
          organization_id?: number | null
          successful_requests?: number
          total_requests?: number
          updated_at?: string
        }
        Update: {
          agent_id?: number
          avg_latency_ms?: number
          avg_tokens_in?: number | null
          avg_tokens_out?: number | null
          cancelled_requests?: number
          created_at?: string
          date?: string
          failed_requests?: number
          id?: never
          measured_requests?: number
          organization_id?: number | null
          successful_requests?: number
          total_requests?: number
          updated_at?: string
        }
        Relationships: [
          {
            foreignKeyName: 'agent_metrics_agent_id_fkey'
            columns: ['agent_id']
            isOneToOne: false
            referencedRelation: 'agents'
            referencedColumns: ['id']
          },
          {
            foreignKeyName: 'agent_metrics_agent_id_fkey'
            columns: ['agent_id']
            isOneToOne: false
            referencedRelation: 'v_agent_status'
            referencedColumns: ['agent_id']
          },
          {
            foreignKeyName: 'agent_metrics_organization_id_fkey'
            columns: ['organization_id']
            isOneToOne: false
            referencedRelation: 'organizations'
            referencedColumns: ['id']
          },
        ]
      }
      agents: {
        Row: {
          config: NonNullable<Json>
          created_at: string
          description: string | null
          enabled: boolean
          id: number
          instructions: string | null
          name: string
          open_to_guests: boolean
          organization_id: number | null
          type: string
          updated_at: string
        }
        ComputedFields: never
        Insert: {
          config?: NonNullable<Json>
          created_at?: string
          description?: string | null
          enabled?: boolean
          id?: never
          instructions?: string | null
          name: string
          open_to_guests?: boolean
          organization_id?: number | null
          type: string
          updated_at?: string
        }
        Update: {
          config?: NonNullable<Json>
          created_at?: string
          description?: string | null
          enabled?: boolean
          id?: never
          instructions?: string | null
          name?: string
          open_to_guests?: boolean
          organization_id?: number | null
          type?: string
          updated_at?: string
        }
        Relationships: [
          {
            foreignKeyName: 'agents_organization_id_fkey'
            columns: ['organization_id']
            isOneToOne: false
            referencedRelation: 'organizations'
            referencedColumns: ['id']
          },
        ]
      }
      audit_logs: {
        Row: {
          action: string
          actor: string
          details: NonNullable<Json>
          error_message: string | null
          hash: string
          id: number
          ip_address: string | null
          organization_id: number
          payload: string
          previous_hash: string
          resource_id: string | null
          resource_type: string
          sequence: number
          success: boolean
          timestamp: string
          user_agent: string | null
          user_id: string | null
        }
        ComputedFields: never
        Insert: {
          action: string
          actor: string
          details?: NonNullable<Json>
          error_message?: string | null
          hash: string
          id?: never
          ip_address?: string | null
          organization_id: number
          payload: string
          previous_hash: string
          resource_id?: string | null
          resource_type: string
          sequence: number
          success?: boolean
          timestamp?: string
          user_agent?: string | null
          user_id?: string | null
        }
        Update: {
          action?: string
          actor?: string
          details?: NonNullable<Json>
          error_message?: string | null
          hash?: string
          id?: never
          ip_address?: string | null
          organization_id?: number
          payload?: string
          previous_hash?: string
          resource_id?: string | null
          resource_type?: string
          sequence?: number
          success?: boolean
          timestamp?: string
          user_agent?: string | null
          user_id?: string | null
        }
        Relationships: []
      }
      chat_messages: {
        Row: {
          author_id: string | null
          content: string
          created_at: string
          depth: number
          id: string
          metadata: NonNullable<Json>
          organization_id: number
          parent_id: string | null
          parts: Json | null
          role: string
          session_id: string
          tokens_in: number | null
          tokens_out: number | null
          tokens_total: number | null
          user_id: string
        }
        ComputedFields: never
        Insert: {
          author_id?: string | null
          content?: string
          created_at?: string
          depth?: number
          id?: string
          metadata?: NonNullable<Json>
          organization_id: number
          parent_id?: string | null
          parts?: Json | null
          role: string
          session_id: string
          tokens_in?: number | null
          tokens_out?: number | null
          tokens_total?: number | null
          user_id: string
        }
        Update: {
          author_id?: string | null
          content?: string
          created_at?: string
          depth?: number
          id?: string
          metadata?: NonNullable<Json>
          organization_id?: number
          parent_id?: string | null
          parts?: Json | null
          role?: string
          session_id?: string
          tokens_in?: number | null
          tokens_out?: number | null
          tokens_total?: number | null
          user_id?: string
        }
        Relationships: [
          {
            foreignKeyName: 'chat_messages_parent_fkey'
            columns: ['organization_id', 'session_id', 'parent_id']
            isOneToOne: false
            referencedRelation: 'chat_messages'
            referencedColumns: ['organization_id', 'session_id', 'id']
          },
          {
            foreignKeyName: 'chat_messages_session_fkey'
            columns: ['organization_id', 'session_id']
            isOneToOne: false
            referencedRelation: 'chat_sessions'
            referencedColumns: ['organization_id', 'id']
          },
          {
            foreignKeyName: 'chat_messages_session_fkey'
            columns: ['organization_id', 'session_id']
            isOneToOne: false
            referencedRelation: 'v_recent_sessions'
            referencedColumns: ['organization_id', 'id']
          },
        ]
      }
      chat_sessions: {
        Row: {
          agent_id: number | null
          announced_at: string
          asks_person: boolean
          context: string
          created_at: string
          current_message_id: string | null
          end_user: string | null
          handled_by: string | null
          id: string
          last_message_at: string
          metadata: NonNullable<Json>
          model_id: number | null
          of_guest: boolean
          organization_id: number
          project_id: number | null
          status: string
          title: string | null
          updated_at: string
          user_id: string
          visibility: string
          waiting_since: string | null
        }
        ComputedFields: never
        Insert: {
          agent_id?: number | null
          announced_at?: string
          asks_person?: boolean
          context?: string
          created_at?: string
          current_message_id?: string | null
          end_user?: string | null
          handled_by?: string | null
          id?: string
          last_message_at?: string
          metadata?: NonNullable<Json>
          model_id?: number | null
          of_guest?: boolean
          organization_id?: number
          project_id?: number | null
          status?: string
          title?: string | null
          updated_at?: string
          user_id?: string
          visibility?: string
          waiting_since?: string | null
        }
        Update: {
          agent_id?: number | null
          announced_at?: string
          asks_person?: boolean
          context?: string
          created_at?: string
          current_message_id?: string | null
          end_user?: string | null
          handled_by?: string | null
          id?: string
          last_message_at?: string
          metadata?: NonNullable<Json>
          model_id?: number | null
          of_guest?: boolean
          organization_id?: number
          project_id?: number | null
          status?: string
          title?: string | null
          updated_at?: string
          user_id?: string
          visibility?: string
          waiting_since?: string | null
        }
        Relationships: [
          {
            foreignKeyName: 'chat_sessions_agent_id_fkey'
            columns: ['agent_id']
            isOneToOne: false
            referencedRelation: 'agents'
            referencedColumns: ['id']
          },
          {
            foreignKeyName: 'chat_sessions_agent_id_fkey'
            columns: ['agent_id']
            isOneToOne: false
            referencedRelation: 'v_agent_status'
            referencedColumns: ['agent_id']
          },
          {
            foreignKeyName: 'chat_sessions_model_id_fkey'
            columns: ['model_id']
            isOneToOne: false
            referencedRelation: 'models'
            referencedColumns: ['id']
          },
          {
            foreignKeyName: 'chat_sessions_organization_id_fkey'
            columns: ['organization_id']
            isOneToOne: false
            referencedRelation: 'organizations'
            referencedColumns: ['id']
          },
        ]
      }
      circuit_breaker_state: {
        Row: {
          agent_id: number
          created_at: string
          failure_count: number
          generation: number
          id: number
          last_failure_time: string | null
          last_success_time: string | null
          model_id: number | null
          opened_at: string | null
          organization_id: number | null
          probe_expires_at: string | null
          state: string
          success_count: number
          updated_at: string
        }
        ComputedFields: never
        Insert: {
          agent_id: number
          created_at?: string
          failure_count?: number
          generation?: number
          id?: never
          last_failure_time?: string | null
          last_success_time?: string | null
          model_id?: number | null
          opened_at?: string | null
          organization_id?: number | null
          probe_expires_at?: string | null
          state?: string
          success_count?: number
          updated_at?: string
        }
        Update: {
          agent_id?: number
          created_at?: string
          failure_count?: number
          generation?: number
          id?: never
          last_failure_time?: string | null
          last_success_time?: string | null
          model_id?: number | null
          opened_at?: string | null
          organization_id?: number | null
          probe_expires_at?: string | null
          state?: string
          success_count?: number
          updated_at?: string
        }
        Relationships: [
          {
            foreignKeyName: 'circuit_breaker_state_agent_id_fkey'
            columns: ['agent_id']
            isOneToOne: false
            referencedRelation: 'agents'
            referencedColumns: ['id']
          },
          {
            foreignKeyName: 'circuit_breaker_state_agent_id_fkey'
            columns: ['agent_id']
            isOneToOne: false
            referencedRelation: 'v_agent_status'
            referencedColumns: ['agent_id']
          },
          {
            foreignKeyName: 'circuit_breaker_state_model_id_fkey'
            columns: ['model_id']
            isOneToOne: false
            referencedRelation: 'models'
            referencedColumns: ['id']
          },
          {
            foreignKeyName: 'circuit_breaker_state_organization_id_fkey'
            columns: ['organization_id']
            isOneToOne: false
            referencedRelation: 'organizations'
            referencedColumns: ['id']
          },
        ]
      }
      client_schema_preferences: {
        Row: {
          client_schema_id: number
          created_at: string
          id: number
          organization_id: number
          preference_type_id: number
          preference_value: string
          updated_at: string
        }
        ComputedFields: never
        Insert: {
          client_schema_id: number
          created_at?: string
          id?: never
          organization_id?: number
          preference_type_id: number
          preference_value: string
          updated_at?: string
        }
        Update: {
          client_schema_id?: number
          created_at?: string
          id?: never
          organization_id?: number
          preference_type_id?: number
          preference_value?: string
          updated_at?: string
        }
        Relationships: [
          {
            foreignKeyName: 'client_schema_preferences_preference_type_id_fkey'
            columns: ['preference_type_id']
            isOneToOne: false
            referencedRelation: 'preference_types'
            referencedColumns: ['id']
          },
          {
            foreignKeyName: 'client_schema_preferences_schema_fkey'
            columns: ['organization_id', 'client_schema_id']
            isOneToOne: false
            referencedRelation: 'client_schemas'
            referencedColumns: ['organization_id', 'id']
          },
        ]
      }
      client_schemas: {
        Row: {
          created_at: string
          id: number
          organization_id: number
          schema_name: string
          updated_at: string
        }
        ComputedFields: never
        Insert: {
          created_at?: string
          id?: never
          organization_id: number
          schema_name: string
          updated_at?: string
        }
        Update: {
          created_at?: string
          id?: never
          organization_id?: number
          schema_name?: string
          updated_at?: string
        }
        Relationships: [
          {
            foreignKeyName: 'client_schemas_organization_id_fkey'
            columns: ['organization_id']
            isOneToOne: false
            referencedRelation: 'organizations'
            referencedColumns: ['id']
          },
        ]
      }
      mcp_configurations: {
        Row: {
          accept_descriptions: boolean
          accept_new_tools: boolean
          args: NonNullable<Json>
          auth_type: string
          command: string | null
          created_at: string
          enabled: boolean
          endpoint: string | null
          env: NonNullable<Json>
          id: number
          name: string
          oauth_provider: string | null
          oauth_resource: string | null
          organization_id: number
          type: string
          updated_at: string
          user_id: string | null
        }
        ComputedFields: never
        Insert: {
          accept_descriptions?: boolean
          accept_new_tools?: boolean
          args?: NonNullable<Json>
          auth_type?: string
          command?: string | null
          created_at?: string
          enabled?: boolean
          endpoint?: string | null
          env?: NonNullable<Json>
          id?: never
          name: string
          oauth_provider?: string | null
          oauth_resource?: string | null
          organization_id?: number
          type: string
          updated_at?: string
          user_id?: string | null
        }
        Update: {
          accept_descriptions?: boolean
          accept_new_tools?: boolean
          args?: NonNullable<Json>
          auth_type?: string
          command?: string | null
          created_at?: string
          enabled?: boolean
          endpoint?: string | null
          env?: NonNullable<Json>
          id?: never
          name?: string
          oauth_provider?: string | null
          oauth_resource?: string | null
          organization_id?: number
          type?: string
          updated_at?: string
          user_id?: string | null
        }
        Relationships: [
          {
            foreignKeyName: 'mcp_configurations_organization_id_fkey'
            columns: ['organization_id']
            isOneToOne: false
            referencedRelation: 'organizations'
            referencedColumns: ['id']
          },
        ]
      }
      mcp_oauth_tokens: {
        Row: {
          access_token: string
          client_id: string
          connected_at: string
          created_at: string
          endpoint: string
          expires_at: string | null
          generation: number
          id: number
          issuer: string
          lease_expires_at: string | null
          lease_id: string | null
          mcp_configuration_id: number
          mcp_name: string
          oauth_client_id: number | null
          oauth_provider: string
          organization_id: number
          refresh_error: string | null
          refresh_failed_at: string | null
          refresh_token: string | null
          refreshed_at: string
          required_scope: string | null
          resource: string | null
          scope: string | null
          server_metadata: NonNullable<Json>
          status: string
          token_type: string
          updated_at: string
          user_id: string
        }
        ComputedFields: never
        Insert: {
          access_token: string
          client_id: string
          connected_at?: string
          created_at?: string
          endpoint: string
          expires_at?: string | null
          generation?: number
          id?: never
          issuer: string
          lease_expires_at?: string | null
          lease_id?: string | null
          mcp_configuration_id: number
          mcp_name: string
          oauth_client_id?: number | null
          oauth_provider: string
          organization_id: number
          refresh_error?: string | null
          refresh_failed_at?: string | null
          refresh_token?: string | null
          refreshed_at?: string
          required_scope?: string | null
          resource?: string | null
          scope?: string | null
          server_metadata: NonNullable<Json>
          status?: string
          token_type?: string
          updated_at?: string
          user_id: string
        }
        Update: {
          access_token?: string
          client_id?: string
          connected_at?: string
          created_at?: string
          endpoint?: string
          expires_at?: string | null
          generation?: number
          id?: never
          issuer?: string
          lease_expires_at?: string | null
          lease_id?: string | null
          mcp_configuration_id?: number
          mcp_name?: string
          oauth_client_id?: number | null
          oauth_provider?: string
          organization_id?: number
          refresh_error?: string | null
          refresh_failed_at?: string | null
          refresh_token?: string | null
          refreshed_at?: string
          required_scope?: string | null
          resource?: string | null
          scope?: string | null
          server_metadata?: NonNullable<Json>
          status?: string
          token_type?: string
          updated_at?: string
          user_id?: string
        }
        Relationships: [
          {
            foreignKeyName: 'mcp_oauth_tokens_configuration_fkey'
            columns: ['organization_id', 'mcp_configuration_id']
            isOneToOne: false
            referencedRelation: 'effective_mcp_configurations'
            referencedColumns: ['organization_id', 'id']
          },
          {
            foreignKeyName: 'mcp_oauth_tokens_configuration_fkey'
            columns: ['organization_id', 'mcp_configuration_id']
            isOneToOne: false
            referencedRelation: 'mcp_configurations'
            referencedColumns: ['organization_id', 'id']
          },
        ]
      }
      models: {
        Row: {
          agent_id: number
          capabilities: string[]
          config: NonNullable<Json>
          context_tokens: number | null
          created_at: string
          description: string | null
          display_name: string
          enabled: boolean
          id: number
          model_id: string
          name: string
          organization_id: number | null
          priority: number
          provider: string
          updated_at: string
        }
        ComputedFields: never
        Insert: {
          agent_id: number
          capabilities?: string[]
          config?: NonNullable<Json>
          context_tokens?: number | null
          created_at?: string
          description?: string | null
          display_name: string
          enabled?: boolean
          id?: never
          model_id: string
          name: string
          organization_id?: number | null
          priority?: number
          provider: string
          updated_at?: string
        }
        Update: {
          agent_id?: number
          capabilities?: string[]
          config?: NonNullable<Json>
          context_tokens?: number | null
          created_at?: string
          description?: string | null
          display_name?: string
          enabled?: boolean
          id?: never
          model_id?: string
          name?: string
          organization_id?: number | null
          priority?: number
          provider?: string
          updated_at?: string
        }
        Relationships: [
          {
            foreignKeyName: 'models_agent_id_fkey'
            columns: ['agent_id']
            isOneToOne: false
            referencedRelation: 'agents'
            referencedColumns: ['id']
          },
          {
            foreignKeyName: 'models_agent_id_fkey'
            columns: ['agent_id']
            isOneToOne: false
            referencedRelation: 'v_agent_status'
            referencedColumns: ['agent_id']
          },
          {
            foreignKeyName: 'models_organization_id_fkey'
            columns: ['organization_id']
            isOneToOne: false
            referencedRelation: 'organizations'
            referencedColumns: ['id']
          },
        ]
      }
      oauth_states: {
        Row: {
          called_back_at: string | null
          client_id: string
          code: string | null
          code_verifier: string
          created_at: string
          endpoint: string
          expires_at: string
          handle: string | null
          id: number
          issuer: string
          mcp_configuration_id: number
          mcp_name: string
          oauth_client_id: number | null
          organization_id: number
          provider: string
          redirect_to: string
          redirect_uri: string
          resource: string | null
          scope: string | null
          server_metadata: NonNullable<Json>
          state: string
          used: boolean
          user_id: string
        }
        ComputedFields: never
        Insert: {
          called_back_at?: string | null
          client_id: string
          code?: string | null
          code_verifier: string
          created_at?: string
          endpoint: string
          expires_at?: string
          handle?: string | null
          id?: never
          issuer: string
          mcp_configuration_id: number
          mcp_name: string
          oauth_client_id?: number | null
          organization_id: number
          provider: string
          redirect_to: string
          redirect_uri: string
          resource?: string | null
          scope?: string | null
          server_metadata: NonNullable<Json>
          state: string
          used?: boolean
          user_id: string
        }
        Update: {
          called_back_at?: string | null
          client_id?: string
          code?: string | null
          code_verifier?: string
          created_at?: string
          endpoint?: string
          expires_at?: string
          handle?: string | null
          id?: never
          issuer?: string
          mcp_configuration_id?: number
          mcp_name?: string
          oauth_client_id?: number | null
          organization_id?: number
          provider?: string
          redirect_to?: string
          redirect_uri?: string
          resource?: string | null
          scope?: string | null
          server_metadata?: NonNullable<Json>
          state?: string
          used?: boolean
          user_id?: string
        }
        Relationships: [
          {
            foreignKeyName: 'oauth_states_configuration_fkey'
            columns: ['organization_id', 'mcp_configuration_id']
            isOneToOne: false
            referencedRelation: 'effective_mcp_configurations'
            referencedColumns: ['organization_id', 'id']
          },
          {
            foreignKeyName: 'oauth_states_configuration_fkey'
            columns: ['organization_id', 'mcp_configuration_id']
            isOneToOne: false
            referencedRelation: 'mcp_configurations'
            referencedColumns: ['organization_id', 'id']
          },
        ]
      }
      organizations: {
        Row: {
          created_at: string
          id: number
          is_active: boolean
          name: string
          settings: NonNullable<Json>
          slug: string
          updated_at: string
        }
        ComputedFields: never
        Insert: {
          created_at?: string
          id?: never
          is_active?: boolean
          name: string
          settings?: NonNullable<Json>
          slug: string
          updated_at?: string
        }
        Update: {
          created_at?: string
          id?: never
          is_active?: boolean
          name?: string
          settings?: NonNullable<Json>
          slug?: string
          updated_at?: string
        }
        Relationships: []
      }
      platform_admins: {
        Row: {
          added_by: string | null
          created_at: string
          email: string
          id: number
          is_active: boolean
          name: string
          updated_at: string
          user_id: string | null
        }
        ComputedFields: never
        Insert: {
          added_by?: string | null
          created_at?: string
          email: string
          id?: never
          is_active?: boolean
          name: string
          updated_at?: string
          user_id?: string | null
        }
        Update: {
          added_by?: string | null
          created_at?: string
          email?: string
          id?: never
          is_active?: boolean
          name?: string
          updated_at?: string
          user_id?: string | null
        }
        Relationships: [
          {
            foreignKeyName: 'platform_admins_user_id_fkey'
            columns: ['user_id']
            isOneToOne: true
            referencedRelation: 'users'
            referencedColumns: ['id']
          },
        ]
      }
      preference_types: {
        Row: {
          created_at: string
          description: string | null
          id: number
          name: string
          value_type: string
        }
        ComputedFields: never
        Insert: {
          created_at?: string
          description?: string | null
          id?: never
          name: string
          value_type?: string
        }
        Update: {
          created_at?: string
          description?: string | null
          id?: never
          name?: string
          value_type?: string
        }
        Relationships: []
      }
      system_prompts: {
        Row: {
          content: string
          context: string | null
          created_at: string
          created_by: string | null
          enabled: boolean
          id: number
          mandatory: boolean
          organization_id: number | null
          priority: number
          project_id: number | null
          scope: string
          template: boolean
          updated_at: string
          user_id: string | null
          variables: NonNullable<Json>
          version: number
        }
        ComputedFields: never
        Insert: {
          content: string
          context?: string | null
          created_at?: string
          created_by?: string | null
          enabled?: boolean
          id?: never
          mandatory?: boolean
          organization_id?: number | null
          priority?: number
          project_id?: number | null
          scope: string
          template?: boolean
          updated_at?: string
          user_id?: string | null
          variables?: NonNullable<Json>
          version?: number
        }
        Update: {
          content?: string
          context?: string | null
          created_at?: string
          created_by?: string | null
          enabled?: boolean
          id?: never
          mandatory?: boolean
          organization_id?: number | null
          priority?: number
          project_id?: number | null
          scope?: string
          template?: boolean
          updated_at?: string
          user_id?: string | null
          variables?: NonNullable<Json>
          version?: number
        }
        Relationships: [
          {
            foreignKeyName: 'system_prompts_organization_id_fkey'
            columns: ['organization_id']
            isOneToOne: false
            referencedRelation: 'organizations'
            referencedColumns: ['id']
          },
        ]
      }
      user_sessions: {
        Row: {
          access_expires_at: string | null
          access_grant_id: number | null
          created_at: string
          expires_at: string | null
          id: string
          is_active: boolean
          key_permissions: string[] | null
          last_active_at: string
          organization_id: number
          permissions: string[]
          revoked_at: string | null
          revoked_by: string | null
          role: string | null
          session_metadata: NonNullable<Json>
          system_prompt: string | null
          updated_at: string
          user_id: string
          workspace_path: string | null
        }
        ComputedFields: never
        Insert: {
          access_expires_at?: string | null
          access_grant_id?: number | null
          created_at?: string
          expires_at?: string | null
          id: string
          is_active?: boolean
          key_permissions?: string[] | null
          last_active_at?: string
          organization_id: number
          permissions?: string[]
          revoked_at?: string | null
          revoked_by?: string | null
          role?: string | null
          session_metadata?: NonNullable<Json>
          system_prompt?: string | null
          updated_at?: string
          user_id: string
          workspace_path?: string | null
        }
        Update: {
          access_expires_at?: string | null
          access_grant_id?: number | null
          created_at?: string
          expires_at?: string | null
          id?: string
          is_active?: boolean
          key_permissions?: string[] | null
          last_active_at?: string
          organization_id?: number
          permissions?: string[]
          revoked_at?: string | null
          revoked_by?: string | null
          role?: string | null
          session_metadata?: NonNullable<Json>
          system_prompt?: string | null
          updated_at?: string
          user_id?: string
          workspace_path?: string | null
        }
        Relationships: [
          {
            foreignKeyName: 'user_sessions_organization_id_fkey'
            columns: ['organization_id']
            isOneToOne: false
            referencedRelation: 'organizations'
            referencedColumns: ['id']
          },
          {
            foreignKeyName: 'user_sessions_user_id_fkey'
            columns: ['user_id']
            isOneToOne: false
            referencedRelation: 'users'
            referencedColumns: ['id']
          },
        ]
      }
      users: {
        Row: {
          created_at: string
          display_name: string | null
          email: string | null
          id: string
          is_active: boolean
          last_login_at: string | null
          metadata: NonNullable<Json>
          organization_id: number | null
          updated_at: string
        }
        ComputedFields: never
        Insert: {
          created_at?: string
          display_name?: string | null
          email?: string | null
          id: string
          is_active?: boolean
          last_login_at?: string | null
          metadata?: NonNullable<Json>
          organization_id?: number | null
          updated_at?: string
        }
        Update: {
          created_at?: string
          display_name?: string | null
          email?: string | null
          id?: string
          is_active?: boolean
          last_login_at?: string | null
          metadata?: NonNullable<Json>
          organization_id?: number | null
          updated_at?: string
        }
        Relationships: [
          {
            foreignKeyName: 'users_organization_id_fkey'
            columns: ['organization_id']
            isOneToOne: false
            referencedRelation: 'organizations'
            referencedColumns: ['id']
          },
        ]
      }
    }
    Views: {
      active_user_sessions: {
        Row: {
          created_at: string
          expires_at: string | null
          id: string
          last_active_at: string
          organization_id: number
          permissions: string[]
          role: string | null
          session_metadata: NonNullable<Json>
          system_prompt: string | null
          updated_at: string
          user_id: string
          workspace_path: string | null
        }
        ComputedFields: never
        Insert: {
          created_at?: string | null
          expires_at?: string | null
          id?: string | null
          last_active_at?: string | null
          organization_id?: number | null
          permissions?: string[] | null
          role?: string | null
          session_metadata?: Json | null
          system_prompt?: string | null
          updated_at?: string | null
          user_id?: string | null
          workspace_path?: string | null
        }
        Update: {
          created_at?: string | null
          expires_at?: string | null
          id?: string | null
          last_active_at?: string | null
          organization_id?: number | null
          permissions?: string[] | null
          role?: string | null
          session_metadata?: Json | null
          system_prompt?: string | null
          updated_at?: string | null
          user_id?: string | null
          workspace_path?: string | null
        }
        Relationships: [
          {
            foreignKeyName: 'user_sessions_organization_id_fkey'
            columns: ['organization_id']
            isOneToOne: false
            referencedRelation: 'organizations'
            referencedColumns: ['id']
          },
          {
            foreignKeyName: 'user_sessions_user_id_fkey'
            columns: ['user_id']
            isOneToOne: false
            referencedRelation: 'users'
            referencedColumns: ['id']
          },
        ]
      }
      effective_mcp_configurations: {
        Row: {
          accept_descriptions: boolean
          accept_new_tools: boolean
          args: NonNullable<Json>
          auth_type: string
          command: string | null
          connection_status: string | null
          created_at: string
          enabled: boolean
          endpoint: string | null
          env: NonNullable<Json>
          id: number
          name: string
          oauth_provider: string | null
          oauth_resource: string | null
          organization_id: number
          type: string
          updated_at: string
          user_id: string | null
        }
        ComputedFields: never
        Relationships: [
          {
            foreignKeyName: 'mcp_configurations_organization_id_fkey'
            columns: ['organization_id']
            isOneToOne: false
            referencedRelation: 'organizations'
            referencedColumns: ['id']
          },
        ]
      }
      v_agent_status: {
        Row: {
          agent_id: number
          avg_latency_ms_today: number | null
          circuit_state: string | null
          consecutive_failures: number | null
          enabled: boolean
          failed_today: number | null
          health: string | null
          last_check: string | null
          last_error: string | null
          name: string
          organization_id: number | null
          requests_today: number | null
          type: string
        }
        ComputedFields: never
        Relationships: [
          {
            foreignKeyName: 'agents_organization_id_fkey'
            columns: ['organization_id']
            isOneToOne: false
            referencedRelation: 'organizations'
            referencedColumns: ['id']
          },
        ]
      }
      v_recent_sessions: {
        Row: {
          agent_id: number | null
          context: string
          created_at: string
          current_message_id: string | null
          id: string
          last_message_at: string
          message_count: number | null
          model_id: number | null
          of_guest: boolean
          organization_id: number
          project_id: number | null
          status: string
          title: string | null
          updated_at: string
          user_id: string
          visibility: string
        }
        ComputedFields: never
        Relationships: [
          {
            foreignKeyName: 'chat_sessions_agent_id_fkey'
            columns: ['agent_id']
            isOneToOne: false
            referencedRelation: 'agents'
            referencedColumns: ['id']
          },
          {
            foreignKeyName: 'chat_sessions_agent_id_fkey'
            columns: ['agent_id']
            isOneToOne: false
            referencedRelation: 'v_agent_status'
            referencedColumns: ['agent_id']
          },
          {
            foreignKeyName: 'chat_sessions_model_id_fkey'
            columns: ['model_id']
            isOneToOne: false
            referencedRelation: 'models'
            referencedColumns: ['id']
          },
          {
            foreignKeyName: 'chat_sessions_organization_id_fkey'
            columns: ['organization_id']
            isOneToOne: false
            referencedRelation: 'organizations'
            referencedColumns: ['id']
          },
        ]
      }
    }
    Functions: {
      accept_invitation: {
        Args: { token: string }
        Returns: Database['public']['CompositeTypes']['joined_organization']
        SetofOptions: {
          from: '*'
          to: 'joined_organization'
          isOneToOne: true
          isSetofReturn: false
        }
      }
      accept_my_invitation: {
        Args: { id: number }
        Returns: Database['public']['CompositeTypes']['joined_organization']
        SetofOptions: {
          from: '*'
          to: 'joined_organization'
          isOneToOne: true
          isSetofReturn: false
        }
      }
      acquire_probe: {
        Args: { attempt?: number; execution_id: string; model_id: number; organization_id: number }
        Returns: boolean
      }
      act_with_api_key: { Args: { arguments: Json; call: string; key_hash: string }; Returns: Json }
      answer_session: {
        Args: { content: string; id?: string; session_id: string }
        Returns: Database['public']['CompositeTypes']['answered_message']
        SetofOptions: {
          from: '*'
          to: 'answered_message'
          isOneToOne: true
          isSetofReturn: false
        }
      }
      answer_tool_call: {
        Args: {
          actions: Json
          answers: string
          answers_hash: string
          execution_id: string
          providers?: string[]
          round: number
          tool_call_id: string
        }
        Returns: Json
      }
      append_execution_events: {
        Args: {
          attempt?: number
          events: string
          execution_id: string
          organization_id: number
          seq: number
        }
        Returns: string
      }
      appoint_owner: {
        Args: { organization_id: number; reason: string; user_id: string }
        Returns: undefined
      }
      approve_mcp_tool: { Args: { id: number; proposed_hash: string }; Returns: undefined }
      ask_for_person: {
        Args: { session_id: string }
        Returns: Database['public']['CompositeTypes']['handled_session']
        SetofOptions: {
          from: '*'
          to: 'handled_session'
          isOneToOne: true
          isSetofReturn: false
        }
      }
      assign_session: {
        Args: { session_id: string; user_id: string }
        Returns: Database['public']['CompositeTypes']['handled_session']
        SetofOptions: {
          from: '*'
          to: 'handled_session'
          isOneToOne: true
          isSetofReturn: false
        }
      }
      available_models: {
        Args: { providers?: string[] }
        Returns: {
          agent: string
          created_at: string
          model: string
          owned_by: string
        }[]
      }
      begin_due_schedule: { Args: { providers?: string[] }; Returns: Json }
      begin_execution: {
        Args: { idempotency_key?: string; providers?: string[]; request: Json }
        Returns: Json
      }
      begin_execution_as: {
        Args: {
          idempotency_key?: string
          organization_id: number
          providers?: string[]
          request: Json
          user_session_id: string
        }
        Returns: Json
      }
      begin_lens_run: {
        Args: {
          agent?: string
          block_id?: number
          lens_id: number
          model?: string
          project_id?: number
          providers?: string[]
          stale_only?: boolean
          version?: number
        }
        Returns: number
      }
      begin_tool_calls: {
        Args: {
          attempt?: number
          calls: Json
          execution_id: string
          organization_id: number
          params: Json
          step: number
        }
        Returns: Json
      }
      cancel_execution: { Args: { execution_id: string }; Returns: string }
      cancel_lens_run: { Args: { run_id: number }; Returns: string }
      claim_embeddings: { Args: { providers: string[] }; Returns: Json }
      claim_lens_block: { Args: { run_id: number }; Returns: Json }
      claim_mcp_authorization: { Args: { handle: string }; Returns: Json }
      claim_mcp_revocations: { Args: { batch?: number }; Returns: Json }
      claim_removed_files: { Args: { batch?: number }; Returns: string[] }
      claim_tool_calls: {
        Args: { attempt?: number; execution_id: string; organization_id: number }
        Returns: Json
      }
      clean_ups: {
        Args: Record<PropertyKey, never>
        Returns: {
          routine: string
          schedule: string
          task: string
        }[]
      }
      cleanup_abandoned_guests: { Args: { batch?: number }; Returns: number }
      cleanup_change_windows: { Args: { batch?: number }; Returns: number }
      cleanup_ended_invitations: { Args: { batch?: number }; Returns: number }
      cleanup_ended_mcp_revocations: { Args: { batch?: number }; Returns: number }
      cleanup_expired_oauth_states: { Args: { batch?: number }; Returns: number }
      cleanup_expired_oauth_tokens: { Args: { batch?: number }; Returns: number }
      cleanup_expired_sessions: { Args: { batch?: number }; Returns: number }
      cleanup_old_embeddings: { Args: { batch?: number }; Returns: number }
      cleanup_transient_sessions: { Args: { batch?: number }; Returns: number }
      cleanup_unused_oauth_clients: { Args: { batch?: number }; Returns: number }
      close_break_glass: { Args: { id: number }; Returns: undefined }
      consume_oauth_state: { Args: { state: string }; Returns: Json }
      create_api_key: {
        Args: { expires_at?: string; name: string; permissions?: string[] }
        Returns: Database['public']['CompositeTypes']['issued_api_key']
        SetofOptions: {
          from: '*'
          to: 'issued_api_key'
          isOneToOne: true
          isSetofReturn: false
        }
      }
      create_client_schema: {
        Args: { name: string }
        Returns: {
          created_at: string
          id: number
          organization_id: number
          schema_name: string
          updated_at: string
        }
        SetofOptions: {
          from: '*'
          to: 'client_schemas'
          isOneToOne: true
          isSetofReturn: false
        }
      }
      create_oauth_state: {
        Args: { authorization_state: Json; organization_id: number }
        Returns: string
      }
      create_organization: {
        Args: { name: string; slug: string }
        Returns: Database['public']['CompositeTypes']['founded_organization']
        SetofOptions: {
          from: '*'
          to: 'founded_organization'
          isOneToOne: true
          isSetofReturn: false
        }
      }
      create_schedule: {
        Args: {
          agent: string
          cron: string
          message: string
          name: string
          prompt?: Json
          time_zone: string
        }
        Returns: Database['public']['CompositeTypes']['made_schedule']
        SetofOptions: {
          from: '*'
          to: 'made_schedule'
          isOneToOne: true
          isSetofReturn: false
        }
      }
      custom_access_token_hook: { Args: { event: Json }; Returns: Json }
      decide_tool_call: {
        Args: { decision: string; execution_id: string; providers?: string[]; tool_call_id: string }
        Returns: Json
      }
      decrypt_token: { Args: { encrypted: string; key: string }; Returns: string }
      delete_mcp_connection: {
        Args: { id: number; organization_id: number; user_id: string }
        Returns: Json
      }
      delete_schedule: { Args: { id: string }; Returns: undefined }
      encrypt_token: { Args: { key: string; token: string }; Returns: string }
      end_mcp_revocation: { Args: { id: number; organization_id: number }; Returns: undefined }
      end_oauth_state: { Args: { id: number; organization_id: number }; Returns: undefined }
      estimate_lens_run: {
        Args: {
          agent?: string
          block_id?: number
          lens_id: number
          model?: string
          project_id?: number
          stale_only?: boolean
          version?: number
        }
        Returns: Database['public']['CompositeTypes']['lens_run_estimate']
        SetofOptions: {
          from: '*'
          to: 'lens_run_estimate'
          isOneToOne: true
          isSetofReturn: false
        }
      }
      expire_execution_leases: { Args: { batch?: number }; Returns: number }
      expire_idempotency_keys: { Args: { batch?: number }; Returns: number }
      expire_tool_approvals: { Args: { batch?: number }; Returns: number }
      explain_effective_llm: {
        Args: { agent?: string; model?: string; project_id?: number; session_id?: string }
        Returns: {
          is_winner: boolean
          layer: string
          left_out: string
          model_name: string
          provider: string
          settings: Json
        }[]
      }
      explain_effective_prompts: {
        Args: { agent?: string; project_id?: number; session_id?: string }
        Returns: {
          content: string
          id: number
          layer: string
          left_out: string
          mandatory: boolean
          priority: number
          scope: string
          version: number
        }[]
      }
      export_audit_log: { Args: { after_sequence?: number; max_rows?: number }; Returns: string[] }
      fail_embeddings: {
        Args: {
          batch_id: string
          code: string
          cost_usd?: number
          fault: string
          input_tokens?: number
          organization_id: number
          retry_after?: number
        }
        Returns: undefined
      }
      fail_mcp_refresh: {
        Args: {
          error_code: string
          generation: number
          id: number
          is_final: boolean
          lease_id: string
          organization_id: number
        }
        Returns: boolean
      }
      feedback_by_agent: {
        Args: { since: string; until?: string }
        Returns: {
          agent: string
          agent_id: number
          down: number
          up: number
        }[]
      }
      finish_execution: {
        Args: { attempt?: number; execution_id: string; organization_id: number; outcome: Json }
        Returns: Json
      }
      finish_lens_block: {
        Args: { block_id: number; organization_id: number; outcome: Json; run_id: number }
        Returns: undefined
      }
      finish_tool_call: {
        Args: {
          attempt?: number
          execution_id: string
          organization_id: number
          outcome: Json
          tool_call_id: string
        }
        Returns: string
      }
      follow_execution: {
        Args: {
          after_seq: number
          execution_id: string
          organization_id: number
          sessions: string[]
        }
        Returns: Json
      }
      get_effective_system_prompts: {
        Args: { agent?: string; project_id?: number; session_id?: string }
        Returns: {
          content: string
          id: number
          layer: string
          mandatory: boolean
          priority: number
          scope: string
          version: number
        }[]
      }
      hand_back_session: {
        Args: { note?: string; session_id: string }
        Returns: Database['public']['CompositeTypes']['handled_session']
        SetofOptions: {
          from: '*'
          to: 'handled_session'
          isOneToOne: true
          isSetofReturn: false
        }
      }
      has_due_schedule: { Args: Record<PropertyKey, never>; Returns: boolean }
      has_permission: { Args: { permission: string }; Returns: boolean }
      identify_api_key: { Args: { key_hash: string }; Returns: Json }
      import_chat_session: {
        Args: { project_id: number; session_id: string }
        Returns: Database['public']['CompositeTypes']['imported_session']
        SetofOptions: {
          from: '*'
          to: 'imported_session'
          isOneToOne: true
          isSetofReturn: false
        }
      }
      import_transcripts: {
        Args: { project_id: number; transcripts: Json }
        Returns: {
          block_id: number
          transcript: number
          turns: number
        }[]
      }
      invite_member: {
        Args: { email: string; role?: string }
        Returns: Database['public']['CompositeTypes']['issued_invitation']
        SetofOptions: {
          from: '*'
          to: 'issued_invitation'
          isOneToOne: true
          isSetofReturn: false
        }
      }
      join_organization: {
        Args: { slug: string }
        Returns: Database['public']['CompositeTypes']['joined_organization']
        SetofOptions: {
          from: '*'
          to: 'joined_organization'
          isOneToOne: true
          isSetofReturn: false
        }
      }
      lease_oauth_client: {
        Args: {
          issuer: string
          may_register: boolean
          organization_id: number
          redirect_uri: string
          user_id: string
        }
        Returns: Json
      }
      leave_organization: { Args: Record<PropertyKey, never>; Returns: undefined }
      lens_run_state: { Args: { run_id: number }; Returns: Json }
      list_api_keys: {
        Args: Record<PropertyKey, never>
        Returns: {
          created_at: string
          effective_permissions: string[]
          expires_at: string
          id: string
          last_used_at: string
          name: string
          old_works_until: string
          permissions: string[]
          prefix: string
          revoked_at: string
          revoked_by: string
          rotated_at: string
          user_id: string
          works: boolean
        }[]
      }
      list_schedule_runs: {
        Args: { schedule_id: string }
        Returns: {
          due_at: string
          error_code: string
          execution_id: string
          started_at: string
          status: string
        }[]
      }
      list_schedules: {
        Args: Record<PropertyKey, never>
        Returns: {
          agent: string
          created_at: string
          cron: string
          id: string
          last_due_at: string
          last_error_code: string
          last_execution_id: string
          message: string
          name: string
          next_due_at: string
          paused_at: string
          paused_reason: string
          prompt: Json
          time_zone: string
          user_id: string
        }[]
      }
      list_sealed_values: {
        Args: { after_value?: Json; batch?: number; primary_key_id: string }
        Returns: {
          column_name: string
          organization_id: number
          row_key: string
          table_name: string
          value: string
        }[]
      }
      list_sessions: {
        Args: Record<PropertyKey, never>
        Returns: {
          created_at: string
          id: string
          is_current: boolean
          last_active_at: string
          session_metadata: Json
        }[]
      }
      log_audit_event: {
        Args: {
          action: string
          details?: Json
          error_message?: string
          ip_address?: string
          organization_id: number
          resource_id?: string
          resource_type: string
          success?: boolean
          user_agent?: string
        }
        Returns: number
      }
      mcp_connections: {
        Args: Record<PropertyKey, never>
        Returns: {
          connected_at: string
          endpoint: string
          expires_at: string
          id: number
          issuer: string
          mcp_configuration_id: number
          mcp_name: string
          oauth_provider: string
          refresh_error: string
          refreshed_at: string
          required_scope: string
          scope: string
          status: string
        }[]
      }
      mcp_header_keys: {
        Args: Record<PropertyKey, never>
        Returns: {
          is_organizations: boolean
          mcp_configuration_id: number
          name: string
          updated_at: string
        }[]
      }
      mcp_tool_changes: {
        Args: { mcp_configuration_id?: number }
        Returns: {
          after: Json
          before: Json
          configuration_id: number
          id: number
          name: string
          path: string
          proposed_hash: string
        }[]
      }
      migrate_site_preferences: {
        Args: Record<PropertyKey, never>
        Returns: {
          outcome: string
          preference: string
          reason: string
          site: string
        }[]
      }
      my_invitations: {
        Args: Record<PropertyKey, never>
        Returns: {
          created_at: string
          expires_at: string
          id: number
          invited_by: string
          organization_id: number
          organization_name: string
          role: string
        }[]
      }
      my_organizations: {
        Args: Record<PropertyKey, never>
        Returns: {
          is_active: boolean
          is_current: boolean
          joined_at: string
          name: string
          organization_id: number
          permissions: string[]
          role: string
          slug: string
        }[]
      }
      open_break_glass: {
        Args: { hours?: number; organization_id: number; reason: string; scope?: string }
        Returns: Database['public']['CompositeTypes']['opened_grant']
        SetofOptions: {
          from: '*'
          to: 'opened_grant'
          isOneToOne: true
          isSetofReturn: false
        }
      }
      open_mcp_configuration: { Args: { id: number }; Returns: Json }
      open_mcp_connection: { Args: { id: number }; Returns: Json }
      organization_members: {
        Args: Record<PropertyKey, never>
        Returns: {
          display_name: string
          email: string
          joined_at: string
          permissions: string[]
          role: string
          user_id: string
        }[]
      }
      pause_schedule: { Args: { id: string }; Returns: undefined }
      platform_organizations: {
        Args: Record<PropertyKey, never>
        Returns: {
          created_at: string
          id: number
          is_active: boolean
          members: number
          name: string
          owners: number
          slug: string
        }[]
      }
      preview_system_prompt: { Args: { content: string; variables?: Json }; Returns: string }
      provider_credential: { Args: { organization_id: number; provider: string }; Returns: string }
      queue_embeddings: { Args: { batch?: number }; Returns: number }
      queue_mcp_revocation: {
        Args: {
          mcp_configuration_id: number
          organization_id: number
          tokens: Json
          user_id: string
        }
        Returns: undefined
      }
      rate_message: {
        Args: { comment?: string; message_id: string; rating: string }
        Returns: undefined
      }
      read_elicitation: { Args: { execution_id: string; tool_call_id: string }; Returns: Json }
      read_execution: {
        Args: { after_seq?: number; execution_id: string; max_batches?: number }
        Returns: Json
      }
      read_execution_result: { Args: { execution_id: string }; Returns: Json }
      read_hand_back_note: {
        Args: { execution_id: string; organization_id: number }
        Returns: string
      }
      read_mcp_endpoint: { Args: { id: number }; Returns: string }
      read_response: { Args: { execution_id: string }; Returns: Json }
      record_mcp_tools: {
        Args: {
          endpoint: string
          mcp_configuration_id: number
          organization_id: number
          tools: Json
          ttl_seconds: number
          user_id: string
        }
        Returns: Json
      }
      reindex_search: { Args: { batch?: number }; Returns: number }
      reject_oauth_client: {
        Args: { client_id: string; id: number; organization_id: number }
        Returns: undefined
      }
      release_oauth_client: {
        Args: { id: number; lease_id: string; organization_id: number }
        Returns: undefined
      }
      remove_member: { Args: { user_id: string }; Returns: undefined }
      remove_provider_credential: { Args: { provider: string }; Returns: undefined }
      renew_execution_lease: {
        Args: { attempt?: number; execution_id: string; organization_id: number }
        Returns: string
      }
      require_mcp_scope: {
        Args: {
          mcp_configuration_id: number
          organization_id: number
          scope: string
          user_id: string
        }
        Returns: undefined
      }
      reseal_value: {
        Args: {
          column_name: string
          new_value: string
          old_value: string
          organization_id: number
          row_key: string
          table_name: string
        }
        Returns: boolean
      }
      reserve_execution_step: {
        Args: {
          attempt?: number
          execution_id: string
          input_bytes: number
          organization_id: number
          output_tokens: number
        }
        Returns: undefined
      }
      resolve_mcp_endpoint: {
        Args: { endpoint: string; id: number; organization_id: number; user_id: string }
        Returns: Json
      }
      resume_schedule: {
        Args: { id: string }
        Returns: Database['public']['CompositeTypes']['made_schedule']
        SetofOptions: {
          from: '*'
          to: 'made_schedule'
          isOneToOne: true
          isSetofReturn: false
        }
      }
      revoke_api_key: { Args: { id: string }; Returns: undefined }
      revoke_invitation: { Args: { id: number }; Returns: undefined }
      revoke_session: { Args: { session_id: string }; Returns: undefined }
      rotate_api_key: {
        Args: { expires_at?: string; id: string; old_works_until?: string }
        Returns: Database['public']['CompositeTypes']['issued_api_key']
        SetofOptions: {
          from: '*'
          to: 'issued_api_key'
          isOneToOne: true
          isSetofReturn: false
        }
      }
      sealed_key_usage: {
        Args: Record<PropertyKey, never>
        Returns: {
          key_id: string
          sealed_values: number
        }[]
      }
      search: {
        Args: {
          after?: string
          embedding?: number[]
          embedding_model?: string
          kinds?: string[]
          limit?: number
          mode?: string
          project_id?: number
          query: string
          since?: string
          until?: string
          user_id?: string
        }
        Returns: Database['public']['CompositeTypes']['search_result'][]
        SetofOptions: {
          from: '*'
          to: 'search_result'
          isOneToOne: false
          isSetofReturn: true
        }
      }
      search_model: {
        Args: Record<PropertyKey, never>
        Returns: {
          dimension: number
          embedding_model: string
          max_bytes: number
          model: string
        }[]
      }
      sessions_to_answer: {
        Args: { max_rows?: number }
        Returns: {
          asks_person: boolean
          context: string
          handled_by: string
          message: string
          message_at: string
          message_id: string
          session_id: string
          title: string
          user_id: string
          waiting_since: string
        }[]
      }
      set_account_active: {
        Args: { is_active: boolean; reason: string; user_id: string }
        Returns: undefined
      }
      set_block_readers: { Args: { block_id: number; user_ids?: string[] }; Returns: number }
      set_block_turns: { Args: { block_id: number; turn_ids: number[] }; Returns: number }
      set_mcp_bearer_token: {
        Args: {
          endpoint: string
          id: number
          organization_id: number
          sealed_token?: string
          user_id: string
        }
        Returns: undefined
      }
      set_mcp_header_key: {
        Args: {
          endpoint: string
          id: number
          is_organizations: boolean
          name: string
          organization_id: number
          sealed_value?: string
          user_id: string
        }
        Returns: undefined
      }
      set_member_role: {
        Args: { permissions?: string[]; role: string; user_id: string }
        Returns: Database['public']['CompositeTypes']['member_role']
        SetofOptions: {
          from: '*'
          to: 'member_role'
          isOneToOne: true
          isSetofReturn: false
        }
      }
      set_oauth_client: {
        Args: {
          client_id: string
          issuer: string
          organization_id: number
          sealed_secret?: string
          token_endpoint_auth_method?: string
          user_id: string
        }
        Returns: Json
      }
      set_organization_active: {
        Args: { is_active: boolean; organization_id: number; reason: string }
        Returns: undefined
      }
      start_execution: { Args: { execution_id: string; providers?: string[] }; Returns: Json }
      start_execution_as: {
        Args: {
          execution_id: string
          organization_id: number
          providers?: string[]
          user_session_id: string
        }
        Returns: Json
      }
      store_embeddings: {
        Args: {
          batch_id: string
          cost_usd?: number
          input_tokens?: number
          organization_id: number
          vectors: Json
        }
        Returns: number
      }
      store_mcp_connection: {
        Args: { connection: Json; organization_id: number; user_id: string }
        Returns: number
      }
      store_mcp_refresh: {
        Args: { generation: number; id: number; organization_id: number; tokens: Json }
        Returns: string
      }
      store_oauth_client: {
        Args: {
          client: Json
          id: number
          lease_id: string
          organization_id: number
          user_id: string
        }
        Returns: Json
      }
      store_oauth_code: {
        Args: { code: string; handle: string; id: number; organization_id: number }
        Returns: boolean
      }
      store_provider_credential: {
        Args: {
          last_four: string
          organization_id: number
          provider: string
          sealed_key: string
          user_id: string
        }
        Returns: Json
      }
      suspend_tool_call: {
        Args: {
          attempt?: number
          execution_id: string
          organization_id: number
          params: Json
          questions: Json
          request_state: string
          round: number
          tool_call_id: string
        }
        Returns: string
      }
      switch_organization: {
        Args: { organization_id: number }
        Returns: Database['public']['CompositeTypes']['joined_organization']
        SetofOptions: {
          from: '*'
          to: 'joined_organization'
          isOneToOne: true
          isSetofReturn: false
        }
      }
      take_oauth_code: {
        Args: { id: number; organization_id: number; user_id: string }
        Returns: Json
      }
      take_over_session: {
        Args: { session_id: string }
        Returns: Database['public']['CompositeTypes']['handled_session']
        SetofOptions: {
          from: '*'
          to: 'handled_session'
          isOneToOne: true
          isSetofReturn: false
        }
      }
      usage_by_day: {
        Args: { of_end_user?: string; of_user?: string; since: string; until?: string }
        Returns: {
          cost_usd: number
          day: string
          executions: number
          input_tokens: number
          output_tokens: number
          unpriced: number
          user_id: string
        }[]
      }
      usage_by_end_user: {
        Args: { of_end_user?: string; of_user?: string; since: string; until?: string }
        Returns: {
          cost_usd: number
          end_user: string
          executions: number
          input_tokens: number
          last_used_at: string
          output_tokens: number
          sessions: number
          unpriced: number
          user_id: string
        }[]
      }
      use_mcp_connection: {
        Args: {
          force?: boolean
          mcp_configuration_id: number
          organization_id: number
          rejected_generation?: number
          user_id: string
        }
        Returns: Json
      }
      verify_audit_chain: {
        Args: { organization_id: number }
        Returns: {
          first_invalid_sequence: number
          head_hash: string
          rows_checked: number
          valid: boolean
        }[]
      }
    }
    Enums: {
      [_ in never]: never
    }
    CompositeTypes: {
      answered_message: {
        id: string | null
        session_id: string | null
        parent_id: string | null
        created_at: string | null
      }
      founded_organization: {
        id: number | null
        name: string | null
        slug: string | null
      }
      handled_session: {
        session_id: string | null
        handled_by: string | null
        waiting_since: string | null
      }
      imported_session: {
        block_id: number | null
        turns: number | null
        added: number | null
      }
      issued_api_key: {
        id: string | null
        name: string | null
        key: string | null
        prefix: string | null
        permissions: string[] | null
        expires_at: string | null
        old_works_until: string | null
      }
      issued_invitation: {
        id: number | null
        email: string | null
        role: string | null
        expires_at: string | null
        token: string | null
      }
      joined_organization: {
        organization_id: number | null
        role: string | null
      }
      lens_run_estimate: {
        blocks: number | null
        calls: number | null
        input_tokens: number | null
        max_output_tokens: number | null
        max_cost_usd: number | null
        version: number | null
        agent: string | null
        model: string | null
      }
      made_schedule: {
        id: string | null
        next_due_at: string | null
      }
      member_role: {
        user_id: string | null
        role: string | null
        permissions: string[] | null
      }
      opened_grant: {
        id: number | null
        organization_id: number | null
        scope: string | null
        expires_at: string | null
      }
      search_result: {
        kind: string | null
        id: string | null
        session_id: string | null
        block_id: number | null
        project_id: number | null
        user_id: string | null
        said_at: string | null
        score: number | null
        snippet: string | null
        starts_at: number | null
        highlights: Json | null
        cursor: string | null
      }
    }
  }
}

type DatabaseWithoutInternals = Omit<Database, '__InternalSupabase'>

type DefaultSchema = DatabaseWithoutInternals[Extract<keyof Database, 'public'>]

export type Tables<
  DefaultSchemaTableNameOrOptions extends
    | keyof (DefaultSchema['Tables'] & DefaultSchema['Views'])
    | { schema: keyof DatabaseWithoutInternals },
  TableName extends (DefaultSchemaTableNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals
  }
    ? keyof (DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions['schema']]['Tables'] &
        DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions['schema']]['Views'])
    : never) = never,
> = DefaultSchemaTableNameOrOptions extends { schema: keyof DatabaseWithoutInternals }
  ? (DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions['schema']]['Tables'] &
      DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions['schema']]['Views'])[TableName] extends {
      Row: infer R
    }
    ? R
    : never
  : DefaultSchemaTableNameOrOptions extends keyof (DefaultSchema['Tables'] & DefaultSchema['Views'])
    ? (DefaultSchema['Tables'] & DefaultSchema['Views'])[DefaultSchemaTableNameOrOptions] extends {
        Row: infer R
      }
      ? R
      : never
    : never

export type TablesInsert<
  DefaultSchemaTableNameOrOptions extends
    keyof DefaultSchema['Tables'] | { schema: keyof DatabaseWithoutInternals },
  TableName extends (DefaultSchemaTableNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals
  }
    ? keyof DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions['schema']]['Tables']
    : never) = never,
> = DefaultSchemaTableNameOrOptions extends { schema: keyof DatabaseWithoutInternals }
  ? DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions['schema']]['Tables'][TableName] extends {
      Insert: infer I
    }
    ? I
    : never
  : DefaultSchemaTableNameOrOptions extends keyof DefaultSchema['Tables']
    ? DefaultSchema['Tables'][DefaultSchemaTableNameOrOptions] extends {
        Insert: infer I
      }
      ? I
      : never
    : never

export type TablesUpdate<
  DefaultSchemaTableNameOrOptions extends
    keyof DefaultSchema['Tables'] | { schema: keyof DatabaseWithoutInternals },
  TableName extends (DefaultSchemaTableNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals
  }
    ? keyof DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions['schema']]['Tables']
    : never) = never,
> = DefaultSchemaTableNameOrOptions extends { schema: keyof DatabaseWithoutInternals }
  ? DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions['schema']]['Tables'][TableName] extends {
      Update: infer U
    }
    ? U
    : never
  : DefaultSchemaTableNameOrOptions extends keyof DefaultSchema['Tables']
    ? DefaultSchema['Tables'][DefaultSchemaTableNameOrOptions] extends {
        Update: infer U
      }
      ? U
      : never
    : never

export type Enums<
  DefaultSchemaEnumNameOrOptions extends
    keyof DefaultSchema['Enums'] | { schema: keyof DatabaseWithoutInternals },
  EnumName extends (DefaultSchemaEnumNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals
  }
    ? keyof DatabaseWithoutInternals[DefaultSchemaEnumNameOrOptions['schema']]['Enums']
    : never) = never,
> = DefaultSchemaEnumNameOrOptions extends { schema: keyof DatabaseWithoutInternals }
  ? DatabaseWithoutInternals[DefaultSchemaEnumNameOrOptions['schema']]['Enums'][EnumName]
  : DefaultSchemaEnumNameOrOptions extends keyof DefaultSchema['Enums']
    ? DefaultSchema['Enums'][DefaultSchemaEnumNameOrOptions]
    : never

export type CompositeTypes<
  PublicCompositeTypeNameOrOptions extends
    keyof DefaultSchema['CompositeTypes'] | { schema: keyof DatabaseWithoutInternals },
  CompositeTypeName extends (PublicCompositeTypeNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals
  }
    ? keyof DatabaseWithoutInternals[PublicCompositeTypeNameOrOptions['schema']]['CompositeTypes']
    : never) = never,
> = PublicCompositeTypeNameOrOptions extends { schema: keyof DatabaseWithoutInternals }
  ? DatabaseWithoutInternals[PublicCompositeTypeNameOrOptions['schema']]['CompositeTypes'][CompositeTypeName]
  : PublicCompositeTypeNameOrOptions extends keyof DefaultSchema['CompositeTypes']
    ? DefaultSchema['CompositeTypes'][PublicCompositeTypeNameOrOptions]
    : never

export const Constants = {
  client_mgmt: {
    Enums: {},
  },
  conversation: {
    Enums: {},
  },
  public: {
    Enums: {},
  },
} as const
