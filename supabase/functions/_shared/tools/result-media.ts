import type { FilePart } from '../models/model-protocol.ts'
import type { ToolContent, ToolResult } from './tool-server.ts'

/** What models read of all that a tool may show: the kinds that the providers' protocols name. */
const readable = /^(?:image\/(?:png|jpeg|gif|webp)|application\/pdf)$/

/** Characters in base64 that the answers of an execution may still pass on. */
export interface MediaBudget {
  left: number
}

/** A result whose images and files still fit into the execution; of the others only what they are. */
export function withinBudget(result: ToolResult, budget: MediaBudget): ToolResult {
  const content = result.content.map((piece) => {
    const length = dataOf(piece)?.length ?? 0
    if (length <= budget.left) {
      budget.left -= length
      return piece
    }
    return withoutData(piece)
  })
  return { ...result, content }
}

/** A result as it is stored: conversations keep texts. */
export function withoutMedia(result: ToolResult): ToolResult {
  return { ...result, content: result.content.map(withoutData) }
}

/** The images and files of a result that a model may read. */
export function filesOf({ content }: ToolResult): FilePart[] {
  return content.flatMap((piece): FilePart[] => {
    const data = dataOf(piece)
    const media_type = 'media_type' in piece ? (piece.media_type ?? '').toLowerCase() : ''
    if (data === undefined || !readable.test(media_type)) return []
    const url = `data:${media_type};base64,${data}`
    if (media_type.startsWith('image/')) return [{ type: 'image', url, media_type }]
    const filename = piece.type === 'resource' && piece.name !== undefined ? piece.name : 'file.pdf'
    return [{ type: 'file', url, media_type, filename }]
  })
}

function dataOf(piece: ToolContent): string | undefined {
  return 'data' in piece ? piece.data : undefined
}

function withoutData(piece: ToolContent): ToolContent {
  if (!('data' in piece)) return piece
  const { data: _, ...rest } = piece
  return rest
}
