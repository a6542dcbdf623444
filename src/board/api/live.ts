import { type LiveEvent, type News, onNews } from "./follow.ts"

/** A part of the page that shows data of the server, and can read them again. */
export interface Refreshable {
  /** Whether an event can change what is shown. Defaults to every event. */
  readonly isAffectedBy?: (event: LiveEvent) => boolean
  /** Reads the data again. Must not reject. */
  readonly refresh: () => Promise<void>
}

/** A part of the page that is shown, and whether its data are read just now. */
interface Shown extends Refreshable {
  /** Whether an event has come since the last read began. */
  isStale: boolean
  isBusy: boolean
}

const shown = new Map<Refreshable, Shown>()

/**
 * The shortest time from the start of one read of a part to the start of the next, in milliseconds. With a read of up to 30 ms,
 * a commit is on the page within a tenth of a second.
 */
const minIntervalMillis = 60

/** While the page is hidden, a part is read this often at most, in milliseconds. */
const hiddenIntervalMillis = 5_000

/** Keeps a part of the page up to date until the returned function is called. */
export const keepLive = (part: Refreshable): (() => void) => {
  const added: Shown = { ...part, isStale: false, isBusy: false }
  shown.set(part, added)
  return () => {
    shown.delete(part)
    added.isStale = false
  }
}

/** Reads a part again that `keepLive` keeps: at once, unless it is being read or has just been read. */
export const refreshSoon = (part: Refreshable): void => {
  const known = shown.get(part)
  if (known !== undefined) markStale(known)
}

/** Reads everything that is shown again. */
export const refreshEverything = (): void => onLog({ _tag: "Everything" })

const onLog = (news: News): void => {
  for (const part of shown.values()) {
    const isAffected =
      news._tag === "Everything" || part.isAffectedBy === undefined || news.events.some(part.isAffectedBy)
    if (isAffected) markStale(part)
  }
}

const markStale = (part: Shown): void => {
  part.isStale = true
  if (!part.isBusy) void readWhileStale(part)
}

/**
 * Reads a part: at once for the first event, and again when the read has ended if there were more events. The server gets at
 * least as much time without reads of the part as a read took, so what is slow is read less often, and delays nothing else.
 */
const readWhileStale = async (part: Shown): Promise<void> => {
  part.isBusy = true
  while (part.isStale) {
    part.isStale = false
    const startedAt = performance.now()
    await part.refresh()
    const took = performance.now() - startedAt
    await rest(document.hidden ? hiddenIntervalMillis : Math.max(minIntervalMillis - took, took))
  }
  part.isBusy = false
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
