import { holds, idOf, inOrganization, ofA, rpc } from './rpc.ts'
import type { RoutineExpectation } from './types.ts'

const transcripts = [{ name: 'Call', format: 'jsonl', text: '{"speaker":"Ada","content":"Hello"}' }]

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
