import { DateTime, Effect, Option, Stream } from "effect"
import type { Flag } from "effect/cli"
import { At, AuditService, type BacklogAt, type Card, CardAt, InvalidInput } from "../index.ts"
import { decodeInput } from "../services/decodeInput.ts"
import { textFlag } from "./flags.ts"

/** Formats a time in UTC: `2026-01-22 12:04:05Z`. */
export const formatTime = (time: DateTime.Utc): string => `${dayOf(time)} ${clockOf(time)}`

/** Formats a time, without the day if it is the day of `reference`. */
export const formatTimeNear = (time: DateTime.Utc, reference: DateTime.Utc): string =>
  dayOf(time) === dayOf(reference) ? clockOf(time) : formatTime(time)

/** Formats seconds with the two largest units: `1 hour 5 minutes`. */
export const formatDuration = (seconds: number): string => {
  const whole = Math.max(0, Math.round(seconds))
  const parts = (
    [
      [Math.floor(whole / 86_400), "day"],
      [Math.floor(whole / 3600) % 24, "hour"],
      [Math.floor(whole / 60) % 60, "minute"],
      [whole % 60, "second"]
    ] as const
  ).filter(([count]) => count > 0)
  return parts.length === 0 ? "0 seconds" : parts.slice(0, 2).map(formatUnit).join(" ")
}

const formatUnit = ([count, unit]: readonly [number, string]): string => `${count} ${unit}${count === 1 ? "" : "s"}`

const dayOf = (time: DateTime.Utc): string => DateTime.formatIso(time).split("T")[0] ?? ""

const clockOf = (time: DateTime.Utc): string =>
  `${DateTime.formatIso(time)
    .split("T")[1]
    ?.replace(/(\.\d+)?Z$/, "")}Z`

/** Formats a moment: "position 17", "2026-01-22 12:04:05Z", "version 3". */
export const formatMoment = (at: typeof CardAt.Type): string =>
  "position" in at ? `position ${at.position}` : "version" in at ? `version ${at.version}` : formatTime(at.time)

const timeForms = "a time with a zone (2026-01-22T12:04:05Z) or a day (2026-01-22, which starts at midnight UTC)"

const backlogForms = `a position (17), ${timeForms}`

const cardForms = `${backlogForms}, or a version of the card (v3)`

/** The flag `--at` of commands that read the past. */
export const atFlag = (takes: "moment" | "momentOrVersion"): Flag.Flag<string | undefined> =>
  textFlag("at", `Show the state at this moment: ${takes === "moment" ? backlogForms : cardForms}`, "WHEN")

/** An optional flag with a time. */
export const timeFlag = (name: string, description: string): Flag.Flag<string | undefined> =>
  textFlag(name, `${description}: ${timeForms}`, "TIME")

/** Parses the value of a flag with a time. Returns `undefined` without the flag. */
export const parseTimeFlag = Effect.fnUntraced(function* (flag: string, written: string | undefined) {
  if (written === undefined) return undefined
  const time = parseTime(written)
  return (
    time ??
    (yield* new InvalidInput({ problem: `--${flag} takes ${timeForms}, not ${JSON.stringify(written.slice(0, 100))}` }))
  )
})

/** Parses the value of `--at` as a moment of the backlog. Returns `undefined` without the flag. */
export const parseMoment = Effect.fnUntraced(function* (written: string | undefined) {
  if (written === undefined) return undefined
  const at = toMoment(written)
  return at === undefined ? yield* invalidMoment(written, backlogForms) : yield* decodeAt(at)
})

/** Parses an argument as a moment of the backlog. */
export const parseMomentArgument = Effect.fnUntraced(function* (name: string, written: string) {
  const at = toMoment(written)
  return at === undefined ? yield* invalidMoment(written, backlogForms, name) : yield* decodeAt(at)
})

/** Parses the value of `--at` as a moment of a card. Returns `undefined` without the flag. */
export const parseCardMoment = Effect.fnUntraced(function* (written: string | undefined) {
  if (written === undefined) return undefined
  const version = /^v(\d{1,10})$/.exec(written)?.[1]
  const at = version === undefined ? toMoment(written) : { version: Number(version) }
  return at === undefined ? yield* invalidMoment(written, cardForms) : yield* decodeCardAt(at)
})

const decodeAt = decodeInput(At)

const decodeCardAt = decodeInput(CardAt)

const invalidMoment = (written: string, takes: string, name = "--at") =>
  new InvalidInput({ problem: `${name} takes ${takes}, not ${JSON.stringify(written.slice(0, 100))}` })

const toMoment = (written: string): typeof At.Encoded | undefined => {
  if (/^\d{1,15}$/.test(written)) return { position: Number(written) }
  const time = parseTime(written)
  return time === undefined ? undefined : { time }
}

const dayPattern = /^(\d{4})-(\d\d)-(\d\d)$/

const timePattern = /^(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,9})?)?(?:Z|[+-](?:[01]\d|2[0-3]):?[0-5]\d)$/

const parseTime = (written: string): DateTime.Utc | undefined => {
  const day = written.slice(0, 10)
  const clock = written.slice(11)
  if (!isCalendarDay(day)) return undefined
  if (written.length === 10) return DateTime.makeUnsafe(`${day}T00:00:00Z`)
  if (!/[Tt ]/.test(written.charAt(10)) || !timePattern.test(clock.toUpperCase())) return undefined
  return DateTime.makeUnsafe(new Date(`${day}T${clock.toUpperCase().replace(/([+-]\d\d)(\d\d)$/, "$1:$2")}`))
}

/** Returns whether the day exists. Date parsers accept 30 February and return a day in March. */
const isCalendarDay = (written: string): boolean => {
  const [, year, month, day] = (dayPattern.exec(written) ?? []).map(Number)
  if (year === undefined || month === undefined || day === undefined) return false
  const date = new Date(Date.UTC(2000, month - 1, day))
  date.setUTCFullYear(year, month - 1, day)
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day
}

/** Describes the moment that a card is shown at: the requested moment, and the card's last event before it. */
export const describeCardMoment = Effect.fnUntraced(function* (
  card: Pick<Card, "id" | "version">,
  at: typeof CardAt.Type
) {
  const audit = yield* AuditService
  const last = yield* Stream.runHead(Stream.drop(audit.history(card.id), card.version - 1))
  const requested = "version" in at ? "" : `${formatMoment(at)}: `
  return Option.match(last, {
    onNone: () => `As of ${formatMoment(at)}.`,
    onSome: ({ position, recordedAt, version }) =>
      `As of ${requested}version ${version} of the card, position ${position}, recorded ${formatTime(recordedAt)}.`
  })
})

/** Describes the moment that the backlog is shown at. */
export const describeBacklogMoment = ({ position, time }: BacklogAt): string =>
  position === 0 ? "As of position 0, before the first event." : `As of position ${position}, ${formatTime(time)}.`
