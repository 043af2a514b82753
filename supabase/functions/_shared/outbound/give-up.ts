/**
 * Gives up the rest of a body whose beginning says enough. A body that was cut off before refuses to be
 * cancelled, which changes nothing of what was read.
 */
export async function giveUp(rest: { cancel(): Promise<void> } | null | undefined): Promise<void> {
  await rest?.cancel().catch(() => {
    // It was cut off: nothing is left to give up.
  })
}
