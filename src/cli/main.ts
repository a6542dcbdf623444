#!/usr/bin/env node
import { describeOldNode } from "./nodeVersion.ts"

// An older Node fails at the imports of the program, before any statement of it runs, and names only what it lacks.
const problem = describeOldNode(process.versions.node)
if (problem === undefined) {
  const { runProgram } = await import("./runProgram.ts")
  runProgram()
} else {
  process.stderr.write(`error: ${problem}\n`)
  process.exitCode = 1
}
