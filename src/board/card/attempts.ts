import type { RecordedEvent } from "../api/types.ts"

/** How an attempt ended. `running` has not ended. */
export type Outcome = "running" | "completed" | "released" | "failed" | "expired" | "reclaimed" | "restored" | "blocked"

/** An attempt at a card: one claim, from the event that began it to the event that ended it. */
export interface Attempt {
  /** 1 for the card's first claim. */
  readonly number: number
  readonly owner: string
  readonly token: number
  /** The lease that the claim or its last renewal asked for, in seconds. */
  readonly ttlSeconds: number
  readonly startedAt: string
  /** When the lease expires or expired, after the last renewal. */
  readonly expiresAt: string
  /** `null` while it runs. */
  readonly endedAt: string | null
  readonly outcome: Outcome
  /** Why it was released or blocked; `null` without a reason, or if it was erased. */
  readonly reason: string | null
  /** Whether the reason was erased. */
  readonly isReasonErased: boolean
  /** When the claim was renewed. */
  readonly renewedAt: ReadonlyArray<string>
  /** How many notes were written under the claim. */
  readonly notes: number
}

/** The members of events that attempts are derived from. Each event has some of them. */
interface ClaimData {
  readonly owner?: string
  readonly token?: number
  readonly ttlSeconds?: number
  readonly expiresAt?: string
  readonly generation?: number
  readonly reason?: string | null
  readonly notBefore?: string | null
  readonly why?: "expired" | "requested" | "restored"
  readonly claim?: { readonly token: number } | null
  readonly endedClaim?: { readonly token: number } | null
}

/**
 * Derives the attempts at a card from its events, in order. An event that ends a claim ends the attempt with its token, and a
 * completion without a claim is no attempt.
 */
export const attemptsOf = (history: ReadonlyArray<RecordedEvent>): ReadonlyArray<Attempt> => {
  const attempts: Array<Attempt> = []
  const change = (token: number | undefined, changed: (attempt: Attempt) => Partial<Attempt>): void => {
    const index = attempts.findLastIndex((each) => each.token === token && each.endedAt === null)
    const attempt = attempts[index]
    if (attempt !== undefined) attempts[index] = { ...attempt, ...changed(attempt) }
  }
  for (const { data, occurredAt, redacted, type, version } of history) {
    const facts = data as ClaimData
    const end = (token: number | undefined, outcome: Outcome): void =>
      change(token, () => ({
        endedAt: occurredAt,
        outcome,
        reason: facts.reason ?? null,
        isReasonErased: redacted.includes("reason")
      }))
    switch (type) {
      case "CardClaimed":
        attempts.push({
          number: attempts.length + 1,
          owner: facts.owner ?? "",
          // Claims of the first schema version have no generation.
          token: (facts.generation ?? 0) + version,
          ttlSeconds: facts.ttlSeconds ?? 0,
          startedAt: occurredAt,
          expiresAt: facts.expiresAt ?? occurredAt,
          endedAt: null,
          outcome: "running",
          reason: null,
          isReasonErased: false,
          renewedAt: [],
          notes: 0
        })
        break
      case "ClaimRenewed":
        change(facts.token, ({ expiresAt, renewedAt, ttlSeconds }) => ({
          renewedAt: [...renewedAt, occurredAt],
          expiresAt: facts.expiresAt ?? expiresAt,
          ttlSeconds: facts.ttlSeconds ?? ttlSeconds
        }))
        break
      case "CardNoted":
        change(facts.claim?.token, ({ notes }) => ({ notes: notes + 1 }))
        break
      case "CardReleased":
        end(facts.token, facts.notBefore == null ? "released" : "failed")
        break
      case "CardReclaimed":
        end(facts.token, facts.why === "requested" ? "reclaimed" : (facts.why ?? "expired"))
        break
      case "CardBlocked":
        end(facts.endedClaim?.token, "blocked")
        break
      case "CardCompleted":
        end(facts.claim?.token, "completed")
        break
    }
  }
  return attempts
}

/** The place of an attempt in a chart, as fractions of the time from the first attempt to the end of the last: 0 to 1. */
export interface AttemptBar {
  readonly start: number
  readonly end: number
  /** Where the lease was renewed. */
  readonly renewals: ReadonlyArray<number>
  /** Until when the lease lasts, if that is after the end of the bar and inside the chart; otherwise the end of the bar. */
  readonly leaseEnd: number
}

/** Places attempts in one chart. `nowMillis` is the end of attempts that run, in milliseconds since 1970. */
export const layOutAttempts = (attempts: ReadonlyArray<Attempt>, nowMillis: number): ReadonlyArray<AttemptBar> => {
  const endOf = ({ endedAt }: Attempt): number => (endedAt === null ? nowMillis : Date.parse(endedAt))
  const leaseEndOf = (attempt: Attempt): number =>
    attempt.endedAt === null ? Math.max(nowMillis, Date.parse(attempt.expiresAt)) : endOf(attempt)
  const begin = Math.min(...attempts.map(({ startedAt }) => Date.parse(startedAt)))
  const finish = Math.max(...attempts.map(leaseEndOf))
  const fraction = (millis: number): number => (finish === begin ? 0 : (millis - begin) / (finish - begin))
  return attempts.map((attempt) => ({
    start: fraction(Date.parse(attempt.startedAt)),
    end: fraction(endOf(attempt)),
    renewals: attempt.renewedAt.map((each) => fraction(Date.parse(each))),
    leaseEnd: fraction(leaseEndOf(attempt))
  }))
}
