import { effect, type ReadonlySignal, signal } from "@preact/signals"
import { startFollowing, stopFollowing } from "./follow.ts"
import { refreshEverything } from "./live.ts"
import { type ApiFailure, getJson, toFailure } from "./request.ts"
import { token } from "./token.ts"
import type { Caller } from "./types.ts"

/** Whether the server knows the caller. */
export type Session =
  | { readonly _tag: "Opening" }
  /** The server requires a token, or does not accept the given one. */
  | { readonly _tag: "SignedOut"; readonly failure: ApiFailure }
  | { readonly _tag: "Failed"; readonly failure: ApiFailure }
  | { readonly _tag: "Open"; readonly caller: Caller }

const state = signal<Session>({ _tag: "Opening" })

/** The session of the caller. */
export const session: ReadonlySignal<Session> = state

/** The caller; `undefined` while the session is not open. */
export const currentCaller = (): Caller | undefined => (state.value._tag === "Open" ? state.value.caller : undefined)

/** Returns why the caller may not use an endpoint, such as `create`; `undefined` if it may. */
export const refusalOf = (operation: string): string | undefined => {
  const caller = currentCaller()
  if (caller === undefined) return "The server has not recognized the caller yet."
  if (caller.operations === undefined || caller.operations.includes(operation)) return undefined
  return caller.role === "unrestricted"
    ? "The board is read-only. To allow commands from it, start the server with --board=write."
    : `Your token has the role ${caller.role}, which does not permit this.`
}

/** Opens the session with the current token, and follows the log. */
export const openSession = async (): Promise<void> => {
  const used = token.peek()
  try {
    const caller = await getJson<Caller>("caller")
    if (used !== token.peek()) return
    state.value = { _tag: "Open", caller }
    startFollowing()
    refreshEverything()
  } catch (cause) {
    const failure = toFailure(cause)
    if (used !== token.peek()) return
    state.value = { _tag: failure.kind === "unauthorized" ? "SignedOut" : "Failed", failure }
    if (failure.kind === "offline" || failure.kind === "busy") {
      setTimeout(() => used === token.peek() && void openSession(), (failure.retryAfterSeconds ?? 2) * 1000)
    }
  }
}

/** Ends the session because the server no longer accepts the token. */
export const endSession = (failure: ApiFailure): void => {
  if (state.peek()._tag !== "Open") return
  stopFollowing()
  state.value = { _tag: "SignedOut", failure }
}

/** Opens the session, and again whenever the token changes. */
export const keepSession = (): void => {
  effect(() => {
    void token.value
    void openSession()
  })
}
