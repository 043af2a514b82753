type Given = readonly [name: string, type: string, content: Buffer]

const targets = {
  drop: `document.body.dispatchEvent(
    new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true }))`,
  paste: `document.querySelector('.composer textarea').dispatchEvent(
    new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }))`,
}

/** A script of the page that drops or pastes files, as a browser gives them to a page. */
export function givesFiles(way: keyof typeof targets, ...files: readonly Given[]): string {
  const given = files.map(([name, type, content]) => [name, type, content.toString('base64')])
  return `
    const data = new DataTransfer()
    for (const [name, type, text] of ${JSON.stringify(given)}) {
      const bytes = Uint8Array.from(atob(text), (one) => one.charCodeAt(0))
      data.items.add(new File([bytes], name, { type }))
    }
    ${targets[way]}`
}

/** True in the page when this many files wait to be sent, and all are stored. */
export const hasStoredFiles = (count: number) =>
  `document.querySelectorAll('.chips [data-state=stored]').length === ${count} &&
   document.querySelectorAll('.chips li').length === ${count}`

/** True in the page when it shows this many pictures of one pixel, and not only their elements. */
export const showsPictures = (count: number) => `[...document.querySelectorAll('.message .picture')]
  .filter(({ naturalWidth, src }) =>
    naturalWidth === 1 && src.includes('/storage/v1/object/sign/attachments/')).length === ${count}`
