import { Effect, Result } from "effect"
import { describeJsonProblem, parseExactJson } from "../domain/parseExactJson.ts"
import type { Source } from "./Issue.ts"
import { sourceOf } from "./sourceOf.ts"
import { SourceUnreadable } from "./SourceUnreadable.ts"
import { tasksOf } from "./taskMaster.ts"
import type { StatusMap } from "./words.ts"

/** Reads the text of a `tasks.json` of task-master. What is no JSON, or has no tasks, is refused as a whole. */
export const readTaskMaster = (
  text: string,
  name: string,
  statuses: StatusMap
): Effect.Effect<Source, SourceUnreadable> =>
  Effect.fromResult(
    Result.mapBoth(
      Result.flatMap(
        Result.mapError(
          parseExactJson(text.replace(/^\ufeff/, "")),
          (problem) => `it is not JSON that can be kept: ${describeJsonProblem(problem)}`
        ),
        (json) => tasksOf(json, statuses)
      ),
      {
        onFailure: (problem) => new SourceUnreadable({ problem: `${name} cannot be imported: ${problem}` }),
        onSuccess: (placed) => sourceOf("task-master", name, placed)
      }
    )
  )
