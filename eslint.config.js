import { defineConfig, globalIgnores } from 'eslint/config'
import tseslint from 'typescript-eslint'

const functions = 'supabase/functions/**/*.ts'

const discardedRejection = {
  selector:
    "CallExpression[callee.property.name='catch'] > ArrowFunctionExpression:matches([body.type='Identifier'][body.name='undefined'], [body.type='Literal'])",
  message: 'A discarded rejection needs a block with a comment that says why.',
}

const bareWaitUntil = {
  selector: "Identifier[name='EdgeRuntime']",
  message: 'createWaitUntil() hands work to the platform, and logs what it rejects with.',
}

const bareCancel = {
  selector: "CallExpression[callee.property.name='cancel'][callee.object.property.name='body']",
  message: 'A body that was cut off rejects its cancel(): giveUp() takes what is left of it.',
}

const bareTime = {
  selector:
    ":matches(MemberExpression[object.name=/^(Date|performance)$/][property.name='now'], NewExpression[callee.name='Date'][arguments.length=0])",
  message: 'Time is an argument: a Clock. Outside of tests it is systemClock.',
}

const hook = 'CallExpression[callee.name=/^(before|after)(All|Each)$/]'

const hookInHook = {
  selector: `${hook} ${hook}`,
  message: 'Vitest does not run a hook that a hook registers. Register it beside the other one.',
}

export default defineConfig(
  globalIgnores([
    'node_modules/',
    '.colloquy/',
    'coverage/',
    'web/dist/',
    'supabase/functions/_shared/database.types.ts',
  ]),
  {
    files: ['**/*.{ts,tsx}'],
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { projectService: true } },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/no-empty-function': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_' },
      ],
      // Async functions without await satisfy interfaces that return promises.
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      '@typescript-eslint/return-await': ['error', 'error-handling-correctness-only'],
      eqeqeq: ['error', 'always', { null: 'ignore' }],
      'no-empty': ['error', { allowEmptyCatch: false }],
      'no-restricted-syntax': ['error', discardedRejection],
      'no-var': 'error',
      'prefer-const': 'error',
    },
  },
  {
    files: ['tests/**/*.ts'],
    // Tests take apart the objects of what they test, whose methods do not use `this`.
    rules: {
      '@typescript-eslint/unbound-method': 'off',
      'no-restricted-syntax': ['error', discardedRejection, hookInHook],
      'no-restricted-properties': [
        'error',
        ...['waitFor', 'waitUntil'].map((property) => ({
          object: 'vi',
          property,
          message:
            'It gives up after a second. expect.poll waits almost as long as the test may run.',
        })),
      ],
    },
  },
  {
    name: 'colloquy/only index.ts names Deno',
    files: [functions],
    ignores: ['supabase/functions/*/index.ts'],
    rules: {
      'no-restricted-globals': [
        'error',
        { name: 'Deno', message: 'Only a function’s index.ts names Deno.' },
      ],
    },
  },
  {
    name: 'colloquy/a function leaves no rejection unhandled',
    files: [functions],
    rules: { '@typescript-eslint/no-floating-promises': ['error', { ignoreVoid: false }] },
  },
  {
    name: 'colloquy/only wait-until.ts hands work to the platform, only time.ts reads the clock',
    files: [functions],
    rules: {
      'no-restricted-syntax': ['error', discardedRejection, bareCancel, bareWaitUntil, bareTime],
    },
  },
  {
    files: ['supabase/functions/_shared/http/wait-until.ts'],
    rules: { 'no-restricted-syntax': ['error', discardedRejection, bareCancel, bareTime] },
  },
  {
    files: ['supabase/functions/_shared/time.ts'],
    rules: { 'no-restricted-syntax': ['error', discardedRejection, bareCancel, bareWaitUntil] },
  },
  {
    name: 'colloquy/only env.ts reads variables',
    files: [functions],
    ignores: ['supabase/functions/_shared/env.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        ...['process', 'node:process'].map((name) => ({
          name,
          message: 'Only _shared/env.ts reads the process.',
        })),
      ],
      'no-restricted-properties': [
        'error',
        { object: 'process', property: 'env', message: 'Only _shared/env.ts reads variables.' },
        { object: 'Deno', property: 'env', message: 'Only _shared/env.ts reads variables.' },
        { object: 'globalThis', property: 'Deno', message: 'Only index.ts names Deno.' },
        { object: 'globalThis', property: 'process', message: 'Only _shared/env.ts reads it.' },
      ],
    },
  },
)
