import { type LiveEvent, type News, onNews } from "./follow.ts"

/** A part of the page that shows data of the server, and can read them again. */
export interface Refreshable {
  /** Whether an event can change what is shown. Defaults to every event. */
  readonly isAffectedBy?: (event: LiveEvent) => boolean
  /** Reads the data again. Must not reject. */
  readonly refresh: () => Promise<void>
}

const shown = new Set<Refreshable>()
const stale = new Set<Refreshable>()
let isRefreshing = false

/**
 * The shortest time from the start of one round of reads to the start of the next, in milliseconds. With a read of up to 30 ms,
 * a commit is on the page within a tenth of a second.
 */
const minIntervalMillis = 60

/** While the page is hidden, it is refreshed this often at most, in milliseconds. */
const hiddenIntervalMillis = 5_000

/** Keeps a part of the page up to date until the returned function is called. */
export const keepLive = (part: Refreshable): (() => void) => {
  shown.add(part)
  return () => {
    shown.delete(part)
    stale.delete(part)
  }
}

/** Reads parts again: at once, unless a round of reads runs or has just ended. */
export const refreshSoon = (part: Refreshable): void => {
  stale.add(part)
  void runRounds()
}

/** Reads everything that is shown again. */
export const refreshEverything = (): void => onLog({ _tag: "Everything" })

const onLog = (news: News): void => {
  for (const part of shown) {
    const isAffected =
      news._tag === "Everything" || part.isAffectedBy === undefined || news.events.some(part.isAffectedBy)
    if (isAffected) stale.add(part)
  }
  void runRounds()
}

/**
 * Reads stale parts in rounds: the first at once, the next when the previous has ended. The server gets at least as much time
 * without reads as a round took, so a slow server is read less often.
 */
const runRounds = async (): Promise<void> => {
  if (isRefreshing) return
  isRefreshing = true
  try {
    while (stale.size > 0) {
      const round = [...stale]
      stale.clear()
      const startedAt = performance.now()
      await Promise.all(round.map((part) => part.refresh()))
      const took = performance.now() - startedAt
      await rest(document.hidden ? hiddenIntervalMillis : Math.max(minIntervalMillis - took, took))
    }
  } finally {
    isRefreshing = false
  }
}

/** Waits, at most until the page becomes visible. */
const rest = (millis: number): Promise<void> =>
  new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer)
      document.removeEventListener("visibilitychange", end)
      resolve()
    }
    const timer = setTimeout(end, millis)
    document.addEventListener("visibilitychange", end)
  })

onNews(onLog)
