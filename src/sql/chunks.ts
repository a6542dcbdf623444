import { Array as Arr } from "effect"

/** Rows that one statement takes, so that no message to the database grows without bound. */
const rowsPerStatement = 1_000

/** Characters of payload that one statement takes. */
const sizePerStatement = 8 * 1024 * 1024

/** Splits rows into the parts that one statement takes each, in order; `sizeOf` tells a row's payload in characters. */
export function* chunks<A>(
  rows: ReadonlyArray<A>,
  sizeOf: (row: A) => number
): Generator<Arr.NonEmptyReadonlyArray<A>> {
  let chunk: Array<A> = []
  let total = 0
  for (const row of rows) {
    const size = sizeOf(row)
    const isFull = chunk.length >= rowsPerStatement || total + size > sizePerStatement
    if (isFull && Arr.isArrayNonEmpty(chunk)) {
      yield chunk
      chunk = []
      total = 0
    }
    chunk.push(row)
    total += size
  }
  if (Arr.isArrayNonEmpty(chunk)) yield chunk
}
