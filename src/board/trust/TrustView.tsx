import { useEffect } from "preact/hooks"
import { getJson } from "../api/request.ts"
import type { MadeAnchor, Verification } from "../api/types.ts"
import { useQuery } from "../api/useQuery.ts"
import { useActions } from "../shell/keys.ts"
import { moment, openCard } from "../shell/location.ts"
import { raiseAlarmOf } from "./alarm.ts"
import { Anchors } from "./Anchors.tsx"
import { anchorRefusal, makeAnchor } from "./madeAnchor.ts"
import { Erasures } from "./Erasures.tsx"
import { Summary } from "./Summary.tsx"
import { VerifyForm } from "./VerifyForm.tsx"
import { verification } from "./verification.ts"
import { Verifications } from "./Verifications.tsx"

/** The most that the server keeps of each. */
const maxKept = 1_000

/** Verifications and anchors are no events, so the view reads them this often, in milliseconds. */
const intervalMillis = 15_000

/** Whether the log is what it was: its end, its anchors and verifications, and what was erased from it. */
const TrustView = () => {
  const anchors = useQuery(
    "anchors",
    (signal) => getJson<ReadonlyArray<MadeAnchor>>("anchors", { limit: maxKept }, signal),
    { isAffectedBy: false }
  )
  const verifications = useQuery(
    "verifications",
    async (signal) => {
      const all = await getJson<ReadonlyArray<Verification>>("verifications", { limit: maxKept }, signal)
      raiseAlarmOf(all)
      return all
    },
    { isAffectedBy: false }
  )
  useEffect(() => {
    const timer = setInterval(() => {
      if (document.hidden) return
      void anchors.refresh()
      void verifications.refresh()
    }, intervalMillis)
    return () => clearInterval(timer)
  }, [anchors, verifications])
  const hasEnded = verification.value._tag === "Ended"
  useEffect(() => {
    if (hasEnded) void verifications.refresh()
  }, [hasEnded])
  const addAnchor = (): void => void makeAnchor().then(anchors.refresh)
  useActions(
    () => [
      {
        keys: "e",
        label: "Verify",
        group: "Trust",
        // The keys of an open card are its commands.
        isActive: () => openCard.peek() === undefined,
        run: () => document.querySelector<HTMLButtonElement>(".verify-start")?.click()
      },
      {
        keys: "a",
        label: "Make an anchor",
        group: "Trust",
        isActive: () => openCard.peek() === undefined && anchorRefusal() === undefined,
        run: addAnchor
      }
    ],
    [anchors]
  )
  return (
    <div class="trust">
      {moment.value !== undefined && (
        <p class="hint">
          Anchors, verifications and erasures are shown as of now, because they are about the log as a whole.
        </p>
      )}
      <Summary anchors={anchors} verifications={verifications} />
      <VerifyForm />
      <Verifications query={verifications} />
      <Anchors query={anchors} onMake={addAnchor} />
      <Erasures />
    </div>
  )
}

export default TrustView
