import { Effect, Schema, Stream } from "effect"
import { AuditService, InvalidInput, type RecordedEvent } from "../../index.ts"
import { agentTool } from "../AgentTool.ts"
import { card, whole } from "../parameters.ts"
import { shortened } from "../pieces.ts"
import { instant, lines } from "../words.ts"

const usual = 20
const most = 100

/** Characters of each event's data that are shown. */
const dataShown = 400

export const history = agentTool(
  "backlog_history",
  {
    about: "What happened to a card: its events, in order.",
    takes: {
      ...card,
      limit: Schema.optional(whole(`Default ${usual}, at most ${most}`)),
      afterVersion: Schema.optional(whole("Go on after this event"))
    },
    reads: true
  },
  Effect.fnUntraced(function* ({ afterVersion = 0, id, limit = usual }) {
    if (limit < 1 || limit > most) {
      return yield* new InvalidInput({ problem: `Expected 1 to ${most}\n  at ["limit"]` })
    }
    let last = 0
    const events = yield* (yield* AuditService).history(id).pipe(
      Stream.tap(({ version }) => Effect.sync(() => (last = version))),
      Stream.dropWhile(({ version }) => version <= afterVersion),
      Stream.take(limit + 1),
      Stream.runCollect
    )
    if (afterVersion > last) {
      return yield* new InvalidInput({
        problem: `Expected a version up to ${last}, the card's last, got ${afterVersion}\n  at ["afterVersion"]`
      })
    }
    const shown = events.slice(0, limit)
    const shownLast = events.length > limit ? shown.at(-1)?.version : undefined
    return {
      text: lines(
        ...shown.map(
          (event) => `${event.version} ${instant(event.occurredAt)} ${event.type} by ${event.actor} ${dataOf(event)}`
        ),
        shown.length === 0 ? "There is nothing more." : undefined,
        shownLast === undefined ? undefined : `[There are more: continue with afterVersion=${shownLast}]`
      ),
      data: {
        events: shown.map((event) => ({
          version: event.version,
          position: event.position,
          at: instant(event.occurredAt),
          type: event.type,
          actor: event.actor,
          data: dataOf(event)
        })),
        ...(shownLast === undefined ? {} : { afterVersion: shownLast })
      }
    }
  })
)

const dataOf = ({ data }: RecordedEvent): string => shortened(JSON.stringify(data), dataShown)
