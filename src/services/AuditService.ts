import { Context, Effect, Layer, Option, Stream } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import { CardId } from "../domain/CardId.ts"
import { CardNotFound } from "../domain/Rejection.ts"
import { EventLog } from "../events/EventLog.ts"
import type { RecordedEvent } from "../events/RecordedEvent.ts"
import { ReadModel } from "../projections/ReadModel.ts"
import { decodeInput } from "./decodeInput.ts"
import type { InvalidInput } from "./InvalidInput.ts"
import { type MigrationRefused, Migrations } from "./Migrations.ts"

/** What happened, for those who must be able to say so. */
export class AuditService extends Context.Service<
  AuditService,
  {
    /** Every event of a card, first to last, also those of types that this program does not know. */
    readonly history: (id: string) => Stream.Stream<RecordedEvent, CardNotFound | InvalidInput | SqlError.SqlError>
  }
>()("mosaic-backlog/services/AuditService") {
  /** Audit over any Postgres client, in the schema that `BacklogSchema` names. Applies the migrations that are missing. */
  static readonly layer: Layer.Layer<AuditService, MigrationRefused | SqlError.SqlError, SqlClient.SqlClient> =
    Layer.effect(
      AuditService,
      Effect.gen(function* () {
        const log = yield* EventLog
        const readModel = yield* ReadModel

        const history = (input: string) =>
          Stream.unwrap(
            Effect.gen(function* () {
              const id = yield* decodeId(input)
              if (Option.isNone(yield* readModel.get(id))) return yield* new CardNotFound({ id })
              return log.history(id)
            })
          )

        return AuditService.of({ history })
      })
    ).pipe(Layer.provide([EventLog.layer, ReadModel.layer]), Layer.provide(Migrations.layer))
}

const decodeId = decodeInput(CardId)
