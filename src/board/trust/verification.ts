import { type ReadonlySignal, signal } from "@preact/signals"
import { ApiFailure, readLines, toFailure } from "../api/request.ts"
import { serverNow } from "../api/serverClock.ts"
import { currentCaller } from "../api/session.ts"
import type { Anchor, VerifyProgress, VerifyReport } from "../api/types.ts"
import { actor, isActorFree } from "../commands/send.ts"
import { showToast } from "../shell/toast.ts"
import { raiseAlarm } from "./alarm.ts"

/** The verification that this page carries out, or the last one that it did. Times are in milliseconds since 1970. */
export type VerificationRun =
  | { readonly _tag: "None" }
  | { readonly _tag: "Running"; readonly startedAt: number; readonly progress: VerifyProgress | undefined }
  | { readonly _tag: "Failed"; readonly failure: ApiFailure }
  | { readonly _tag: "Canceled" }
  | {
      readonly _tag: "Ended"
      readonly report: VerifyReport
      readonly anchor: AnchorOutcome
      readonly endedAt: number
      readonly tookMillis: number
    }

/** Whether the log continues the anchor. `unknown`: there are more divergences than the report lists. */
export type AnchorOutcome = "not given" | "continued" | "mismatch" | "unknown"

const state = signal<VerificationRun>({ _tag: "None" })
let running: AbortController | undefined

/** The verification that this page carries out. It continues while the reader opens other views. */
export const verification: ReadonlySignal<VerificationRun> = state

/** A line of the response: the progress, and at the end the report. */
type Line = { readonly progress: VerifyProgress } | { readonly report: VerifyReport }

/** Verifies the log and the read model, and that the log continues an anchor if one is given. Does nothing while one runs. */
export const startVerification = async (anchor: Anchor | undefined): Promise<void> => {
  if (running !== undefined) return
  const controller = new AbortController()
  running = controller
  const startedAt = performance.now()
  const startedMillis = serverNow()
  state.value = { _tag: "Running", startedAt: startedMillis, progress: undefined }
  let report: VerifyReport | undefined
  try {
    await readLines(
      "verify",
      {},
      (document) => {
        const line = document as Line
        if ("report" in line) report = line.report
        else state.value = { _tag: "Running", startedAt: startedMillis, progress: line.progress }
      },
      {
        signal: controller.signal,
        init: {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ anchor, actor: isActorFree() ? actor.peek() : undefined })
        }
      }
    )
    if (report === undefined) throw new ApiFailure("offline", "The response ended before the report.")
    end(report, performance.now() - startedAt)
  } catch (cause) {
    if (controller.signal.aborted) {
      state.value = { _tag: "Canceled" }
    } else {
      const failure = toFailure(cause)
      state.value = { _tag: "Failed", failure }
      showToast({ text: `The verification failed: ${failure.message}` })
    }
  } finally {
    running = undefined
  }
}

/** Cancels the verification. The server stops it, and does not list it. */
export const cancelVerification = (): void => running?.abort()

const end = (report: VerifyReport, tookMillis: number): void => {
  const { anchoredPosition, divergenceCount, divergences, position } = report
  const isMismatch = divergences.some(({ check }) => check === "anchor")
  const anchor =
    anchoredPosition === null
      ? "not given"
      : isMismatch
        ? "mismatch"
        : divergences.length < divergenceCount
          ? "unknown"
          : "continued"
  const endedAt = serverNow()
  state.value = { _tag: "Ended", report, anchor, endedAt, tookMillis }
  if (isMismatch) {
    raiseAlarm({
      verifiedAt: new Date(endedAt).toISOString(),
      anchorPosition: anchoredPosition,
      position,
      actor: currentCaller()?.actor ?? actor.peek()
    })
  }
  showToast({
    text: divergenceCount === 0 ? "The log and the read model are consistent." : "The verification found divergences."
  })
}
