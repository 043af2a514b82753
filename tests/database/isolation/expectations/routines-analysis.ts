import type { World } from '../world.ts'
import { helper, holds, idOf, inOrganization, ofA, rpc } from './rpc.ts'
import type { RoutineExpectation } from './types.ts'

const transcripts = [{ name: 'Call', format: 'jsonl', text: '{"speaker":"Ada","content":"Hello"}' }]

const lensRun = (world: World) => ({
  lens_id: idOf(world, 'conversation.lens_prototypes', ofA(world)),
  project_id: idOf(world, 'client_mgmt.projects', ofA(world)),
  block_id: null,
  stale_only: false,
  version: null,
  agent: 'droid',
  model: null,
  providers: null,
})
const ownRun = (world: World) => ({ run_id: idOf(world, 'conversation.lens_runs', ofA(world)) })

/** Functions that make content of conversations and transcripts. */
export const analysisRoutines: Readonly<Record<string, RoutineExpectation>> = {
  ...rpc('import_chat_session(uuid, bigint)', {
    allowed: holds('projects.manage'),
    // It makes personas of those who speak.
    aboutOthers: true,
    example: (world) => ({
      session_id: idOf(
        world,
        'public.chat_sessions',
        (row) => ofA(world)(row) && row.visibility === 'organization',
      ),
      project_id: idOf(world, 'client_mgmt.projects', ofA(world)),
    }),
  }),
  ...rpc(
    'search(text, text[], bigint, integer, uuid, timestamp with time zone, timestamp with time zone, text, ' +
      'text, double precision[], text)',
    {
      allowed: inOrganization,
      example: () => ({ query: 'canary', limit: 100, max_rows: 100, mode: 'words' }),
    },
  ),
  ...rpc('estimate_lens_run(bigint, bigint, bigint, boolean, integer, text, text)', {
    allowed: holds('projects.manage'),
    example: lensRun,
  }),
  ...rpc('begin_lens_run(bigint, bigint, bigint, boolean, integer, text, text, text[])', {
    allowed: ({ permissions }) =>
      permissions.has('projects.manage') && permissions.has('agents.invoke'),
    example: lensRun,
  }),
  // Only the person of a run claims its blocks: tests/functions/lenses-access.test.ts.
  ...rpc('claim_lens_block(bigint)', { allowed: holds('projects.manage') }),
  ...rpc('cancel_lens_run(bigint)', { allowed: holds('projects.manage'), example: ownRun }),
  'public.lens_run_state(bigint)': {
    executors: ['authenticated'],
    definer: false,
    allowed: inOrganization,
    empty: true,
    example: ownRun,
  },
  ...rpc('set_block_readers(bigint, uuid[])', {
    allowed: holds('projects.manage'),
    aboutOthers: true,
    example: (world, actor) => ({
      block_id: idOf(world, 'conversation.blocks', ofA(world)),
      user_ids: [actor.userId],
    }),
  }),
  'private.hidden_blocks()': helper(true),
  'private.may_read_turn(bigint, bigint)': helper(true),
  'private.block_lines(bigint, bigint[])': helper(false),
  'private.block_hash(bigint, bigint)': helper(false),
  ...rpc('search_model()', { allowed: inOrganization, example: () => ({}) }),
  ...rpc('import_transcripts(bigint, jsonb)', {
    allowed: holds('projects.manage'),
    aboutOthers: true,
    example: (world) => ({
      project_id: idOf(world, 'client_mgmt.projects', ofA(world)),
      transcripts,
    }),
  }),
}
