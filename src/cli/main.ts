#!/usr/bin/env node
import * as NodeRuntime from "@effect/platform-node-shared/NodeRuntime"
import { Exit } from "effect"
import { setFlagsFromString } from "node:v8"
import { exitCodes } from "./exitCodes.ts"
import { makeProcessIO } from "./ProcessIO.ts"
import { run } from "./run.ts"

// V8 optimizes functions of the embedded engine on all processors after they have run for some milliseconds. A command that
// soon ends only waits for them. A function that keeps running is still optimized, after half a second.
const longCommands = new Set(["serve", "work", "mcp", "watch"])
if (!process.argv.some((argument) => longCommands.has(argument))) setFlagsFromString("--wasm-tiering-budget=1000000000")

// The reader may close the pipe: `backlog list | head`.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(exitCodes.done)
    throw error
  })
}

// An interrupt shuts down in order: it releases a directory and rolls back a transaction. Work that does not stop, such as
// waiting for a server, is aborted after the timeout, or by a second interrupt. Nothing is lost by that.
let shutdownOptions = { timeoutMillis: 1000, exitCode: exitCodes.interrupted as number }
let interrupted = false
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    if (interrupted) process.exit(exitCodes.interrupted)
    interrupted = true
    setTimeout(() => process.exit(exitCodes.interrupted), shutdownOptions.timeoutMillis).unref()
  })
}

/** Milliseconds to flush output after the database became unavailable. */
const flushMillis = 2_000

const io = makeProcessIO((how) => {
  shutdownOptions = how
})

NodeRuntime.runMain(run(process.argv.slice(2), io), {
  disableErrorReporting: true,
  teardown: (exit, end) => {
    const code = Exit.isSuccess(exit) ? Number(exit.value) : shutdownOptions.exitCode
    process.exitCode = code
    // Without this, Node waits for what V8 still compiles.
    if (process.stdout.writableLength === 0 && process.stderr.writableLength === 0) process.exit(code)
    // Unwritten output keeps the process alive. An abandoned embedded engine leaves timers, and an agent's standard input
    // stays open.
    if (code === exitCodes.unavailable) setTimeout(() => process.exit(code), flushMillis).unref()
    end(interrupted && code !== exitCodes.done ? exitCodes.interrupted : exitCodes.done)
  }
})
