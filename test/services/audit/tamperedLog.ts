import { Effect } from "effect"
import type { Statement } from "effect/sql"
import { expect } from "vitest"
import { AuditService } from "../../../src/services/AuditService.ts"
import { type Client, tables, type TestBacklog } from "../../support/backlogs.ts"
import { disarm, insertEvent, recommit, rehash } from "../../support/tampering.ts"
import type { Test } from "../conformance/harness.ts"
import { plot, plotLength } from "./plot.ts"

/** A reported divergence: check, card, position and field. */
export type Reported = readonly [check: string, cardId: string | null, position: number | null, field: string | null]

/** The report of a verification of the plot, optionally against the anchor from before the damage. */
export const reported = (options?: Parameters<AuditService["Service"]["verify"]>[0]) =>
  Effect.gen(function* () {
    const audit = yield* AuditService
    const report = yield* audit.verify(options)
    expect(report.divergenceCount).toBe(report.divergences.length)
    for (const { expected, found } of report.divergences) expect(expected).not.toBe(found)
    return report.divergences.map(({ cardId, check, field, position }): Reported => [check, cardId, position, field])
  })

type Change = Effect.Effect<unknown, unknown, TestBacklog | Client>

type Tables = Effect.Success<typeof tables>

const update = (change: (tables: Tables) => Statement.Statement<unknown>): Change =>
  Effect.flatMap(tables, (all) => change(all))

/** Sets columns of the event at a position. */
const set = (position: number, columns: string): Change =>
  update(({ events, sql }) => sql`UPDATE ${events} SET ${sql.literal(columns)} WHERE position = ${BigInt(position)}`)

const payload = (position: number, path: string, value: string): Change =>
  set(position, `data = jsonb_set(data, '{${path}}', '${value}')`)

const remove = (where: string): Change =>
  update(({ events, sql }) => sql`DELETE FROM ${events} WHERE ${sql.literal(where)}`)

/** Moves an event to another position, and shifts the events that are there. */
const move = (from: number, to: number): Change => set(from, `position = ${to}`)

const swapPositions = (one: number, other: number): Change =>
  Effect.all([move(one, -1), move(other, one), move(-1, other)])

const swapVersions = (one: number, other: number, versions: readonly [one: number, other: number]): Change =>
  Effect.all([set(one, "version = -1"), set(other, `version = ${versions[0]}`), set(one, `version = ${versions[1]}`)])

const hashed = (...changes: ReadonlyArray<Change>): Change => Effect.all([...changes, rehash])

const consistently = (...changes: ReadonlyArray<Change>): Change =>
  Effect.all([...changes, rehash, Effect.flatMap(AuditService, (audit) => audit.rebuild())])

const setHead = (columns: string): Change => update(({ head, sql }) => sql`UPDATE ${head} SET ${sql.literal(columns)}`)

const end = plotLength

/** The divergences of cards whose dependency `a` has no readable event. */
const waiting: ReadonlyArray<Reported> = [
  ["unmetDependencies", "b", null, "unmetDependencies"],
  ["unmetDependencies", "c", null, "unmetDependencies"]
]

/** Changes of the log and the expected divergences. */
const damages: ReadonlyArray<readonly [title: string, change: Change, reported: ReadonlyArray<Reported>]> = [
  ["a part that can be erased", payload(1, "title", '"Other"'), [["content", "a", 1, "title"]]],
  ["a value inside such a part", payload(1, "acceptance,rows", "2"), [["content", "a", 1, "acceptance"]]],
  ["a plain part", payload(1, "priority", "2"), [["content", "a", 1, null]]],
  ["a part that is added", payload(10, "priority", "2"), [["content", "c", 10, null]]],
  ["a part that is removed", set(13, "data = data - 'phase'"), [["content", "e", 13, null]]],
  [
    "a part that can be erased, and its hash with it",
    Effect.all([payload(1, "title", '"Other"'), recommit(1)]),
    [["content", "a", 1, null]]
  ],
  [
    "a commitment where nothing is committed",
    set(1, `commitments = commitments - 'title'`),
    [["content", "a", 1, "title"]]
  ],
  [
    "a commitment to a part that is not erasable, and all hashes",
    hashed(
      set(
        1,
        `commitments = commitments || jsonb_build_object('phase', jsonb_build_object('salt', repeat('0', 32),
          'sha256', encode(sha256(decode(repeat('0', 32), 'hex') || '"one"'), 'hex')))`
      )
    ),
    [["content", "a", 1, "phase"]]
  ],
  [
    "a commitment to a part that does not exist",
    set(1, `commitments = commitments || jsonb_build_object('result', commitments->'title')`),
    [["content", "a", 1, "result"]]
  ],
  [
    "a commitment's hash",
    set(1, `commitments = jsonb_set(commitments, '{title,sha256}', to_jsonb(repeat('0', 64)))`),
    [["content", "a", 1, "title"]]
  ],
  [
    "a hash that is invalid",
    set(1, `commitments = jsonb_set(commitments, '{title,sha256}', '"0"')`),
    [["decode", "a", 1, null], ...waiting]
  ],
  [
    "a salt",
    set(1, `commitments = jsonb_set(commitments, '{title,salt}', to_jsonb(repeat('0', 32)))`),
    [["content", "a", 1, "title"]]
  ],
  ["a salt that is removed", set(1, `commitments = commitments #- '{title,salt}'`), [["content", "a", 1, "title"]]],
  [
    "a salt with something after it",
    set(1, `commitments = jsonb_set(commitments, '{title,salt}', to_jsonb((commitments#>>'{title,salt}') || 'zz'))`),
    [["decode", "a", 1, null], ...waiting]
  ],
  [
    "the first digit of a number that is made the end of the salt",
    Effect.all([
      payload(2, "acceptance", "2345"),
      set(
        2,
        `commitments = jsonb_set(commitments, '{acceptance,salt}',
        to_jsonb((commitments#>>'{acceptance,salt}') || '31'))`
      )
    ]),
    [["decode", "b", 2, null]]
  ],
  [
    "a number by less than the precision of a double",
    payload(1, "priority", "1.00000000000000000001"),
    [["decode", "a", 1, null], ...waiting]
  ],
  [
    "a number in an erasable part by less than the precision of a double",
    payload(1, "acceptance,rows", "1.00000000000000000001"),
    [["decode", "a", 1, null], ...waiting]
  ],
  [
    "a number of sixteen digits by one",
    payload(1, "acceptance,large", "9007199254740993"),
    [["decode", "a", 1, null], ...waiting]
  ],
  [
    "a number that readers cannot represent",
    payload(1, "acceptance,rows", `1${"0".repeat(400)}`),
    [["decode", "a", 1, null], ...waiting]
  ],
  ["a payload that is not an object", set(1, "data = '[]'"), [["decode", "a", 1, null], ...waiting]],
  [
    "another field next to a salt",
    set(10, `commitments = jsonb_set(commitments, '{title,more}', '1')`),
    [["decode", "c", 10, null]]
  ],
  ["when it happened, to no time at all", set(10, "occurred_at = 'infinity'"), [["decode", "c", 10, null]]],
  ["the actor", set(5, "actor = 'w9'"), [["content", "a", 5, null]]],
  ["an actor without a name", set(5, "actor = ''"), [["decode", "a", 5, null]]],
  ["the command's id", set(2, "command_id = 'other'"), [["content", "b", 2, null]]],
  ["the correlation's id", set(2, "correlation_id = NULL"), [["content", "b", 2, null]]],
  ["the causation's id", set(5, "causation_id = 'other'"), [["content", "a", 5, null]]],
  ["when it happened", set(5, "occurred_at = occurred_at + interval '1 millisecond'"), [["content", "a", 5, null]]],
  [
    "when it happened, by a microsecond",
    set(5, "occurred_at = occurred_at + interval '1 microsecond'"),
    [["time", "a", 5, "occurredAt"]]
  ],
  ["when it was recorded", set(5, "recorded_at = recorded_at + interval '1 millisecond'"), [["content", "a", 5, null]]],
  [
    "when it was recorded, by a microsecond",
    set(5, "recorded_at = recorded_at + interval '1 microsecond'"),
    [["time", "a", 5, "recordedAt"]]
  ],
  [
    "when it was recorded, to after the next, and all hashes",
    hashed(set(5, "recorded_at = recorded_at + interval '1500 milliseconds'")),
    [["time", "a", 6, "recordedAt"]]
  ],
  ["when it was recorded, to no time at all", set(5, "recorded_at = 'infinity'"), [["time", "a", 6, "recordedAt"]]],
  [
    "the last recording time, by a microsecond",
    set(end, "recorded_at = recorded_at + interval '1 microsecond'"),
    [
      ["head", null, end, "recordedAt"],
      ["time", "f", end, "recordedAt"]
    ]
  ],
  ["the type", set(11, "type = 'CardReopened'"), [["content", "d", 11, null]]],
  [
    "the type, and all hashes, to an unknown type",
    hashed(set(10, "type = 'CardPainted'")),
    [["decode", "c", 10, null]]
  ],
  ["the schema's version", set(10, "schema_version = 2"), [["content", "c", 10, null]]],
  ["the schema's version, and all hashes", hashed(set(10, "schema_version = 3")), [["decode", "c", 10, null]]],
  ["a content hash", set(10, "content_hash = decode(repeat('00', 32), 'hex')"), [["chain", "c", 10, null]]],
  [
    "a chain hash",
    set(10, "chain_hash = decode(repeat('00', 32), 'hex')"),
    [
      ["chain", "c", 10, null],
      ["chain", "d", 11, null]
    ]
  ],
  [
    "an event that is moved to another card",
    set(15, "card_id = 'e', version = 2"),
    [
      ["content", "e", 15, null],
      ["card", "c", 14, "priority"]
    ]
  ],
  [
    "an event in the middle, deleted",
    remove("position = 6"),
    [
      ["position", null, 6, null],
      ["version", "a", 7, null]
    ]
  ],
  [
    "the first event, deleted",
    remove("position = 1"),
    [["position", null, 1, null], ["version", "a", 5, null], ...waiting]
  ],
  [
    "the last ten events, deleted",
    remove(`position > ${end - 10}`),
    [
      ["head", null, 12, "position"],
      ["head", null, 12, "chainHash"],
      ["head", null, 12, "recordedAt"],
      ["card", "c", 10, "priority"],
      ["card", "e", 13, null],
      ["card", "f", 22, null],
      ["card", "g", 19, null]
    ]
  ],
  [
    "a whole card, deleted",
    remove("card_id = 'g'"),
    [
      ["position", null, 18, null],
      ["card", "g", 19, null]
    ]
  ],
  [
    "a whole card, deleted from the read model too",
    Effect.all([remove("card_id = 'g'"), update(({ cards, sql }) => sql`DELETE FROM ${cards} WHERE id = 'g'`)]),
    [["position", null, 18, null]]
  ],
  [
    "every event, deleted",
    remove("true"),
    [
      ["head", null, 0, "position"],
      ["head", null, 0, "chainHash"],
      ["head", null, 0, "recordedAt"],
      ["card", "a", 7, null],
      ["card", "b", 9, null],
      ["card", "c", 15, null],
      ["card", "d", 12, null],
      ["card", "e", 13, null],
      ["card", "f", 22, null],
      ["card", "g", 19, null]
    ]
  ],
  [
    "two events, swapped",
    swapPositions(7, 8),
    [
      ["chain", "b", 7, null],
      ["chain", "a", 8, null]
    ]
  ],
  [
    "two events of one card, swapped, and all hashes",
    hashed(swapPositions(10, 15)),
    [
      ["time", "d", 11, "recordedAt"],
      ["time", "c", 15, "recordedAt"]
    ]
  ],
  ["two versions of one card, swapped", swapVersions(5, 6, [2, 3]), [["content", "a", 6, null]]],
  [
    "two versions of one card, swapped, and all hashes",
    hashed(swapVersions(10, 15, [2, 4])),
    [["position", "c", 14, null]]
  ],
  [
    "an event before all others",
    insertEvent(0, { cardId: "z", version: 1, type: "CardUnblocked", data: {} }),
    [["position", "z", 0, null]]
  ],
  [
    "an event at the end that is not in the head",
    insertEvent(end + 1, { cardId: "f", version: 6, type: "CardRevised", data: { priority: 1 } }),
    [
      ["chain", "f", end + 1, null],
      ["head", null, end + 1, "position"],
      ["head", null, end + 1, "chainHash"]
    ]
  ],
  [
    "an event at the end, with the head",
    hashed(insertEvent(end + 1, { cardId: "f", version: 6, type: "CardRevised", data: { priority: 1 } })),
    [["card", "f", end + 1, "priority"]]
  ],
  [
    "an event in the middle",
    Effect.gen(function* () {
      for (let position = end; position > 12; position--) yield* move(position, position + 1)
      yield* insertEvent(13, { cardId: "z", version: 1, type: "CardUnblocked", data: { reason: null } })
      yield* setHead(`position = ${end + 1}, guarded_position = ${end + 1}`)
    }),
    [
      ["chain", "z", 13, null],
      ["chain", "e", 14, null],
      ["card", "c", 16, "position"],
      ["card", "f", 23, "position"],
      ["card", "g", 20, "position"]
    ]
  ],
  [
    "a part that is erased without a redaction",
    set(1, `data = data - 'body', commitments = commitments #- '{body,salt}'`),
    [["redaction", "a", 7, "body"]]
  ],
  [
    "a part that is restored after a redaction, and all hashes",
    hashed(set(18, `data = data || '{"body": "a secret"}', commitments = commitments - 'body'`)),
    [["redaction", "g", 19, "body"]]
  ],
  [
    "a redaction of nothing, made consistently",
    consistently(
      insertEvent(end + 1, {
        cardId: "f",
        version: 6,
        type: "CardRedacted",
        data: { erased: [{ version: 1, parts: ["title"] }], reason: "none" }
      })
    ),
    [["redaction", "f", end + 1, "title"]]
  ],
  [
    "a cycle, made consistently",
    consistently(insertEvent(end + 1, { cardId: "d", version: 4, type: "CardLinked", data: { dependsOn: "e" } })),
    [["cycle", null, null, "dependsOn"]]
  ],
  [
    "a claim on a held card, made consistently",
    consistently(
      insertEvent(end + 1, {
        cardId: "d",
        version: 4,
        type: "CardClaimed",
        data: { owner: "w9", ttlSeconds: 60, expiresAt: "2026-01-01T00:10:00.000Z" }
      })
    ),
    [["fold", "d", end + 1, null]]
  ],
  [
    "a renewal by another owner, made consistently",
    consistently(
      insertEvent(end + 1, {
        cardId: "d",
        version: 4,
        type: "ClaimRenewed",
        data: { owner: "w9", token: 3, ttlSeconds: 60, expiresAt: "2026-01-01T00:10:00.000Z" }
      })
    ),
    [["fold", "d", end + 1, null]]
  ],
  [
    "an event of a card that does not exist, made consistently",
    consistently(insertEvent(end + 1, { cardId: "z", version: 1, type: "CardUnblocked", data: { reason: null } })),
    [["fold", "z", end + 1, null]]
  ],
  [
    "the head's position, up",
    setHead("position = position + 1, guarded_position = position + 1"),
    [["head", null, end, "position"]]
  ],
  ["the head's position, down", setHead("position = position - 1"), [["head", null, end, "position"]]],
  ["the head's hash", setHead("chain_hash = decode(repeat('00', 32), 'hex')"), [["head", null, end, "chainHash"]]],
  ["the head's time", setHead("recorded_at = recorded_at + interval '1 second'"), [["head", null, end, "recordedAt"]]],
  [
    "the head's time, by a microsecond",
    setHead("recorded_at = recorded_at + interval '1 microsecond'"),
    [["head", null, end, "recordedAt"]]
  ],
  [
    "the head's row, removed",
    update(({ head, sql }) => sql`DELETE FROM ${head}`),
    [
      ["head", null, end, "position"],
      ["head", null, end, "chainHash"],
      ["head", null, end, "recordedAt"]
    ]
  ],
  ["the head's time, to none", setHead("recorded_at = '-infinity'"), [["head", null, end, "recordedAt"]]]
]

/** Changes that only an anchor finds: the log and the read model are consistent. */
const forgeries: ReadonlyArray<readonly [title: string, change: Change, position: number]> = [
  ["an actor", hashed(set(5, "actor = 'w9'")), end],
  ["a payload, with its commitment", consistently(payload(10, "title", '"Other"')), end],
  ["a time", consistently(set(5, "occurred_at = occurred_at + interval '1 millisecond'")), end],
  ["the first event", hashed(set(1, "correlation_id = 'other'")), end],
  ["the last event", hashed(set(end, "actor = 'w9'")), end],
  ["a salt", hashed(set(1, `commitments = jsonb_set(commitments, '{title,salt}', to_jsonb(repeat('0', 32)))`)), end],
  ["the last ten events, gone", consistently(remove(`position > ${end - 10}`)), end],
  ["the anchored event, gone", consistently(remove(`position = ${end}`)), end],
  ["every event, gone", consistently(remove("true")), end],
  ["two cards that were created in one batch, swapped", consistently(swapPositions(1, 4)), end]
]

/** A verification finds every change of the log, also by a user with all privileges. */
export const tamperedLog = (test: Test): void => {
  for (const [title, change, expected] of damages) {
    test.unverified(
      `verify finds a change: ${title}`,
      Effect.gen(function* () {
        yield* plot
        expect(yield* reported()).toEqual([])
        yield* disarm
        yield* change
        expect(yield* reported()).toEqual(expected)
      })
    )
  }

  for (const [title, change, position] of forgeries) {
    test.unverified(
      `only the anchor finds a change with new hashes: ${title}`,
      Effect.gen(function* () {
        const audit = yield* AuditService
        yield* plot
        const anchor = yield* audit.anchor()
        expect(anchor.position).toBe(position)
        expect(yield* reported({ anchor })).toEqual([])
        yield* disarm
        yield* change
        expect(yield* reported()).toEqual([])
        expect(yield* reported({ anchor })).toEqual([["anchor", null, position, null]])
      })
    )
  }
}
