/**
 * The tools of a backlog for agents, over the Model Context Protocol.
 *
 * @module
 */
export type { Agent } from "./Agent.ts"
export { mcpPath } from "./httpRefusals.ts"
export { layerMcpRoutes } from "./routes.ts"
export type { HttpToolRequirements, ToolRequirements } from "./AgentTool.ts"
export { type Pipes, serveStdio, serveStdioOverHttp } from "./stdio.ts"
