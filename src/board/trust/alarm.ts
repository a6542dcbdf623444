import { effect, type ReadonlySignal, signal } from "@preact/signals"
import { apiAddress, getJson } from "../api/request.ts"
import { serverNow } from "../api/serverClock.ts"
import { session } from "../api/session.ts"
import type { Verification } from "../api/types.ts"
import { readSetting, writeSetting } from "../shell/storage.ts"

/** A verification that found that the log does not continue an anchor. */
export type Alarm = Pick<Verification, "verifiedAt" | "anchorPosition" | "position" | "actor">

/** What this browser knows of the alarms of one server. */
interface AlarmSetting {
  /** An alarm that the reader has not acknowledged. It remains if the server no longer lists it. */
  readonly raised?: Alarm
  /** Verifications until this time raise no alarm, because the reader has acknowledged one. */
  readonly acknowledgedUntil?: string
}

const settingName = `alarm ${apiAddress}`

const readAlarmSetting = (): AlarmSetting => {
  try {
    return JSON.parse(readSetting(settingName) ?? "{}") as AlarmSetting
  } catch {
    return {}
  }
}

const raised = signal(readAlarmSetting().raised)

/** The alarm that the page shows above every view; `undefined` if there is none. */
export const alarm: ReadonlySignal<Alarm | undefined> = raised

/** Raises the alarm, unless the reader has acknowledged a later one. It stays until `acknowledgeAlarm`, also after a reload. */
export const raiseAlarm = ({ actor, anchorPosition, position, verifiedAt }: Alarm): void => {
  const { acknowledgedUntil } = readAlarmSetting()
  if (acknowledgedUntil !== undefined && verifiedAt <= acknowledgedUntil) return
  const earlier = raised.peek()
  if (earlier !== undefined && verifiedAt <= earlier.verifiedAt) return
  raised.value = { actor, anchorPosition, position, verifiedAt }
  writeSetting(settingName, JSON.stringify({ acknowledgedUntil, raised: raised.value }))
}

/** Raises the alarm for the latest verification that found a mismatch. The latest is first. */
export const raiseAlarmOf = (verifications: ReadonlyArray<Verification>): void => {
  const mismatch = verifications.find(({ anchorMatched }) => anchorMatched === false)
  if (mismatch !== undefined) raiseAlarm(mismatch)
}

/** Removes the alarm in this browser. Verifications that ended before raise none again. */
export const acknowledgeAlarm = (): void => {
  const last = Math.max(serverNow(), Date.parse(raised.peek()?.verifiedAt ?? "1970"))
  // The server's clock is known to about a second.
  const acknowledgedUntil = new Date(last + 1_000).toISOString()
  raised.value = undefined
  writeSetting(settingName, JSON.stringify({ acknowledgedUntil }))
}

/** The number of verifications in which the page searches for a mismatch when it is opened. */
const searched = 100

/** Searches the verifications for a mismatch whenever a session is opened. */
export const keepAlarm = (): void => {
  effect(() => {
    if (session.value._tag !== "Open") return
    getJson<ReadonlyArray<Verification>>("verifications", { limit: searched }).then(
      raiseAlarmOf,
      // The view Trust says why it cannot read the verifications.
      () => undefined
    )
  })
}
