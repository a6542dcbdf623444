import { describe, expect, it } from "vitest"
import { blocksOn, read, textsOn } from "./support/pages.ts"

const page = "docs/high-availability.md"

describe("docs/high-availability.md", () => {
  it.each([
    ["yaml", "patroni.yml"],
    ["haproxy", "haproxy.cfg"],
    ["sql", "role.sql"]
  ])("has the configuration that the failover script runs (%s)", (language, file) => {
    expect(textsOn(page, language)).toEqual([read(`scripts/failover/${file}`)])
  })

  it("names the address of the proxy and the role in the URL", () => {
    const url = blocksOn(page).find(({ text }) => text.includes("BACKLOG_DATABASE_URL"))
    const [, role, password, address] = /postgres:\/\/(\w+):(\w+)@([\d.:]+)\/work/.exec(url?.text ?? "") ?? []
    expect(read("scripts/failover/role.sql")).toContain(`CREATE ROLE ${role} LOGIN PASSWORD '${password}'`)
    expect(read("scripts/failover/haproxy.cfg")).toContain(`bind ${address}`)
  })

  it("names a command that exists", () => {
    const scripts = (JSON.parse(read("package.json")) as { readonly scripts: Record<string, string> }).scripts
    expect(scripts["test:failover"]).toContain("scripts/failover/run.mjs")
  })

  it("has a configuration that Patroni accepts", () => {
    const [seconds = "", cycle = "", retry = ""] = ["ttl", "loop_wait", "retry_timeout"].map(
      (name) => new RegExp(`${name}: (\\d+)`).exec(read("scripts/failover/patroni.yml"))?.[1]
    )
    expect(Number(seconds)).toBeGreaterThanOrEqual(20)
    expect(Number(cycle) + 2 * Number(retry)).toBeLessThanOrEqual(Number(seconds))
  })
})
