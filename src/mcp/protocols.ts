import { McpProtocol } from "effect/ai"

/** Revisions of MCP that are spoken, what is offered first to clients of none of them. */
export const protocols = [
  McpProtocol.v2025_11_25,
  McpProtocol.v2025_06_18,
  McpProtocol.v2025_03_26,
  McpProtocol.v2024_11_05,
  McpProtocol.v2026_07_28
] as const
