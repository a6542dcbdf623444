import { Effect } from "effect"
import { type ModelCommand, type ModelOutcome, withAnsweredIds } from "./Model.ts"

/** A command that was sent, with the stamps of its start and its end, and its outcome. */
export interface Operation {
  readonly command: ModelCommand
  /** When the command was sent. Stamps count the events in the sending process: 1, 2, 3 … */
  readonly invoked: number
  /** When the answer arrived, or when the command could have no further effect; `Infinity` when that is unknown. */
  readonly responded: number
  /** `undefined` when the answer was lost: the command was carried out or not. */
  readonly outcome: ModelOutcome | undefined
}

/** The operations of several workers on a backlog, and the database clock meanwhile. */
export interface History {
  readonly operations: ReadonlyArray<Operation>
  /**
   * The times of the clock in milliseconds since 1970, in order. Each is listed twice, with a stamp before the clock was
   * set and one after.
   */
  readonly clock: ReadonlyArray<{ readonly stamp: number; readonly time: number }>
}

/** Returns the times that an operation may have read from the clock, in order. */
export const possibleTimes = ({ clock }: History, { invoked, responded }: Operation): ReadonlyArray<number> => {
  const first = clock.findLastIndex(({ stamp }) => stamp < invoked)
  return clock
    .slice(Math.max(0, first - 1))
    .flatMap(({ stamp, time }, index, from) => (stamp <= responded && from[index - 1]?.time !== time ? [time] : []))
}

/** Whether two operations ran at the same time. */
export const overlaps = (one: Operation, other: Operation): boolean =>
  one.invoked < other.responded && other.invoked < one.responded

/** Records a history as it happens. */
export class HistoryRecorder {
  readonly #operations: Array<Operation> = []
  readonly #clock: Array<{ readonly stamp: number; readonly time: number }>
  #stamp = 0

  /** `time` is the clock at the start of the history, in milliseconds since 1970. */
  constructor(time: number) {
    this.#clock = [{ stamp: 0, time }]
  }

  /** The history so far. */
  get history(): History {
    return { operations: [...this.#operations], clock: [...this.#clock] }
  }

  /** Runs `move`, which sets the clock to `time`, in milliseconds since 1970, and records when. */
  moveClock<E, R>(time: number, move: Effect.Effect<void, E, R>): Effect.Effect<void, E, R> {
    const note = Effect.sync(() => {
      this.#clock.push({ stamp: ++this.#stamp, time })
    })
    // A command that runs between the two records may still read the earlier time.
    return note.pipe(Effect.andThen(move), Effect.andThen(note))
  }

  /**
   * Runs `send`, which sends a command, and records its start, its end and its outcome. `undefined` means that the outcome
   * is unknown and the command can have no further effect. A failure or an interruption means that the outcome is unknown.
   */
  record<O extends ModelOutcome | undefined, E, R>(
    command: ModelCommand,
    send: Effect.Effect<O, E, R>
  ): Effect.Effect<O, E, R> {
    return Effect.suspend(() => {
      const invoked = ++this.#stamp
      const note = (outcome: ModelOutcome | undefined, responded: number) => {
        this.#operations.push({ command: withAnsweredIds(command, outcome), invoked, responded, outcome })
      }
      return send.pipe(
        Effect.tap((outcome) => Effect.sync(() => note(outcome, ++this.#stamp))),
        Effect.onError(() => Effect.sync(() => note(undefined, Infinity)))
      )
    })
  }
}
