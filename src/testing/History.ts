import { Effect } from "effect"
import type { ModelCommand, ModelOutcome } from "./Model.ts"

/** A command that was asked for, from when to when by the stamps of its history, and what came of it. */
export interface Operation {
  readonly command: ModelCommand
  /** When it was asked for. Stamps count what happened in the process that asks: 1, 2, 3 … */
  readonly invoked: number
  /** When the answer was there, or when it is certain that nothing more comes of it; `Infinity` when it never is. */
  readonly responded: number
  /** `undefined` when nobody heard the answer: it was carried out or not. */
  readonly outcome: ModelOutcome | undefined
}

/** What several workers asked of a backlog, and what the database's clock said meanwhile. */
export interface History {
  readonly operations: ReadonlyArray<Operation>
  /**
   * What the clock says, in milliseconds since 1970, in order: each time twice, with a stamp of before it said so and one
   * of when it did.
   */
  readonly clock: ReadonlyArray<{ readonly stamp: number; readonly time: number }>
}

/** The times that the clock may have said to an operation, in order. */
export const possibleTimes = ({ clock }: History, { invoked, responded }: Operation): ReadonlyArray<number> => {
  const first = clock.findLastIndex(({ stamp }) => stamp < invoked)
  return clock
    .slice(Math.max(0, first - 1))
    .flatMap(({ stamp, time }, index, from) => (stamp <= responded && from[index - 1]?.time !== time ? [time] : []))
}

/** Whether two operations were under way at the same time. */
export const overlaps = (one: Operation, other: Operation): boolean =>
  one.invoked < other.responded && other.invoked < one.responded

/** Records a history as it happens. */
export class HistoryRecorder {
  readonly #operations: Array<Operation> = []
  readonly #clock: Array<{ readonly stamp: number; readonly time: number }>
  #stamp = 0

  /** The clock says `time` when the history begins, in milliseconds since 1970. */
  constructor(time: number) {
    this.#clock = [{ stamp: 0, time }]
  }

  /** What was recorded so far. */
  get history(): History {
    return { operations: [...this.#operations], clock: [...this.#clock] }
  }

  /** Runs what makes the clock say `time` from then on, in milliseconds since 1970, and notes when that was. */
  moveClock<E, R>(time: number, move: Effect.Effect<void, E, R>): Effect.Effect<void, E, R> {
    const note = Effect.sync(() => {
      this.#clock.push({ stamp: ++this.#stamp, time })
    })
    // Somebody may ask between the two, and still see the time before.
    return note.pipe(Effect.andThen(move), Effect.andThen(note))
  }

  /**
   * Runs what asks for a command, and notes when and with what outcome it ended; without an outcome when it gives
   * `undefined`, which says that nothing more comes of it, and when it fails or is interrupted.
   */
  record<O extends ModelOutcome | undefined, E, R>(
    command: ModelCommand,
    asking: Effect.Effect<O, E, R>
  ): Effect.Effect<O, E, R> {
    return Effect.suspend(() => {
      const invoked = ++this.#stamp
      const note = (outcome: ModelOutcome | undefined, responded: number) => {
        this.#operations.push({ command, invoked, responded, outcome })
      }
      return asking.pipe(
        Effect.tap((outcome) => Effect.sync(() => note(outcome, ++this.#stamp))),
        Effect.onError(() => Effect.sync(() => note(undefined, Infinity)))
      )
    })
  }
}
