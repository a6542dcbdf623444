import { Effect, type Scope } from "effect"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"

/** A directory that is removed when the scope ends. */
export const temporaryDirectory: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "mosaic-backlog-demo-"))),
  (directory) => Effect.promise(() => rm(directory, { recursive: true, force: true, maxRetries: 3 }))
)
