import { commandLinePage, configurationPage } from "./configuration.ts"
import { errorsPage } from "./errors.ts"
import { eventsPage } from "./events.ts"
import { httpApiPage } from "./httpApi.ts"
import type { Page } from "./markdown.ts"
import { mcpToolsPage } from "./mcpTools.ts"
import { metricsPage } from "./metrics.ts"

/** Generates every reference page. */
export const referencePages = async (): Promise<ReadonlyArray<Page>> => [
  await configurationPage(),
  await commandLinePage(),
  errorsPage(),
  eventsPage(),
  metricsPage(),
  mcpToolsPage(),
  httpApiPage()
]
