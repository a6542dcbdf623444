import { type Line, readLines } from "./readLines.ts"

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
