#!/usr/bin/env node
import * as NodeRuntime from "@effect/platform-node-shared/NodeRuntime"
import { Exit } from "effect"
import { exitCodes } from "./failure.ts"
import { processHost } from "./Host.ts"
import { run } from "./run.ts"

// Who reads the answer may stop reading: `backlog list | head`.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(exitCodes.done)
    throw error
  })
}

NodeRuntime.runMain(run(process.argv.slice(2), processHost()), {
  disableErrorReporting: true,
  teardown: (exit, end) => {
    if (Exit.isFailure(exit)) return end(exitCodes.interrupted)
    // No `process.exit`: what is still to be written keeps the process alive, and nothing else does.
    process.exitCode = Number(exit.value)
    end(0)
  }
})
