import { makeEventParser } from "../api/eventLines.ts"
import { ApiFailure, type Problem, readText, send } from "../api/request.ts"
import type { RecordedEvent } from "../api/types.ts"

/** Reads the event at a position. Closes the connection when the event has arrived. Fails with `ApiFailure` if there is none. */
export const readEvent = async (position: number, signal: AbortSignal): Promise<RecordedEvent> => {
  const response = await send("events", { after: position - 1, follow: false }, { signal })
  const parse = makeEventParser()
  for await (const { lines } of readText(response)) {
    for (const { data, name } of parse(lines)) {
      if (name !== "problem") return JSON.parse(data) as RecordedEvent
      const problem = JSON.parse(data) as Problem
      throw new ApiFailure("failed", problem.detail, problem)
    }
  }
  throw new ApiFailure("notFound", `The log ends before position ${position}.`)
}
