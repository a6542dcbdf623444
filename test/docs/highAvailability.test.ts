import { describe, expect, it } from "vitest"
import { blocksOn, read, textsOn } from "./support/pages.ts"

const page = "docs/high-availability.md"

describe("docs/high-availability.md", () => {
  it.each([
    ["yaml", "patroni.yml"],
    ["haproxy", "haproxy.cfg"],
    ["sql", "role.sql"]
  ])("the page shows the configuration that the failover script runs (%s)", (language, file) => {
    expect(textsOn(page, language)).toEqual([read(`scripts/failover/${file}`)])
  })

  it("the URL names the proxy's address and the role", () => {
    const url = blocksOn(page).find(({ text }) => text.includes("BACKLOG_DATABASE_URL"))
    const [, role, password, address] = /postgres:\/\/(\w+):(\w+)@([\d.:]+)\/work/.exec(url?.text ?? "") ?? []
    expect(read("scripts/failover/role.sql")).toContain(`CREATE ROLE ${role} LOGIN PASSWORD '${password}'`)
    expect(read("scripts/failover/haproxy.cfg")).toContain(`bind ${address}`)
  })

  it("the named command exists", () => {
    const scripts = (JSON.parse(read("package.json")) as { readonly scripts: Record<string, string> }).scripts
    expect(scripts["test:failover"]).toContain("scripts/failover/run.mjs")
  })

  it("the configuration satisfies Patroni's rules", () => {
    const [seconds = "", cycle = "", retry = ""] = ["ttl", "loop_wait", "retry_timeout"].map(
      (name) => new RegExp(`${name}: (\\d+)`).exec(read("scripts/failover/patroni.yml"))?.[1]
    )
    expect(Number(seconds)).toBeGreaterThanOrEqual(20)
    expect(Number(cycle) + 2 * Number(retry)).toBeLessThanOrEqual(Number(seconds))
  })
})
