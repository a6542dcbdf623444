import { DateTime } from "effect"

/** A moment for agents: `2026-01-22T12:04:05Z`. */
export const instant = (time: DateTime.Utc): string => DateTime.formatIso(time).replace(/\.\d+Z$/, "Z")

/** A name as it stands in a sentence. */
export const quoted = (name: string): string => JSON.stringify(name)

/** Ids in a sentence, the first of many. */
export const listed = (ids: ReadonlyArray<string>, most = 10): string =>
  ids.length <= most ? ids.join(", ") : `${ids.slice(0, most).join(", ")} and ${ids.length - most} more`

/** Lines that there are. */
export const lines = (...each: ReadonlyArray<string | undefined>): string =>
  each.filter((line) => line !== undefined && line !== "").join("\n")
