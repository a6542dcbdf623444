import { signal } from "@preact/signals"
import { type ApiFailure, send, toFailure } from "../api/request.ts"
import { currentCaller, refusalOf } from "../api/session.ts"
import type { Card } from "../api/types.ts"
import { moment } from "../shell/location.ts"
import { readSetting, writeSetting } from "../shell/storage.ts"
import { type CommandRequest, encodeRequest } from "./request.ts"

const chosenActor = signal(readSetting("actor") ?? "board")

/** The actor of the commands if the server knows none. The browser remembers it. */
export const actor = chosenActor

/** Sets the actor of the commands. */
export const setActor = (name: string): void => {
  chosenActor.value = name
  writeSetting("actor", name)
}

/** Whether the reader chooses the actor, because the caller has no token. */
export const isActorFree = (): boolean => currentCaller()?.actor == null

/** Returns why a command cannot be sent now: the page shows the past, or the caller may not. `undefined` if it can. */
export const whyDisabled = (operation: string): string | undefined =>
  moment.value === undefined ? refusalOf(operation) : "The page shows a past moment. Return to now to change cards."

/** The commands that a worker may send only under a claim of its own. */
const needsOwnClaim: ReadonlySet<string> = new Set(["complete", "block", "release"])

/** Returns why a command cannot be sent for a card now: as `whyDisabled`, or because it is not a worker's own claim. */
export const whyDisabledFor = (operation: string, { claimOwner }: Pick<Card, "claimOwner">): string | undefined => {
  const caller = currentCaller()
  const { actor: name, role } = caller ?? {}
  const isOwn = name == null || claimOwner === name || claimOwner?.startsWith(`${name}/`) === true
  return (
    whyDisabled(operation) ??
    (role === "worker" && needsOwnClaim.has(operation) && !isOwn
      ? "You do not hold this card, and your token has the role worker."
      : undefined)
  )
}

/** A new id of a command. Browsers have `randomUUID` only on HTTPS and localhost. */
const makeCommandId = (): string =>
  `board-${Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("")}`

/** The ids of commands of which it is not known whether they were carried out, by path and content. */
const unanswered = new Map<string, string>()

/**
 * Sends a command. If its answer is lost, sending the same command again has the same id, so it is carried out at most once, and
 * returns the first answer. Fails with `ApiFailure`.
 */
export const sendCommand = async (path: string, request: CommandRequest): Promise<Card> => {
  const sender = isActorFree() ? chosenActor.peek() : undefined
  const content = `${path} ${encodeRequest(request, { actor: sender, commandId: "" })}`
  const commandId = unanswered.get(content) ?? makeCommandId()
  unanswered.set(content, commandId)
  try {
    const response = await send(
      path,
      {},
      {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: encodeRequest(request, { actor: sender, commandId })
      }
    )
    const answer = (await response.json()) as Card
    unanswered.delete(content)
    return answer
  } catch (cause) {
    const failure = toFailure(cause)
    if (!isAnswerLost(failure)) unanswered.delete(content)
    throw failure
  }
}

/** Whether a command may have been carried out although the page has no answer. */
export const isAnswerLost = ({ kind }: ApiFailure): boolean =>
  kind === "offline" || kind === "failed" || kind === "busy"
