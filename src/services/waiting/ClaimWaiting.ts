import { Schema } from "effect"
import { ClaimMany } from "../../domain/Command.ts"
import { decodeInput } from "../decodeInput.ts"

/** Which cards a claim would choose among: all, when nothing is said. */
export const ClaimAmong = Schema.Struct({
  phase: ClaimMany.fields.phase,
  minPriority: ClaimMany.fields.minPriority
})

/** The longest that anybody waits for a card to claim in one call, in seconds. */
export const maxWaitSeconds = 3600

/** For what to wait, and how many seconds at most: 30 unless told otherwise; 0 looks once. */
export const AwaitClaimable = Schema.Struct({
  ...ClaimAmong.fields,
  waitSeconds: Schema.optional(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: maxWaitSeconds })))
})

/** How long to wait when nothing is said, in seconds. */
export const defaultWaitSeconds = 30

/** Checks what a claim would choose among. */
export const decodeClaimAmong = decodeInput(ClaimAmong)

/** Checks for what and how long to wait. */
export const decodeAwaitClaimable = decodeInput(AwaitClaimable)
