import { Effect, Exit, Fiber, Option, Stream } from "effect"
import { expect } from "vitest"
import {
  AuditService,
  BacklogService,
  CheckpointAhead,
  EventType,
  InvalidInput,
  MomentNotReached
} from "../../../src/index.ts"
import { tables } from "../../support/backlogs.ts"
import { onBothDatabases, type Test } from "../../support/databases.ts"
import { until } from "../../support/waiting.ts"

const createCards = (ids: ReadonlyArray<string>) =>
  Effect.flatMap(BacklogService, (backlog) =>
    backlog.createMany({ actor: "ann", cards: ids.map((id) => ({ id, title: "T" })) })
  )

const notReached = (position: number, head: number) =>
  new MomentNotReached({ asked: `position ${position}`, reached: `the log ends at ${head}` })

/** Moves a consumer's checkpoint beyond the end of the log, as a restore does. */
const putCheckpoint = (consumer: string, position: number) =>
  Effect.gen(function* () {
    const { schema, sql } = yield* tables
    yield* sql`INSERT INTO ${sql(`${schema}.checkpoints`)} (consumer, position, updated_at)
      VALUES (${consumer}, ${BigInt(position)}::int8, now())
      ON CONFLICT (consumer) DO UPDATE SET position = excluded.position`
  })

const positions = (test: Test): void => {
  test(
    "beyond the end of the log are refused by every read, and the end itself is accepted",
    Effect.gen(function* () {
      const audit = yield* AuditService
      yield* createCards(["a", "b", "c"])
      const failures: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
        Stream.runDrain(audit.events({ after: 4 })),
        Stream.runDrain(audit.events({ after: 4, follow: true })),
        audit.backlogAt({ position: 4 }),
        audit.cardAt("a", { position: 4 }),
        audit.explainAt("a", { position: 4 }),
        audit.advance("new", 0, 4),
        audit.park("new", 4, "why")
      ]
      for (const failing of failures) expect(yield* Effect.flip(failing)).toEqual(notReached(4, 3))
      expect(yield* audit.checkpoints).toEqual([])
      expect(yield* audit.parked()).toEqual([])

      expect(yield* Stream.runCollect(audit.events({ after: 3 }))).toEqual([])
      const next = yield* Effect.forkScoped(Stream.runHead(audit.events({ after: 3, follow: true })))
      yield* audit.advance("new", 0, 3)
      expect((yield* audit.backlogAt({ position: 3 })).position).toBe(3)
      yield* createCards(["d"])
      expect(Option.getOrThrow(yield* Fiber.join(next)).position).toBe(4)
    })
  )

  test(
    "that a follower has seen and the log no longer has end the follower",
    Effect.gen(function* () {
      const { head, sql } = yield* tables
      const audit = yield* AuditService
      yield* createCards(["a", "b", "c"])
      const seen: Array<number> = []
      const follower = yield* Effect.forkScoped(
        Stream.runForEach(audit.events({ follow: true }), ({ position }) => Effect.sync(() => seen.push(position)))
      )
      yield* until(Effect.sync(() => seen.length === 3))
      yield* sql`UPDATE ${head} SET position = 2`
      expect(yield* Effect.flip(Fiber.join(follower))).toEqual(notReached(3, 2))
      yield* sql`UPDATE ${head} SET position = 3, guarded_position = 3`
    })
  )

  test(
    "beyond the end of the log in a checkpoint end the consumer until the checkpoint is reset",
    Effect.gen(function* () {
      const audit = yield* AuditService
      yield* createCards(["a", "b", "c"])
      yield* putCheckpoint("mailer", 9)
      const handled: Array<number> = []
      const consume = (follow: boolean) =>
        audit.consume({
          consumer: "mailer",
          follow,
          handler: ({ position }) => Effect.sync(() => void handled.push(position))
        })
      for (const follow of [false, true]) {
        const error = yield* Effect.flip(consume(follow))
        expect(error).toEqual(new CheckpointAhead({ consumer: "mailer", position: 9, head: 3 }))
        expect((error as CheckpointAhead).message).toMatch(/is at 9, and the log ends at 3.*--reset-to 3/)
      }
      expect(Option.getOrThrow(yield* audit.checkpoint("mailer")).position).toBe(9)

      expect(yield* Effect.flip(audit.advance("mailer", 9, 10))).toEqual(notReached(10, 3))
      expect(yield* Effect.flip(audit.advance("mailer", 9, 4))).toEqual(notReached(4, 3))
      expect(yield* Effect.flip(audit.advance("mailer", 8, 1))).toMatchObject({ _tag: "CheckpointMoved", found: 9 })
      yield* audit.advance("mailer", 9, 1)
      // A checkpoint within the log moves only forward.
      expect(yield* Effect.flip(audit.advance("mailer", 1, 0))).toBeInstanceOf(InvalidInput)
      expect(yield* consume(false)).toBe(2)
      expect(handled).toEqual([2, 3])
      yield* putCheckpoint("mailer", 9)
      yield* audit.advance("mailer", 9, 0)
      expect(yield* consume(false)).toBe(3)
    })
  )

  test(
    "that a consumer has read and the log no longer has move no checkpoint, and their writes are rolled back",
    Effect.gen(function* () {
      const { head, sql } = yield* tables
      const audit = yield* AuditService
      yield* createCards(["a", "b", "c"])
      const exit = yield* Effect.exit(
        audit.consume({
          consumer: "mailer",
          batchSize: 2,
          handler: ({ position }) =>
            position === 3 ? Effect.asVoid(Effect.orDie(sql`UPDATE ${head} SET position = 2`)) : Effect.void
        })
      )
      expect(exit).toEqual(Exit.fail(notReached(3, 2)))
      expect(Option.getOrThrow(yield* audit.checkpoint("mailer")).position).toBe(2)
    })
  )
}

const types = (test: Test): void => {
  test(
    "that no event has are refused with the names of the existing types, and move no checkpoint",
    Effect.gen(function* () {
      const audit = yield* AuditService
      yield* createCards(["a"])
      const consume = (type: never) => audit.consume({ consumer: "mailer", type, handler: () => Effect.void })
      for (const type of [
        "CardCretaed",
        "",
        "cardcreated",
        { other: "" },
        { another: "CardCreated" }
      ] as Array<never>) {
        expect(yield* Effect.flip(consume(type))).toBeInstanceOf(InvalidInput)
        expect(yield* Effect.flip(Stream.runDrain(audit.events({ type })))).toBeInstanceOf(InvalidInput)
      }
      for (const follow of [false, true]) {
        const { message } = yield* Effect.flip(
          Stream.runDrain(audit.events({ type: { other: "CardCretaed" }, follow }))
        )
        expect(message).toContain('Did you mean "CardCreated"?')
        expect(message).toContain(EventType.literals.join(", "))
      }
      expect((yield* Effect.flip(consume({ other: "Moved" } as never))).message).not.toContain("Did you mean")
      expect(yield* audit.checkpoints).toEqual([])
    })
  )
}

/** An event of a newer version, which this program cannot decode. */
const newer = (test: Test): void => {
  test(
    "that only a newer version knows can be read once the log has an event of them",
    Effect.gen(function* () {
      const { events, sql } = yield* tables
      const audit = yield* AuditService
      yield* createCards(["a", "b"])
      const read = Effect.map(Stream.runCollect(audit.events({ type: { other: "CardMoved" } })), (found) =>
        found.map(({ position, type }) => [position, type])
      )
      expect(yield* Effect.flip(read)).toBeInstanceOf(InvalidInput)
      const [, undo] = yield* Effect.all([
        sql.withTransaction(
          Effect.andThen(
            sql`ALTER TABLE ${events} DISABLE TRIGGER events_append_only`,
            Effect.andThen(
              sql`ALTER TABLE ${events} DISABLE TRIGGER events_only_erased`,
              sql`UPDATE ${events} SET type = 'CardMoved' WHERE position = 2`
            )
          )
        ),
        Effect.succeed(sql`UPDATE ${events} SET type = 'CardCreated' WHERE position = 2`)
      ])
      expect(yield* read).toEqual([[2, "CardMoved"]])
      expect(yield* audit.consume({ consumer: "c", type: { other: "CardMoved" }, handler: () => Effect.void })).toBe(1)
      expect((yield* Stream.runCollect(audit.events({ type: { other: "CardCreated" } }))).length).toBe(1)
      yield* undo
      yield* sql`ALTER TABLE ${events} ENABLE TRIGGER ALL`
    })
  )
}

onBothDatabases("positions", positions)
onBothDatabases("types of events", (test) => {
  types(test)
  newer(test)
})
