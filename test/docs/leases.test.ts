/* Runs the test in docs/library.md. */
await import("./examples/leases.ts")
