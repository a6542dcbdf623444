// Functions of Node 22 that Vitest 5 uses, for tests on Node 20.20.
import "core-js/actual/map/group-by.js"
import "core-js/actual/object/group-by.js"
import "core-js/actual/promise/with-resolvers.js"
import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    pool: "forks",
    // One more than processors: tests wait for a server, for other processes and for time to pass.
    maxWorkers: 3,
    // Room for young objects: less is collected in vain.
    execArgv: ["--max-semi-space-size=64"],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    projects: [
      {
        extends: true,
        test: { name: "architecture", include: ["test/architecture.test.ts", "test/language.test.ts"] }
      },
      {
        extends: true,
        test: {
          name: "backlog",
          include: ["test/**/*.test.ts"],
          exclude: ["test/architecture.test.ts", "test/language.test.ts"],
          // Files share a process: each would take a second to load and compile the same modules, and PGlite's. What
          // they do to the process they undo: see test/services/upcasting.test.ts.
          isolate: false,
          globalSetup: ["test/support/globalSetup.ts"]
        }
      }
    ]
  }
})
