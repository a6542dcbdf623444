import { DateTime, Option } from "effect"
import { truncateMessage } from "../domain/displayText.ts"

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

/** Texts one after the other, all but the first under headings of their own; `null` when there is none. */
export const joinSections = (
  first: string | null | undefined,
  headed: Readonly<Record<string, string | null | undefined>>
): string | null => {
  const parts = [
    first,
    ...Object.entries(headed).map(([heading, text]) =>
      text == null || text === "" ? null : `## ${heading}\n\n${text}`
    )
  ].filter((part) => part != null && part !== "")
  return parts.length === 0 ? null : parts.join("\n\n")
}

/** A schema's complaint without its line breaks: `must not be empty at ["title"]`. */
export const describeSchemaError = (complaint: string): string => truncateMessage(complaint.replace(/\s+/g, " "))

/** Whether a field has nothing in it that could be lost. */
export const isEmpty = (value: unknown): boolean =>
  value === undefined ||
  value === null ||
  value === "" ||
  (Array.isArray(value) && value.length === 0) ||
  (typeof value === "object" && Object.keys(value).length === 0)

/** The status that a card starts with. */
export type InitialStatus = "ready" | "blocked" | "done"

/**
 * Words of other tools for where work stands. What must not be taken up (it waits for a decision, or was given up) is
 * `blocked`: kept, and claimed by nobody until a person unblocks it.
 */
const statusWords: Readonly<Record<InitialStatus, ReadonlyArray<string>>> = {
  ready: [
    "ready",
    "open",
    "new",
    "todo",
    "to-do",
    "backlog",
    "pending",
    "queued",
    "claimed",
    "in-progress",
    "doing",
    "started"
  ],
  blocked: ["blocked", "on-hold", "paused", "deferred", "draft", "review", "in-review", "cancelled", "canceled"],
  done: ["done", "complete", "completed", "closed", "finished", "resolved"]
}

/** Words that say that somebody is at work. */
const workWords: ReadonlySet<string> = new Set(["claimed", "in-progress", "doing", "started"])

const statusOfWord: ReadonlyMap<string, InitialStatus> = new Map(
  (Object.keys(statusWords) as ReadonlyArray<InitialStatus>).flatMap((status) =>
    statusWords[status].map((word) => [word, status] as const)
  )
)

/** Words that a source has besides, by what they mean: `--map-status`. */
export type StatusMap = ReadonlyMap<string, InitialStatus>

/** A word as it is looked up: `In Progress` and `in_progress` are `in-progress`. */
export const normalizeWord = (word: string): string =>
  word
    .trim()
    .toLowerCase()
    .replace(/[\s_]+/g, "-")

/** How a card starts whose status is such a word. */
export const parseStatus = (
  word: string,
  more: StatusMap
): { readonly status: InitialStatus; readonly blockedReason?: string } | { readonly problem: string } => {
  const plain = normalizeWord(word)
  const status = more.get(plain) ?? statusOfWord.get(plain)
  if (status === undefined) {
    return { problem: `its status is ${shown(word)}, and what that means is not known: see --map-status` }
  }
  return status === "blocked" && plain !== "blocked"
    ? { status, blockedReason: `Its status was ${shown(word)} where it was imported from.` }
    : { status }
}

/** Whether a status says that somebody is at work. */
export const isInProgress = (word: string): boolean => workWords.has(normalizeWord(word))

const priorityWords: ReadonlyMap<string, number> = new Map([
  ["critical", 4],
  ["urgent", 4],
  ["high", 3],
  ["medium", 2],
  ["normal", 2],
  ["low", 1]
])

/** A priority as a word or a whole number, or what is wrong with it. */
export const parsePriority = (word: string): { readonly priority: number } | { readonly problem: string } => {
  const plain = normalizeWord(word)
  const priority = priorityWords.get(plain) ?? (/^[+-]?\d{1,10}$/.test(plain) ? Number(plain) : undefined)
  return priority === undefined
    ? { problem: `its priority is ${shown(word)}, and how urgent that is is not known` }
    : { priority }
}

const shown = (word: string): string =>
  JSON.stringify(word.length > 100 ? `${word.slice(0, 100).toWellFormed()}…` : word)
