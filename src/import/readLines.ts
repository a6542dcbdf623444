/** Lines that are handed on at once, and characters in them. */
const linesAtOnce = 500
const sizeAtOnce = 1024 * 1024

/** The lines of chunks of a file, some at a time. */
export async function* readLinePages(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<[Line, ...Array<Line>]> {
  let page: Array<Line> = []
  let size = 0
  for await (const line of readLines(chunks)) {
    page.push(line)
    size += "text" in line ? line.text.length : 0
    if (page.length < linesAtOnce && size < sizeAtOnce) continue
    yield page as [Line, ...Array<Line>]
    page = []
    size = 0
  }
  if (page.length > 0) yield page as [Line, ...Array<Line>]
}

/** A line of a file, counted from 1: its text, or why it has none. */
export type Line =
  | { readonly number: number; readonly text: string }
  | { readonly number: number; readonly problem: string }

/** The longest line that is read, in bytes. */
const longestLine = 16 * 1024 * 1024

const newline = 0x0a

/**
 * The lines of a file as it is read, without their ends. A line that is too long or not UTF-8 does not stop the
 * others. What follows the last line's end is a line of its own only when there is something.
 */
export async function* readLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Line> {
  let parts: Array<Uint8Array> = []
  let bytes = 0
  let number = 0
  const add = (part: Uint8Array): void => {
    bytes += part.length
    if (bytes <= longestLine) parts.push(part)
    else parts = []
  }
  const finished = (): Line => {
    number++
    const line = decoded(number, parts, bytes)
    parts = []
    bytes = 0
    return line
  }
  for await (const chunk of chunks) {
    let start = 0
    for (let end = chunk.indexOf(newline); end !== -1; end = chunk.indexOf(newline, start)) {
      add(chunk.subarray(start, end))
      yield finished()
      start = end + 1
    }
    if (start < chunk.length) add(chunk.subarray(start))
  }
  if (bytes > 0) yield finished()
}

const firstDecoder = new TextDecoder("utf-8", { fatal: true })
const laterDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

const decoded = (number: number, parts: ReadonlyArray<Uint8Array>, bytes: number): Line => {
  if (bytes > longestLine) return { number, problem: `it is longer than ${longestLine} bytes` }
  try {
    const text = (number > 1 ? laterDecoder : firstDecoder).decode(Buffer.concat(parts))
    return { number, text: text.endsWith("\r") ? text.slice(0, -1) : text }
  } catch {
    return { number, problem: "it is not UTF-8" }
  }
}
