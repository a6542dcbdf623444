import { Effect } from "effect"
import { type BacklogTemplate, copyTemplate, makeTemplate } from "../../src/testing/index.ts"

let template: Promise<BacklogTemplate> | undefined

/** Creates a directory with an empty backlog, which some program has opened and closed before. */
export const createEmptyBacklog = async (directory: string): Promise<void> => {
  template ??= Effect.runPromise(makeTemplate())
  await Effect.runPromise(copyTemplate(await template, directory))
}
