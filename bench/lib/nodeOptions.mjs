/** What every process that is measured runs with: what docs/operations.md says for processes that do many commands a second. */
export const nodeOptions = ["--max-semi-space-size=64"]
