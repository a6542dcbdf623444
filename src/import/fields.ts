import { DateTime, Option } from "effect"
import { beginningOf, truncateMessage } from "../domain/displayText.ts"

/*
 * What fields of other trackers mean: statuses, priorities, times, empty values and sections of text. Beads alone has
 * statuses and priorities of its own: see `readBeads`.
 */

/** The status that a card starts with. */
export type InitialStatus = "ready" | "blocked" | "done"

/** Further words for statuses, from `--map-status`. */
export type StatusMap = ReadonlyMap<string, InitialStatus>

/** Statuses of other tools. Work that waits for a decision or was abandoned is `blocked`, so no worker claims it. */
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

const inProgressWords: ReadonlySet<string> = new Set(["claimed", "in-progress", "doing", "started"])

const statusByWord: ReadonlyMap<string, InitialStatus> = new Map(
  (Object.keys(statusWords) as ReadonlyArray<InitialStatus>).flatMap((status) =>
    statusWords[status].map((word) => [word, status] as const)
  )
)

/** Normalizes a word: `In Progress` and `in_progress` become `in-progress`. */
export const normalizeWord = (word: string): string =>
  word
    .trim()
    .toLowerCase()
    .replace(/[\s_]+/g, "-")

/** Parses a status, or returns what is wrong with it. */
export const parseStatus = (
  word: string,
  statuses: StatusMap
): { readonly status: InitialStatus; readonly blockedReason?: string } | { readonly problem: string } => {
  const normalized = normalizeWord(word)
  const status = statuses.get(normalized) ?? statusByWord.get(normalized)
  if (status === undefined) {
    return { problem: `its status is ${quoteShortened(word)}, which is unknown: map it with --map-status` }
  }
  return status === "blocked" && normalized !== "blocked" ? { status, blockedReason: describeStatus(word) } : { status }
}

/** The reason of a card that is blocked because of its status in the source. */
export const describeStatus = (word: string, holder?: string): string =>
  `Its status in the source was ${quoteShortened(word)}` +
  (holder === undefined ? "." : `, held by ${quoteShortened(holder)}.`)

/** Whether a status means that a worker works on the issue. */
export const isInProgress = (word: string): boolean => inProgressWords.has(normalizeWord(word))

const priorityByWord: ReadonlyMap<string, number> = new Map([
  ["critical", 4],
  ["urgent", 4],
  ["high", 3],
  ["medium", 2],
  ["normal", 2],
  ["low", 1]
])

/** Parses a priority, a word or a whole number, or returns what is wrong with it. */
export const parsePriority = (word: string): { readonly priority: number } | { readonly problem: string } => {
  const normalized = normalizeWord(word)
  const priority =
    priorityByWord.get(normalized) ?? (/^[+-]?\d{1,10}$/.test(normalized) ? Number(normalized) : undefined)
  return priority === undefined
    ? {
        problem:
          `its priority is ${quoteShortened(word)}, which is unknown: ` +
          `it must be a whole number or one of ${[...priorityByWord.keys()].join(", ")}`
      }
    : { priority }
}

const isoPattern = /^(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?)\s?([Zz]|[+-]\d\d(?::?\d\d)?)?)?$/
const shortPattern = /^(\d\d)[-/.](\d\d)[-/.](\d\d)$/

/**
 * Parses a day, or a day and a time, in UTC unless it has an offset; also a day such as `22-01-26`. Returns none for a time
 * that the calendar does not have.
 */
export const parseTime = (input: string): Option.Option<DateTime.Utc> => {
  const text = input.trim().replace(shortPattern, "20$3-$2-$1")
  const [, day, time = "00:00", offset = "Z"] = isoPattern.exec(text) ?? []
  if (day === undefined || !isDay(day)) return Option.none()
  const colon = /^[+-]\d\d$/.test(offset) ? `${offset}:00` : offset.replace(/^([+-]\d\d)(\d\d)$/, "$1:$2").toUpperCase()
  return DateTime.make(`${day}T${time}${colon}`)
}

/** Whether a time is the zero time of its program, `0001-01-01T00:00:00Z`, which means that there is no time. */
export const isZeroTime = (text: string): boolean =>
  /^0001-01-01(?:[Tt ]00:00(?::00(?:\.0+)?)?\s?(?:[Zz]|[+-]00(?::?00)?)?)?$/.test(text.trim())

/** Whether the calendar has the day. `Date` alone would accept February 30 as a day in March. */
const isDay = (day: string): boolean => {
  const time = new Date(`${day}T00:00:00Z`)
  return !Number.isNaN(time.getTime()) && time.toISOString().startsWith(day)
}

/** Whether a field has no value that could be lost. */
export const isEmpty = (value: unknown): boolean =>
  value === undefined ||
  value === null ||
  value === "" ||
  (Array.isArray(value) && value.length === 0) ||
  (typeof value === "object" && Object.keys(value).length === 0)

/** Joins texts, all but the first under a heading. Returns `null` when all are empty. */
export const joinSections = (
  first: string | null | undefined,
  sections: Readonly<Record<string, string | null | undefined>>
): string | null => {
  const parts = [
    first,
    ...Object.entries(sections).map(([heading, text]) =>
      text == null || text === "" ? null : `## ${heading}\n\n${text}`
    )
  ].filter((part) => part != null && part !== "")
  return parts.length === 0 ? null : parts.join("\n\n")
}

/** A schema's error message on one line: `must not be empty at ["title"]`. */
export const describeSchemaError = (message: string): string => truncateMessage(message.replace(/\s+/g, " "))

/** Quotes a text, and truncates it after 100 characters. */
export const quoteShortened = (text: string): string =>
  JSON.stringify(text.length > 100 ? `${beginningOf(text, 100).toWellFormed()}…` : text)
