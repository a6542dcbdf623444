import type { ComponentChildren } from "preact"
import { head } from "../api/follow.ts"
import { getJson } from "../api/request.ts"
import type { Anchor, Density, MadeAnchor, Verification } from "../api/types.ts"
import { type Query, useQuery } from "../api/useQuery.ts"
import { CopyButton } from "../components/CopyButton.tsx"
import { Answered } from "../components/Condition.tsx"
import { Ago, formatNumber } from "../components/Times.tsx"
import { moment } from "../shell/location.ts"
import { loadEventAt } from "../time/loadMoment.ts"
import { anchorRefusal } from "./madeAnchor.ts"
import { OutcomeMark } from "./OutcomeMark.tsx"

/** The end of the log, the last anchor and the last verification, each with its age. */
export const Summary = ({
  anchors,
  verifications
}: {
  readonly anchors: Query<ReadonlyArray<MadeAnchor>>
  readonly verifications: Query<ReadonlyArray<Verification>>
}) => (
  <div class="trust-summary">
    <Tile title="End of the log">
      <Head />
    </Tile>
    {moment.value !== undefined && moment.value > 0 && (
      <Tile title={`The log at position ${formatNumber(moment.value)}`}>
        <EventHash key={moment.value} position={moment.value} />
      </Tile>
    )}
    <Tile title="Last anchor">
      <Answered query={anchors} what="the anchors">
        {([last]) =>
          last === undefined ? (
            <p class="hint">No anchor was made. Without one, nothing can show that the log was replaced.</p>
          ) : (
            <>
              <p class="trust-figure">
                <Ago at={last.madeAt} />
              </p>
              <p class="hint">
                at position {formatNumber(last.position)}. {sinceThen(last.position)}
              </p>
            </>
          )
        }
      </Answered>
    </Tile>
    <Tile title="Last verification">
      <Answered query={verifications} what="the verifications">
        {([last]) =>
          last === undefined ? (
            <p class="hint">The log was not verified yet.</p>
          ) : (
            <>
              <p class="trust-figure">
                <Ago at={last.verifiedAt} />
              </p>
              <p>
                <OutcomeMark verification={last} />
              </p>
              <p class="hint">
                up to position {formatNumber(last.position)}. {sinceThen(last.position)}
              </p>
            </>
          )
        }
      </Answered>
    </Tile>
  </div>
)

const Tile = ({ children, title }: { readonly title: string; readonly children: ComponentChildren }) => (
  <section class="trust-tile">
    <h2>{title}</h2>
    {children}
  </section>
)

const sinceThen = (position: number): string => {
  const count = head.value - position
  if (count <= 0) return "No events since then."
  return count === 1 ? "1 event since then." : `${formatNumber(count)} events since then.`
}

/** The last event of the log: its position, when it was recorded, and the chain hash that covers all events. */
const Head = () => {
  const refusal = anchorRefusal()
  const end = useQuery(`head ${refusal === undefined}`, async (signal) => {
    const { to, buckets } = await getJson<Density>("density", { buckets: 1 }, signal)
    const anchor = refusal === undefined ? await getJson<Anchor>("anchor", { record: false }, signal) : undefined
    return { position: anchor?.position ?? to, chainHash: anchor?.chainHash, at: buckets.at(-1)?.endedAt }
  })
  return (
    <Answered query={end} what="the end of the log">
      {({ at, chainHash, position }) => (
        <>
          <p class="trust-figure">{formatNumber(position)}</p>
          <p class="hint">
            {position === 0 ? (
              "The log is empty."
            ) : (
              <>
                position of the last event
                {at !== undefined && (
                  <>
                    , recorded <Ago at={at} />
                  </>
                )}
              </>
            )}
          </p>
          {chainHash === undefined ? <p class="hint">Chain hash: {refusal}</p> : <ChainHash value={chainHash} />}
        </>
      )}
    </Answered>
  )
}

/** The chain hash of a past event, which covers it and all events before it. */
const EventHash = ({ position }: { readonly position: number }) => {
  const event = useQuery(`event ${position}`, async (signal) => (await loadEventAt(position, signal)) ?? null, {
    isAffectedBy: false
  })
  return (
    <Answered query={event} what="the event">
      {(found) =>
        found === null ? (
          <p class="hint">The log ends before this position.</p>
        ) : (
          <>
            <p class="hint">
              recorded <Ago at={found.recordedAt} />
            </p>
            <ChainHash value={found.chainHash} />
          </>
        )
      }
    </Answered>
  )
}

const ChainHash = ({ value }: { readonly value: string }) => (
  <p class="trust-hash" title="The chain hash: the hash of this event and all events before it">
    <code>{value}</code>
    <CopyButton isQuiet label="Copy the chain hash" text={value} />
  </p>
)
