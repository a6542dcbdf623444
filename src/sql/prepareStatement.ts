/*
 * Building a statement from fragments takes longer than a small statement takes in the database, and its text is the
 * same every time. So the text is built once, with placeholders in place of the values:
 *
 *     template   ({ id, priority }) => sql`UPDATE cards SET priority = ${priority} WHERE id = ${id}`
 *                                          │ once: each name becomes a Placeholder
 *                                          ▼
 *     compiled   text   UPDATE cards SET priority = $1 WHERE id = $2
 *                binds  [Placeholder("priority"), Placeholder("id")]
 *                                          │ for each call: each Placeholder becomes the value of that name
 *                                          ▼
 *     execute    text, [5, "a"]
 *
 * See docs/decisions/0024-compiled-once.md.
 */
import { Context, Effect, type Fiber } from "effect"
import { type SqlClient, type SqlError, Statement } from "effect/sql"

/** The placeholders of a statement's values, by name. */
export type Placeholders<Values> = { readonly [Name in keyof Values]-?: Statement.Segment }

/** A statement with its values, not yet executed. */
export interface BoundStatement<Row = object> {
  readonly text: string
  readonly parameters: ReadonlyArray<unknown>
  /** The type of its rows. Never set. */
  readonly "~Row"?: Row
}

/** A statement whose text is fixed. */
export interface PreparedStatement<Values, Row> {
  /** Executes the statement with the given values. */
  (values: Values): Effect.Effect<ReadonlyArray<Row>, SqlError.SqlError>
  readonly bind: (values: Values) => BoundStatement<Row>
}

/**
 * Prepares a statement: compiles its text once. In a transaction the statement goes directly to the connection, past the
 * client's work for each statement. Where a tracer or a statement transformer is installed it goes through the client, so
 * that they see it like any other statement.
 */
export const prepareStatement = <Values extends object, Row extends object = object>(
  sql: SqlClient.SqlClient,
  template: (placeholders: Placeholders<Values>) => Statement.Statement<Row>
): PreparedStatement<Values, Row> => {
  // Any property is the placeholder of that name, so the names need not be listed next to the type `Values`.
  const placeholders = new Proxy({} as Placeholders<Values>, {
    get: (_, name) => Statement.parameter(new Placeholder(name as keyof Values))
  })
  const [text, binds] = template(placeholders).compile()
  const execute = executeStatement(sql)
  const bind = (values: Values): BoundStatement<Row> => ({
    text,
    parameters: binds.map((value) =>
      value instanceof Placeholder ? values[(value as Placeholder<Values>).name] : value
    )
  })
  return Object.assign((values: Values) => execute(bind(values)), { bind })
}

/** Executes a bound statement: in a transaction directly on its connection, unless something observes the statements. */
export const executeStatement =
  (sql: SqlClient.SqlClient) =>
  <Row extends object>({
    parameters,
    text
  }: BoundStatement<Row>): Effect.Effect<ReadonlyArray<Row>, SqlError.SqlError> =>
    Effect.withFiber((fiber) => {
      const transaction = Context.getOrUndefined(fiber.context, sql.transactionService)
      return transaction === undefined || isObserved(fiber)
        ? sql.unsafe<Row>(text, parameters)
        : (transaction[0].execute(text, parameters, undefined) as Effect.Effect<ReadonlyArray<Row>, SqlError.SqlError>)
    })

/** Replaced by the value of this name when the statement is executed. */
class Placeholder<Values> {
  readonly name: keyof Values
  constructor(name: keyof Values) {
    this.name = name
  }
}

/** Whether a tracer or a transformer must see the statements of a fiber. */
export const isObserved = (fiber: Fiber.Fiber<unknown, unknown>): boolean =>
  fiber.cache.tracer !== undefined || fiber.getRef(Statement.CurrentTransformer) !== undefined
