/** What the backend takes (docs/files.md): the type of each extension. */
const types: Readonly<Record<string, string>> = {
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  gif: 'image/gif',
  webp: 'image/webp',
  pdf: 'application/pdf',
  json: 'application/json',
  txt: 'text/plain',
  log: 'text/plain',
  md: 'text/markdown',
  csv: 'text/csv',
  wav: 'audio/wav',
  mp3: 'audio/mpeg',
}

/** Bytes of the files of one message. */
const most = 8 * 1024 * 1024

/** What the dialog of a browser offers to choose. */
export const chosen = Object.keys(types)
  .map((extension) => `.${extension}`)
  .join()

/**
 * The file with the type of its extension: systems disagree on the types of texts.
 * @param others bytes of the files that are sent with it
 * @returns the file, or a sentence that says why it cannot be sent
 */
export function toSendable(file: File, others: number): File | string {
  const extension = /\.([^.]+)$/.exec(file.name)?.[1]?.toLowerCase() ?? ''
  const type = Object.hasOwn(types, extension) ? types[extension] : undefined
  if (type === undefined) {
    return (
      `“${file.name}” is of a type that cannot be sent. Choose a picture (PNG, JPEG, GIF, WebP), ` +
      'a PDF, a text (TXT, MD, CSV, JSON) or a sound (WAV, MP3).'
    )
  }
  if (file.size === 0) return `“${file.name}” is empty. Choose another file.`
  if (file.size + others > most) {
    return `The files of a message have at most 8 MB together, and “${file.name}” is too large. Choose a smaller file.`
  }
  return file.type === type ? file : new File([file], file.name, { type })
}
