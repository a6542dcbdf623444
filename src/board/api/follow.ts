import { type ReadonlySignal, signal } from "@preact/signals"
import { makeEventParser } from "./eventLines.ts"
import { ApiFailure, getJson, type Problem, readText, send } from "./request.ts"
import { serverNow } from "./serverClock.ts"
import { token } from "./token.ts"
import type { Density, RecordedEvent } from "./types.ts"

/** What the page needs to know about an event that was just committed. */
export type LiveEvent = Pick<RecordedEvent, "position" | "cardId" | "version" | "type" | "actor" | "recordedAt">

/** A change of the log: new events, or that everything must be read again because the log was restored or events were missed. */
export type News =
  | { readonly _tag: "Events"; readonly events: ReadonlyArray<LiveEvent> }
  | { readonly _tag: "Everything" }

/** How the page follows the log. `since` is when the connection ended, in milliseconds since 1970 by the server's clock. */
export type Following =
  | { readonly _tag: "Connecting" }
  | { readonly _tag: "Live" }
  | { readonly _tag: "Retrying"; readonly since: number }

const following = signal<Following>({ _tag: "Connecting" })
const followsForOthers = signal(false)
const lastPosition = signal(0)

/** How the page follows the log. */
export const follow: ReadonlySignal<Following> = following

/** Whether this tab reads the events of the server, for itself and for other tabs with the same token. */
export const isFollower: ReadonlySignal<boolean> = followsForOthers

/** The position of the last event that the page knows of; 0 if the log is empty or not read yet. */
export const head: ReadonlySignal<number> = lastPosition

const listeners = new Set<(news: News) => void>()

/** Calls a function with each change of the log. Returns the function that ends this. */
export const onNews = (listener: (news: News) => void): (() => void) => {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

const publish = (news: News): void => {
  if (news._tag === "Events") {
    const fresh = news.events.filter(({ position }) => position > lastPosition.peek())
    const last = fresh.at(-1)
    if (last === undefined) return
    lastPosition.value = last.position
    for (const listener of listeners) listener({ _tag: "Events", events: fresh })
  } else {
    for (const listener of listeners) listener(news)
  }
}

/** What the tab that follows sends to the others. */
type Message =
  | { readonly _tag: "News"; readonly news: News }
  | { readonly _tag: "Following"; readonly following: Following; readonly head: number }
  | { readonly _tag: "Hello" }

/**
 * The name that the tabs of one server and one token share. A digest, because other pages of the origin can read the names of
 * locks. `undefined` where the browser has no digests: outside of HTTPS and localhost, where it has no locks either.
 */
const nameOfGroup = async (): Promise<string | undefined> => {
  if (!("locks" in navigator) || typeof BroadcastChannel === "undefined" || !isSecureContext) return undefined
  const identity = `${new URL(".", document.baseURI).href}\n${token.peek() ?? ""}`
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(identity)))
  return `mosaic-backlog:${Array.from(digest.subarray(0, 12), (byte) => byte.toString(16).padStart(2, "0")).join("")}`
}

let ending: AbortController | undefined

/** Follows the log until `stopFollowing`. One tab reads the events and passes them to all tabs with the same token. */
export const startFollowing = (): void => {
  stopFollowing()
  const controller = new AbortController()
  ending = controller
  void nameOfGroup().then((name) => {
    if (controller.signal.aborted) return
    if (name === undefined) void readUntilAborted(controller.signal, () => undefined)
    else followTogether(name, controller.signal)
  })
}

/** Ends following. */
export const stopFollowing = (): void => {
  ending?.abort()
  ending = undefined
  lastPosition.value = 0
  following.value = { _tag: "Connecting" }
}

const followTogether = (name: string, ended: AbortSignal): void => {
  const channel = new BroadcastChannel(name)
  const tell = (message: Message): void => channel.postMessage(message)
  const tellState = (): void => tell({ _tag: "Following", following: following.peek(), head: lastPosition.peek() })
  channel.addEventListener("message", ({ data }: MessageEvent<Message>) => {
    if (data._tag === "Hello") {
      if (followsForOthers.peek()) tellState()
    } else if (data._tag === "News") {
      publish(data.news)
    } else {
      following.value = data.following
      // Events between this tab's first reads and the state of the other tab may be unknown to this tab.
      if (data.head > lastPosition.peek()) {
        lastPosition.value = data.head
        publish({ _tag: "Everything" })
      }
    }
  })
  ended.addEventListener("abort", () => channel.close())
  tell({ _tag: "Hello" })
  navigator.locks
    .request(name, { signal: ended }, async () => {
      followsForOthers.value = true
      try {
        await readUntilAborted(ended, (message) => {
          if (!ended.aborted) tell(message)
        })
      } finally {
        followsForOthers.value = false
      }
    })
    .catch(() => undefined)
}

/** Waits before a new connection, in milliseconds: at first hardly, then up to 10 seconds, with some randomness. */
const backoff = (failures: number): number => Math.min(10_000, 250 * 2 ** failures) * (0.75 + Math.random() / 2)

/** Reads events until `ended` aborts. Connects again after each end of a connection, from the last event on. */
const readUntilAborted = async (ended: AbortSignal, tell: (message: Message) => void): Promise<void> => {
  const become = (state: Following): void => {
    following.value = state
    tell({ _tag: "Following", following: state, head: lastPosition.peek() })
  }
  const pass = (news: News): void => {
    publish(news)
    tell({ _tag: "News", news })
  }
  for (let failures = 0; !ended.aborted; failures++) {
    try {
      if (lastPosition.peek() === 0) {
        lastPosition.value = await readHead(ended)
        pass({ _tag: "Everything" })
      }
      await readEvents(ended, pass, () => {
        failures = 0
        const before = following.peek()._tag
        if (before !== "Live") become({ _tag: "Live" })
        // Without a connection, reads have failed, and no event may follow that makes the page read again.
        if (before === "Retrying") pass({ _tag: "Everything" })
      })
    } catch (failure) {
      if (ended.aborted) return
      if (failure instanceof ApiFailure && failure.problem?._tag === "MomentNotReached") {
        // The log was restored from a backup and is shorter now.
        lastPosition.value = 0
        continue
      }
      if (failure instanceof ApiFailure && (failure.kind === "unauthorized" || failure.kind === "forbidden")) {
        become({ _tag: "Retrying", since: serverNow() })
        return
      }
    }
    const before = following.peek()
    become({ _tag: "Retrying", since: before._tag === "Retrying" ? before.since : serverNow() })
    await pause(backoff(failures), ended)
  }
}

const readHead = async (ended: AbortSignal): Promise<number> =>
  (await getJson<Density>("density", { buckets: 1 }, ended)).to

/** A connection that is silent for longer than this is dead: the server sends a comment every 15 seconds. */
const maxSilenceMillis = 40_000

const readEvents = async (ended: AbortSignal, pass: (news: News) => void, onLive: () => void): Promise<void> => {
  const silence = new AbortController()
  let timer = setTimeout(() => silence.abort(), maxSilenceMillis)
  try {
    const response = await send(
      "events",
      { after: lastPosition.peek(), follow: true },
      { signal: AbortSignal.any([ended, silence.signal]), headers: { accept: "text/event-stream" } }
    )
    onLive()
    const parse = makeEventParser()
    for await (const { lines } of readText(response)) {
      clearTimeout(timer)
      timer = setTimeout(() => silence.abort(), maxSilenceMillis)
      const events: Array<LiveEvent> = []
      for (const { data, name } of parse(lines)) {
        if (name === "problem") {
          const problem = JSON.parse(data) as Problem
          throw new ApiFailure("failed", problem.detail, problem)
        }
        const { actor, cardId, position, recordedAt, type, version } = JSON.parse(data) as RecordedEvent
        events.push({ position, cardId, version, type, actor, recordedAt })
      }
      if (events.length > 0) pass({ _tag: "Events", events })
    }
  } finally {
    clearTimeout(timer)
  }
}

/** Waits, or until the browser is online again, or `ended` aborts. */
const pause = (millis: number, ended: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer)
      removeEventListener("online", end)
      ended.removeEventListener("abort", end)
      resolve()
    }
    const timer = setTimeout(end, millis)
    addEventListener("online", end)
    ended.addEventListener("abort", end)
  })
