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
