import { DateTime } from "effect"

/** A moment for people: `2026-01-22 12:04:05Z`, always in UTC. */
export const moment = (time: DateTime.Utc): string => `${day(time)} ${clock(time)}`

/** The same without the day where that is the day of `beside`. */
export const momentBeside = (time: DateTime.Utc, beside: DateTime.Utc): string =>
  day(time) === day(beside) ? clock(time) : moment(time)

/** A number of seconds for people: the two greatest units that it fills. */
export const duration = (seconds: number): string => {
  const whole = Math.max(0, Math.round(seconds))
  const parts = (
    [
      [Math.floor(whole / 86_400), "day"],
      [Math.floor(whole / 3600) % 24, "hour"],
      [Math.floor(whole / 60) % 60, "minute"],
      [whole % 60, "second"]
    ] as const
  ).filter(([count]) => count > 0)
  return parts.length === 0 ? "0 seconds" : parts.slice(0, 2).map(counted).join(" ")
}

const counted = ([count, unit]: readonly [number, string]): string => `${count} ${unit}${count === 1 ? "" : "s"}`

const day = (time: DateTime.Utc): string => DateTime.formatIso(time).split("T")[0] ?? ""

const clock = (time: DateTime.Utc): string =>
  `${DateTime.formatIso(time)
    .split("T")[1]
    ?.replace(/(\.\d+)?Z$/, "")}Z`
