import { now } from "../api/serverClock.ts"
import type { RecordedEvent } from "../api/types.ts"
import type { Claimability } from "../components/Claimability.tsx"
import { formatDuration } from "../components/durations.ts"
import { Icon, type IconName } from "../components/Icon.tsx"
import { Countdown, LocalTime } from "../components/Times.tsx"
import { momentTime } from "../shell/momentTime.ts"
import { type Attempt, attemptsOf, layOutAttempts, type Outcome } from "./attempts.ts"
import { Section } from "./Section.tsx"

/** How the outcomes are shown: the icon, and the color of a column. */
const looks: Readonly<Record<Outcome, { readonly icon: IconName; readonly color: Claimability }>> = {
  running: { icon: "claimed", color: "claimed" },
  completed: { icon: "done", color: "done" },
  released: { icon: "claimable", color: "waiting" },
  failed: { icon: "alert", color: "blocked" },
  expired: { icon: "expired", color: "expired" },
  reclaimed: { icon: "refresh", color: "expired" },
  restored: { icon: "refresh", color: "expired" },
  blocked: { icon: "blocked", color: "blocked" }
}

/** How many attempts are shown: the last ones. */
const maxShown = 20

/** The attempts at a card, each as a bar in one chart: who, for how long, the renewals of the lease, and how it ended. */
export const Attempts = ({
  events,
  isPast
}: {
  readonly events: ReadonlyArray<RecordedEvent>
  readonly isPast: boolean
}) => {
  const all = attemptsOf(events)
  if (all.length === 0) return null
  const shown = all.slice(-maxShown)
  const end = isPast ? Date.parse(momentTime.value ?? events.at(-1)?.recordedAt ?? "") : now.value
  const bars = layOutAttempts(shown, end)
  return (
    <Section title="Attempts" count={all.length}>
      <ol class="attempts" start={all.length - shown.length + 1}>
        {shown.map((attempt, index) => {
          const { color, icon } = looks[attempt.outcome]
          const bar = bars[index] ?? { start: 0, end: 0, leaseEnd: 0, renewals: [] }
          return (
            <li key={attempt.number} class={color}>
              <p>
                <b dir="auto">{attempt.owner}</b>
                <span class={`mark ${color}`}>
                  <Icon name={icon} />
                  {attempt.outcome}
                </span>
                <span class="hint">{durationOf(attempt, end)}</span>
              </p>
              <div class="bar-track" aria-hidden="true">
                <i class="bar-lease" style={{ left: percent(bar.start), width: percent(bar.leaseEnd - bar.start) }} />
                <i class="bar" style={{ left: percent(bar.start), width: percent(bar.end - bar.start) }} />
                {bar.renewals.slice(-50).map((at) => (
                  <i key={at} class="bar-renewal" style={{ left: percent(at) }} />
                ))}
              </div>
              <p class="hint">
                token {attempt.token} · lease {formatDuration(attempt.ttlSeconds)} ·{" "}
                {attempt.renewedAt.length === 1 ? "1 renewal" : `${attempt.renewedAt.length} renewals`}
                {attempt.notes > 0 && ` · ${attempt.notes === 1 ? "1 note" : `${attempt.notes} notes`}`} ·{" "}
                <span class="nowrap">
                  since <LocalTime at={attempt.startedAt} />
                </span>
                {attempt.endedAt === null && !isPast && (
                  <>
                    {" "}
                    ·{" "}
                    <span class="nowrap">
                      {Date.parse(attempt.expiresAt) > end ? "expires in " : "expired "}
                      <Countdown until={attempt.expiresAt} />
                    </span>
                  </>
                )}
              </p>
              {attempt.reason !== null && (
                <p class="reason" dir="auto">
                  {attempt.reason}
                </p>
              )}
              {attempt.isReasonErased && (
                <p class="reason">
                  <span class="mark erased">reason erased from the log</span>
                </p>
              )}
            </li>
          )
        })}
      </ol>
      {shown.length < all.length && (
        <p class="hint">
          Showing the last {shown.length} of {all.length}. The events below have all of them.
        </p>
      )}
    </Section>
  )
}

const percent = (fraction: number): string => `${(fraction * 100).toFixed(2)}%`

const durationOf = ({ endedAt, startedAt }: Attempt, end: number): string =>
  formatDuration(((endedAt === null ? end : Date.parse(endedAt)) - Date.parse(startedAt)) / 1000)
