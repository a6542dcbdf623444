/** Where Chromium is, for the tests, the screenshots and the benchmark of the board. */
import { existsSync } from "node:fs"

const variable = "BACKLOG_TEST_CHROMIUM"
const places = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"]
const chosen = process.env[variable] || undefined

/**
 * The path of the browser: that of `BACKLOG_TEST_CHROMIUM`, if it is set. Defaults to one that is installed. `undefined` if there is
 * none.
 *
 * @type {string | undefined}
 */
export const chromiumPath = (chosen === undefined ? places : [chosen]).find((path) => existsSync(path))

/**
 * Why there is no browser, and what to do. `undefined` if there is one.
 *
 * @type {string | undefined}
 */
export const whyNoChromium =
  chromiumPath !== undefined
    ? undefined
    : chosen === undefined
      ? `no Chromium is installed: install it, or set ${variable} to its path`
      : `${variable} is ${chosen}, which does not exist`

/**
 * The flags of the browser: without the sandbox, which does not start as root, and without requests of the browser itself.
 *
 * @type {ReadonlyArray<string>}
 */
export const chromiumFlags = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync"
]
