import { describe, expect, it } from "vitest"
import { addCondition, everyCard, isEveryCard, parseSearch } from "../../src/board/search/parseSearch.ts"

describe("a search", () => {
  it.each([
    ["login page", { text: "login page" }],
    ['"login page"', { text: "login page" }],
    ["status:waiting", { kinds: ["waiting"] }],
    ["STATUS:Waiting status:done", { kinds: ["waiting", "done"] }],
    ["status:ready", { kinds: ["claimable", "deferred", "waiting"] }],
    ["status:claimed", { kinds: ["claimed", "expired"] }],
    ["owner:worker-1", { owner: "worker-1" }],
    ['owner:"Jane Doe"', { owner: "Jane Doe" }],
    ['phase:"to do" phase:build', { phases: ["to do", "build"] }],
    ["label:ui -label:docs label:api", { labels: ["ui", "api"], withoutLabels: ["docs"] }],
    ["p>=5", { minPriority: 5 }],
    ["p>5 p<=9", { minPriority: 6, maxPriority: 9 }],
    ["p<-1", { maxPriority: -2 }],
    ["p=2", { minPriority: 2, maxPriority: 2 }],
    ["priority:3", { minPriority: 3, maxPriority: 3 }],
    ["p>=1 p>=4", { minPriority: 4 }],
    ["p>=9999999999", { minPriority: 2 ** 31 - 1 }],
    ["https://example.com/x", { text: "https://example.com/x" }],
    ["note:5", { text: "note:5" }],
    ["p>=x", { text: "p>=x" }],
    ["login label:ui page", { text: "login page", labels: ["ui"] }],
    ['phase:"open', { phases: ["open"] }],
    ['label:"a ""b"" c" x', { labels: ['a "b" c'], text: "x" }],
    ['label:""', {}]
  ])("%s is understood", (query, expected) => {
    expect(parseSearch(query)).toEqual({ ...everyCard, ...expected })
  })

  it.each(["", "   ", "owner:", "label:", "phase:"])("%j finds every card", (query) => {
    expect(isEveryCard(parseSearch(query))).toBe(true)
  })

  it.each([
    ["status:soon", '"status:soon": a status is one of claimable, claimed'],
    ["owner:a owner:b", '"owner:b": a card has one owner'],
    ["-owner:a", '"-owner:a": only labels can be excluded'],
    ["p>5 p<3", "No priority is in both ranges"]
  ])("%s has a problem, which says what is wrong", (query, problem) => {
    expect(parseSearch(query).problems).toEqual([expect.stringContaining(problem)])
  })

  it("has at most the 500 characters that the server searches for", () => {
    expect(parseSearch("x".repeat(600)).text).toHaveLength(500)
  })
})

describe("a condition", () => {
  it("is added once", () => {
    expect(addCondition("login", "phase", "build")).toBe("login phase:build")
    expect(addCondition("login phase:build", "phase", "build")).toBe("login phase:build")
    expect(addCondition('phase:"to do" login', "phase", "to do")).toBe('phase:"to do" login')
  })

  it("for an owner replaces the one that the search has", () => {
    expect(addCondition("owner:a login Owner:b", "owner", "c")).toBe("login owner:c")
  })

  it.each(["worker-1", "Jane Doe", "a:b", "-x", "p>=5", "ünï", "status:done", 'say "hi"', 'a"b', '"'])(
    "finds the name %s again",
    (name) => {
      expect(parseSearch(addCondition("", "label", name))).toEqual({ ...everyCard, labels: [name] })
    }
  )
})
