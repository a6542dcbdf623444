import { commandLinePage, configurationPage } from "./configuration.ts"
import type { Page } from "./markdown.ts"

/** Generates every reference page. */
export const referencePages = (): Promise<ReadonlyArray<Page>> => Promise.all([configurationPage(), commandLinePage()])
