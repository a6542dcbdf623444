/** Node options of every measured process: those that docs/operations.md recommends for many commands per second. */
export const nodeOptions = ["--max-semi-space-size=64"]
