import { Effect, Schema, Stream } from "effect"
import { escapeHiddenInJson } from "../../domain/displayText.ts"
import { AuditService, EventType, InvalidInput, type RecordedEvent } from "../../index.ts"
import { agentTool } from "../AgentTool.ts"
import { card, whole } from "../parameters.ts"
import { pieceOf } from "../pieces.ts"
import { framed, instant, lines, moment, term, type Words, words } from "../words.ts"

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
    reads: true,
    showsText: true
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
        ...shown.flatMap(described),
        shown.length === 0 ? words`There is nothing more.` : undefined,
        shownLast === undefined ? undefined : words`[There are more: continue with afterVersion=${shownLast}]`
      ),
      data: {
        events: shown.map((event) => ({
          version: event.version,
          position: event.position,
          at: instant(event.occurredAt),
          type: event.type,
          actor: event.actor,
          ...dataOf(event)
        })),
        ...(shownLast === undefined ? {} : { afterVersion: shownLast })
      }
    }
  })
)

const isKnownType = Schema.is(EventType)

/** An event in a line, and its data in a frame. */
const described = (event: RecordedEvent): ReadonlyArray<Words> => {
  const { characters, data } = dataOf(event)
  const type = isKnownType(event.type) ? term(event.type) : words`${event.type}`
  return [
    words`${event.version} ${moment(event.occurredAt)} ${type} by ${event.actor}`,
    framed(data),
    ...(characters === undefined ? [] : [words`[data has ${characters} characters, of which ${data.length} are shown]`])
  ]
}

/** An event's data as JSON, and how many characters it has where that is not all of them. */
const dataOf = ({ data }: RecordedEvent): { readonly data: string; readonly characters?: number } => {
  const json = escapeHiddenInJson(JSON.stringify(data))
  const { next, text } = pieceOf(json, 0, dataShown)
  return next === undefined ? { data: text } : { data: text, characters: json.length }
}
