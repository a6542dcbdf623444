import { Context, Effect, type Fiber } from "effect"
import { type SqlClient, type SqlError, Statement } from "effect/sql"

/** What stands in a statement's text for each of its values. */
export type Placeholders<Values> = { readonly [Name in keyof Values]-?: Statement.Segment }

/** A statement whose text is made once, for any values. */
export type PreparedStatement<Values, Row> = (values: Values) => Effect.Effect<ReadonlyArray<Row>, SqlError.SqlError>

/**
 * Compiles a statement once. In a transaction it goes straight to that connection, and spares what a client does besides
 * for each statement: for one of a few rows that takes longer than what the database does. Somebody who traces or transforms
 * statements sees it as any other.
 */
export const prepareStatement = <Values extends object, Row extends object = object>(
  sql: SqlClient.SqlClient,
  template: (placeholders: Placeholders<Values>) => Statement.Statement<Row>
): PreparedStatement<Values, Row> => {
  const placeholders = new Proxy({} as Placeholders<Values>, {
    get: (_, name) => Statement.parameter(new Name(name as keyof Values))
  })
  const [text, binds] = template(placeholders).compile()
  return (values) => {
    const parameters = binds.map((bind) => (bind instanceof Name ? values[(bind as Name<Values>).name] : bind))
    return Effect.withFiber((fiber) => {
      const transaction = Context.getOrUndefined(fiber.context, sql.transactionService)
      return transaction === undefined || isWatched(fiber)
        ? sql.unsafe<Row>(text, parameters)
        : (transaction[0].execute(text, parameters, undefined) as Effect.Effect<ReadonlyArray<Row>, SqlError.SqlError>)
    })
  }
}

/** Stands among a statement's values for one that is yet to come. */
class Name<Values> {
  readonly name: keyof Values
  constructor(name: keyof Values) {
    this.name = name
  }
}

const isWatched = (fiber: Fiber.Fiber<unknown, unknown>): boolean =>
  fiber.cache.tracer !== undefined || fiber.getRef(Statement.CurrentTransformer) !== undefined
