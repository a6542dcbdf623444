import { type Context, Effect, Layer, type Scope } from "effect"
import { SqlError } from "effect/sql"
import { ReadBarrier } from "../../src/events/ReadGate.ts"
import {
  AccessTokens,
  AccessTokenStaleness,
  type BacklogServices,
  type BacklogTestClock,
  Doctor
} from "../../src/index.ts"
import { layerTestOver } from "../../src/services/layers.ts"
import { BacklogSchema } from "../../src/sql/SchemaName.ts"
import { type Client, currentClient, freshSchema } from "./backlogs.ts"

/** The failure of every read behind a closed barrier. */
export const closed = new SqlError.SqlError({
  reason: new SqlError.ConnectionError({ cause: new Error("closed"), message: "the gate is closed", operation: "read" })
})

/** A barrier that the test opens and closes, and the positions that reads have waited for. */
export class TestBarrier {
  reached = Number.POSITIVE_INFINITY
  readonly waited: Array<number> = []
  /** What a read beyond `reached` does. */
  onWait: (position: number) => Effect.Effect<void, SqlError.SqlError> = () => Effect.void

  readonly layer = Layer.succeed(ReadBarrier)({
    reached: () => this.reached,
    epoch: () => 0,
    await: (position) =>
      Effect.suspend(() => {
        this.waited.push(position)
        return this.onWait(position)
      })
  })

  /** Fails every read. Even one that shows nothing of the log waits for a barrier that has not reached 0. */
  close(): void {
    this.reached = -1
    this.onWait = () => Effect.fail(closed)
  }
}

/** The services of a backlog that read. */
export type ReadServices = BacklogServices | BacklogTestClock | Doctor | AccessTokens

/** A backlog of its own over the client in the context, with all services that read, behind a barrier. */
export const backlogBehind = Effect.fnUntraced(function* (
  barrier: TestBarrier
): Effect.fn.Return<Context.Context<ReadServices>, unknown, Client | Scope.Scope> {
  const client = yield* currentClient
  const schema = yield* freshSchema
  const others = Layer.provide(Layer.mergeAll(Doctor.layer, AccessTokens.layer), [
    client,
    Layer.succeed(BacklogSchema)(schema),
    // Tokens are not cached, so that each method reads.
    Layer.succeed(AccessTokenStaleness)("0 millis")
  ])
  return yield* Layer.build(Layer.provide(Layer.mergeAll(layerTestOver(client, schema), others), barrier.layer))
})
