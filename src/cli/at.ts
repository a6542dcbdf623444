import { DateTime, Effect } from "effect"
import type { Flag } from "effect/cli"
import { At, CardAt, InvalidInput } from "../index.ts"
import { decodeInput } from "../services/decodeInput.ts"
import { text } from "./flags.ts"
import { moment } from "./times.ts"

const backlogForms =
  "a position (17), a time with its zone (2026-01-22T12:04:05Z) or a day (2026-01-22, which begins in UTC)"
const cardForms = `${backlogForms}, or a version of the card (v3)`

/** The flag `--at` of what can be asked about the past. */
export const atFlag = (takes: "moment" | "momentOrVersion"): Flag.Flag<string | undefined> =>
  text("at", `As of then: ${takes === "moment" ? backlogForms : cardForms}`, "WHEN")

/** A moment of the backlog in a flag's words, if the flag is given. */
export const momentOfFlag = Effect.fnUntraced(function* (written: string | undefined) {
  if (written === undefined) return undefined
  const at = momentIn(written)
  return at === undefined ? yield* refused(written, backlogForms) : yield* decodeAt(at)
})

/** A moment of a card in a flag's words, if the flag is given. */
export const cardMomentOfFlag = Effect.fnUntraced(function* (written: string | undefined) {
  if (written === undefined) return undefined
  const version = /^v(\d{1,10})$/.exec(written)?.[1]
  const at = version === undefined ? momentIn(written) : { version: Number(version) }
  return at === undefined ? yield* refused(written, cardForms) : yield* decodeCardAt(at)
})

const decodeAt = decodeInput(At)
const decodeCardAt = decodeInput(CardAt)

const refused = (written: string, takes: string) =>
  new InvalidInput({ problem: `--at takes ${takes}, not ${JSON.stringify(written.slice(0, 100))}` })

const momentIn = (written: string): typeof At.Encoded | undefined => {
  if (/^\d{1,15}$/.test(written)) return { position: Number(written) }
  const time = timeIn(written)
  return time === undefined ? undefined : { time }
}

const dayPattern = /^(\d{4})-(\d\d)-(\d\d)$/
const timePattern = /^(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,9})?)?(?:Z|[+-](?:[01]\d|2[0-3]):?[0-5]\d)$/

const timeIn = (written: string): DateTime.Utc | undefined => {
  const day = written.slice(0, 10)
  const clock = written.slice(11)
  if (!isDay(day)) return undefined
  if (written.length === 10) return DateTime.makeUnsafe(`${day}T00:00:00Z`)
  if (!/[Tt ]/.test(written.charAt(10)) || !timePattern.test(clock.toUpperCase())) return undefined
  return DateTime.makeUnsafe(new Date(`${day}T${clock.toUpperCase().replace(/([+-]\d\d)(\d\d)$/, "$1:$2")}`))
}

/** Whether the calendar has this day: parsers take the 30th of February for a day in March. */
const isDay = (written: string): boolean => {
  const [, year, month, day] = (dayPattern.exec(written) ?? []).map(Number)
  if (year === undefined || month === undefined || day === undefined) return false
  const date = new Date(Date.UTC(2000, month - 1, day))
  date.setUTCFullYear(year, month - 1, day)
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day
}

/** A moment in words: "position 17", "2026-01-22 12:04:05Z", "version 3". */
export const momentWords = (at: typeof CardAt.Type): string =>
  "position" in at ? `position ${at.position}` : "version" in at ? `version ${at.version}` : moment(at.time)
