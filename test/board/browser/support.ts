import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core"
import { afterAll, afterEach, beforeAll, describe, expect } from "vitest"
import { chromiumFlags, chromiumPath, whyNoChromium } from "../../../scripts/chromium.mjs"
import type { ServeOptions } from "../../../src/http/index.ts"
import { openServing, type ServedBacklog, type Serving } from "./serveInProcess.ts"
import { type ServedProgram, serveProgram } from "./serveProgram.ts"

export type { ServedBoard } from "./boardClient.ts"
export type { ServedBacklog } from "./serveInProcess.ts"

/** How long tests wait for the page, in milliseconds: an overloaded machine shows a change late. */
const patienceMillis = 60_000

/** Expects something of the page soon: it shows each part when it has read it. */
export const soon = <A>(read: () => A | Promise<A>) => expect.poll(read, { timeout: patienceMillis })

/** What tests in a browser use. `open` opens a page of its own context; its problems fail the test. */
export interface InBrowser {
  /** Serves an empty backlog in this process. */
  readonly serve: (options?: ServeOptions) => Promise<ServedBacklog>
  /** Runs `backlog serve` on an empty backlog in a directory, for tests in which the program ends. Takes some seconds. */
  readonly serveProgram: (...argv: ReadonlyArray<string>) => Promise<ServedProgram>
  readonly open: (
    url: string,
    options?: { readonly context?: BrowserContext; readonly width?: number }
  ) => Promise<Page>
  readonly context: () => Promise<BrowserContext>
  /** What the browser has reported: violations of the policy, errors of scripts, and dialogs. */
  readonly problems: ReadonlyArray<string>
}

/** Describes tests that need Chromium. Where it is missing, they are skipped, and their title says why. */
export const describeInBrowser = (name: string, define: (inBrowser: InBrowser) => void): void => {
  const reason = whyNoChromium === undefined ? "" : ` (skipped: ${whyNoChromium})`
  describe.skipIf(whyNoChromium !== undefined)(`${name}${reason}`, () => {
    let browser: Browser
    let serving: Serving
    const problems: Array<string> = []
    const ends: Array<() => Promise<void>> = []
    beforeAll(async () => {
      serving = openServing()
      browser = await chromium.launch({
        ...(chromiumPath === undefined ? {} : { executablePath: chromiumPath }),
        args: [...chromiumFlags]
      })
    })
    afterAll(async () => {
      await browser.close()
      await serving.end()
    })
    afterEach(async () => {
      await Promise.all(browser.contexts().map((each) => each.close()))
      for (const end of ends.splice(0).reverse()) await end()
      problems.length = 0
    })
    define({
      problems,
      context: () => browser.newContext({ viewport: { width: 1280, height: 800 } }),
      serve: async (options = {}) => {
        const { end, served } = await serving.serve(options)
        ends.push(end)
        return served
      },
      serveProgram: async (...argv) => {
        const { end, served } = await serveProgram(argv)
        ends.push(end)
        return served
      },
      open: async (url, { context, width = 1280 } = {}) => {
        const page = await (context ?? (await browser.newContext({ viewport: { width, height: 800 } }))).newPage()
        page.setDefaultTimeout(patienceMillis)
        page.on("pageerror", (error) => problems.push(`error: ${error.message}`))
        page.on("dialog", (dialog) => {
          problems.push(`dialog: ${dialog.message()}`)
          void dialog.dismiss()
        })
        page.on("console", (message) => {
          const text = message.text()
          if (/Content Security Policy|TrustedType/i.test(text)) problems.push(text)
        })
        await page.goto(url)
        return page
      }
    })
  })
}
