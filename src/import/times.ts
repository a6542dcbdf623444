import { DateTime, Option } from "effect"

const iso = /^(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?)\s?([Zz]|[+-]\d\d(?::?\d\d)?)?)?$/
const short = /^(\d\d)[-/.](\d\d)[-/.](\d\d)$/

/**
 * A time as trackers write it: a day, or a day and a time, in UTC unless an offset is given; also a day as `22-01-26`.
 * None when it is none that the calendar has.
 */
export const parseTime = (written: string): Option.Option<DateTime.Utc> => {
  const text = written.trim().replace(short, "20$3-$2-$1")
  const [, day, time = "00:00", offset = "Z"] = iso.exec(text) ?? []
  if (day === undefined || !isDay(day)) return Option.none()
  const colon = /^[+-]\d\d$/.test(offset) ? `${offset}:00` : offset.replace(/^([+-]\d\d)(\d\d)$/, "$1:$2").toUpperCase()
  return DateTime.make(`${day}T${time}${colon}`)
}

/** Not so for the 30th of February, which `Date` takes for a day in March. */
const isDay = (day: string): boolean => {
  const time = new Date(`${day}T00:00:00Z`)
  return !Number.isNaN(time.getTime()) && time.toISOString().startsWith(day)
}
