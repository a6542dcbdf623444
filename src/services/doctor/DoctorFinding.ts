import { Schema } from "effect"

/** Something that the doctor says. */
export const DoctorFinding = Schema.Struct({
  /** What was looked at: `migrations`, `clock` … */
  check: Schema.String,
  /**
   * `ok`; a `note`, which asks for nothing; a `warning`, of what will become a problem; a `problem`, of what does not work
   * or is not safe as it is.
   */
  level: Schema.Literals(["ok", "note", "warning", "problem"]),
  what: Schema.String,
  /** What to do about it; `null` when there is nothing to do. */
  toDo: Schema.NullOr(Schema.String)
})

/** Something that the doctor says. */
export interface DoctorFinding extends Schema.Schema.Type<typeof DoctorFinding> {}
