import { Effect, Result } from "effect"
import { jsonProblemText, parseExactJson } from "../domain/exactJson.ts"
import type { Source } from "./Source.ts"
import { makeSource } from "./sourceOf.ts"
import { SourceUnreadable } from "./SourceUnreadable.ts"
import { decodeTasks } from "./taskMaster.ts"
import type { StatusMap } from "./fields.ts"

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
          (problem) => `it is not JSON that can be kept: ${jsonProblemText(problem)}`
        ),
        (json) => decodeTasks(json, statuses)
      ),
      {
        onFailure: (problem) => new SourceUnreadable({ problem: `${name} cannot be imported: ${problem}` }),
        onSuccess: (placed) => makeSource("task-master", name, placed)
      }
    )
  )
