/** A line of a file: its text, or why it cannot be read. Lines count from 1. */
export type Line =
  | { readonly number: number; readonly text: string }
  | { readonly number: number; readonly problem: string }

/** Maximum bytes of a line. */
const maxLineBytes = 16 * 1024 * 1024

const newline = 0x0a

/**
 * Reads a file line by line. Lines come without their line ends. A line that is too long or not UTF-8 does not affect the
 * others. Text after the last line end is a line, unless it is empty.
 */
export async function* readLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Line> {
  let parts: Array<Uint8Array> = []
  let bytes = 0
  let number = 0
  const add = (part: Uint8Array): void => {
    bytes += part.length
    if (bytes <= maxLineBytes) parts.push(part)
    else parts = []
  }
  const takeLine = (): Line => {
    number++
    const line = decodeLine(number, parts, bytes)
    parts = []
    bytes = 0
    return line
  }
  for await (const chunk of chunks) {
    let start = 0
    for (let end = chunk.indexOf(newline); end !== -1; end = chunk.indexOf(newline, start)) {
      add(chunk.subarray(start, end))
      yield takeLine()
      start = end + 1
    }
    if (start < chunk.length) add(chunk.subarray(start))
  }
  if (bytes > 0) yield takeLine()
}

/** Maximum lines of a page, and the characters after which a page ends. */
const maxPageLines = 500
const maxPageCharacters = 1024 * 1024

/** Reads a file in pages of lines. */
export async function* readLinePages(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<[Line, ...Array<Line>]> {
  let page: Array<Line> = []
  let size = 0
  for await (const line of readLines(chunks)) {
    page.push(line)
    size += "text" in line ? line.text.length : 0
    if (page.length < maxPageLines && size < maxPageCharacters) continue
    yield page as [Line, ...Array<Line>]
    page = []
    size = 0
  }
  if (page.length > 0) yield page as [Line, ...Array<Line>]
}

const firstDecoder = new TextDecoder("utf-8", { fatal: true })
const laterDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

const decodeLine = (number: number, parts: ReadonlyArray<Uint8Array>, bytes: number): Line => {
  if (bytes > maxLineBytes) return { number, problem: `it is longer than ${maxLineBytes} bytes` }
  try {
    const text = (number > 1 ? laterDecoder : firstDecoder).decode(Buffer.concat(parts))
    return { number, text: text.endsWith("\r") ? text.slice(0, -1) : text }
  } catch {
    return { number, problem: "it is not UTF-8" }
  }
}
