/**
 * The settings of supabase/config.toml for the local stack.
 * tests/unit/dev/api/platform-settings.test.ts compares the two.
 */
export const platformSettings = {
  api: {
    schemas: ['public', 'client_mgmt', 'conversation'],
    extra_search_path: ['public', 'extensions'],
    max_rows: 1000,
  },
  auth: {
    site_url: 'http://127.0.0.1:3000',
    additional_redirect_urls: ['http://localhost:3000', 'http://127.0.0.1:5173'],
    jwt_expiry: 3600,
    enable_anonymous_sign_ins: true,
    enable_refresh_token_rotation: true,
    refresh_token_reuse_interval: 10,
    minimum_password_length: 8,
  },
} as const
