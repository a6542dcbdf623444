/** An event of a stream of server-sent events. */
export interface ServerEvent {
  /** The name of the event. Defaults to `message`. */
  readonly name: string
  readonly data: string
}

/**
 * Creates a parser of server-sent events. It takes the lines of the stream as they arrive, in any portions, and returns the
 * events that they complete. Comments are ignored.
 */
export const makeEventParser = (): ((lines: ReadonlyArray<string>) => ReadonlyArray<ServerEvent>) => {
  let name = "message"
  let data: Array<string> = []
  return (lines) => {
    const events: Array<ServerEvent> = []
    for (const each of lines) {
      const line = each.endsWith("\r") ? each.slice(0, -1) : each
      if (line === "") {
        if (data.length > 0) events.push({ name, data: data.join("\n") })
        name = "message"
        data = []
        continue
      }
      const colon = line.indexOf(":")
      const field = colon === -1 ? line : line.slice(0, colon)
      const value = colon === -1 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1)
      if (field === "data") data.push(value)
      else if (field === "event") name = value
    }
    return events
  }
}
