import { type ReadonlySignal, signal } from "@preact/signals"
import { type ApiFailure, getJson, toFailure } from "../api/request.ts"
import { refusalOf } from "../api/session.ts"
import type { Anchor } from "../api/types.ts"
import { actor, isActorFree } from "../commands/send.ts"
import { formatAnchor } from "./anchorLines.ts"

/** The anchor that this page made last, or why it could not. */
export interface AnchorOutcome {
  readonly anchor?: Anchor
  readonly failure?: ApiFailure
}

const outcome = signal<AnchorOutcome>({})

/** The anchor that this page made last. */
export const madeAnchor: ReadonlySignal<AnchorOutcome> = outcome

/** Returns why the caller may not make an anchor; `undefined` if it may. */
export const anchorRefusal = (): string | undefined => refusalOf("anchor")

/** Makes an anchor of the end of the log. The server lists it. */
export const makeAnchor = async (): Promise<void> => {
  try {
    outcome.value = {
      anchor: await getJson<Anchor>("anchor", { actor: isActorFree() ? actor.peek() : undefined })
    }
  } catch (cause) {
    outcome.value = { failure: toFailure(cause) }
  }
}

/** Downloads an anchor as a file that `backlog verify --anchor-file` takes. */
export const downloadAnchor = (anchor: Anchor): void => {
  const address = URL.createObjectURL(new Blob([`${formatAnchor(anchor)}\n`], { type: "text/plain" }))
  const link = document.createElement("a")
  link.href = address
  link.download = `backlog-anchor-${anchor.position}.txt`
  link.click()
  // The browser reads the file after the click.
  setTimeout(() => URL.revokeObjectURL(address), 10_000)
}
