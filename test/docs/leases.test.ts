import { afterAll, beforeAll } from "vitest"
import { createCopies } from "../support/pgliteTemplates.ts"

/*
 * Runs the test in docs/library.md with a copied database, because creating one takes seconds.
 */
let undo = (): void => {}
beforeAll(async () => {
  undo = await createCopies()
})
afterAll(() => undo())

await import("./examples/leases.ts")
