/** A tool's text, parsed by the rules of docs/mcp.md. */
export interface ReadAnswer {
  /** The server's own words, with `""` for each quoted string and `|` for each frame. */
  readonly own: string
  /** The texts that were quoted or framed, in order. */
  readonly texts: ReadonlyArray<string>
}

const quotedString = /"(?:[^"\\]|\\.)*"/g

/** Parses a tool's text: quoted strings with `JSON.parse`, frames without their bars and escapes. */
export const readAnswer = (answer: string): ReadAnswer => {
  const texts: Array<string> = []
  const own: Array<string> = []
  let frame: Array<string> | undefined
  const endFrame = () => {
    if (frame === undefined) return
    own.push("|")
    texts.push(
      frame.join("\n").replace(/<U\+([0-9A-F]+)>/g, (_, code: string) => String.fromCodePoint(parseInt(code, 16)))
    )
    frame = undefined
  }
  for (const line of answer.split("\n")) {
    if (line.startsWith("|")) {
      frame = [...(frame ?? []), line.slice(2)]
      continue
    }
    endFrame()
    own.push(
      line.replace(quotedString, (text) => {
        texts.push(JSON.parse(text) as string)
        return '""'
      })
    )
  }
  endFrame()
  return { own: own.join("\n"), texts }
}
