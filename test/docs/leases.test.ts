import { afterAll, beforeAll } from "vitest"
import { createCopies } from "../support/pgliteTemplates.ts"

/*
 * The test in docs/library.md, as it stands there, but for the database: creating one takes seconds.
 */
let undo = (): void => {}
beforeAll(async () => {
  undo = await createCopies()
})
afterAll(() => undo())

await import("./examples/leases.ts")
