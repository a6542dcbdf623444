import "./test/support/node20.ts"
import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 120_000,
    projects: [
      {
        extends: true,
        test: { name: "architecture", include: ["test/architecture.test.ts"] }
      },
      {
        extends: true,
        test: {
          name: "backlog",
          include: ["test/**/*.test.ts"],
          exclude: ["test/architecture.test.ts"],
          // Files share a process: each would take a second to load and compile the same modules, and PGlite's. What
          // they do to the process they undo: see test/services/upcasting.test.ts.
          isolate: false,
          globalSetup: ["test/support/globalSetup.ts"]
        }
      }
    ]
  }
})
