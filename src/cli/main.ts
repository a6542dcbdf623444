#!/usr/bin/env node
import * as NodeRuntime from "@effect/platform-node-shared/NodeRuntime"
import { Exit } from "effect"
import { exitCodes } from "./failure.ts"
import { makeProcessIO } from "./ProcessIO.ts"
import { run } from "./run.ts"

// Who reads the answer may stop reading: `backlog list | head`.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(exitCodes.done)
    throw error
  })
}

// An interrupt ends the work in order: a directory is let go, a transaction rolled back. What does not end for it, such
// as waiting for a server, is not waited for long, and not at all after a second one; nothing is lost by that.
let ending = { timeoutMillis: 1000, exitCode: exitCodes.interrupted as number }
let interrupted = false
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    if (interrupted) process.exit(exitCodes.interrupted)
    interrupted = true
    setTimeout(() => process.exit(exitCodes.interrupted), ending.timeoutMillis).unref()
  })
}

/** How long output may take after the database was lost, in milliseconds. */
const abandonedMillis = 2_000

const io = makeProcessIO((how) => {
  ending = how
})

NodeRuntime.runMain(run(process.argv.slice(2), io), {
  disableErrorReporting: true,
  teardown: (exit, end) => {
    const code = Exit.isSuccess(exit) ? Number(exit.value) : ending.exitCode
    // No `process.exit` but for an interrupt: what is still to be written keeps the process alive, nothing else does.
    process.exitCode = code
    // An embedded engine that was abandoned leaves timers behind, and an agent's standard input stays open.
    if (code === exitCodes.unavailable) setTimeout(() => process.exit(code), abandonedMillis).unref()
    end(interrupted && code !== exitCodes.done ? exitCodes.interrupted : exitCodes.done)
  }
})
