import { describe, expect, it } from "vitest"
import { changeRoute, formatRoute, momentOf, parseRoute } from "../../src/board/shell/route.ts"

describe("a route", () => {
  it.each([
    ["", { view: "board", parameters: {} }],
    ["#", { view: "board", parameters: {} }],
    ["#main", { view: "board", parameters: {} }],
    ["#/claims", { view: "claims", parameters: {} }],
    ["#/board?q=a+b&at=12", { view: "board", parameters: { q: "a b", at: "12" } }],
    ["#/board?card=a%2Fb%3Fc%23d", { view: "board", parameters: { card: "a/b?c#d" } }]
  ])("is parsed from %j", (fragment, route) => {
    expect(parseRoute(fragment)).toEqual(route)
  })

  it.each(["a b", "ü", "a&b=c", "#/x?y", "100%", "מזהה", "a\nb", "__proto__"])("keeps the id %j", (card) => {
    const route = { view: "board", parameters: { card } }
    expect(parseRoute(formatRoute(route))).toEqual(route)
  })

  it("has one URL, whatever the order of its parameters", () => {
    expect(formatRoute({ view: "board", parameters: { q: "x", at: "1" } })).toBe(
      formatRoute({ view: "board", parameters: { at: "1", q: "x" } })
    )
  })

  it("keeps the search, the card and the moment when the view changes, and nothing else", () => {
    const route = parseRoute("#/board?q=x&card=a&at=3&lanes=phase")
    expect(changeRoute(route, { view: "claims" })).toEqual({
      view: "claims",
      parameters: { q: "x", card: "a", at: "3" }
    })
  })

  it("keeps its parameters when another one changes, and loses the ones that are removed", () => {
    const route = parseRoute("#/board?q=x&lanes=phase")
    expect(changeRoute(route, { parameters: { q: undefined, card: "a" } })).toEqual({
      view: "board",
      parameters: { lanes: "phase", card: "a" }
    })
  })

  it.each([
    ["#/board", undefined],
    ["#/board?at=0", 0],
    ["#/board?at=12", 12],
    ["#/board?at=-1", undefined],
    ["#/board?at=1e3", undefined],
    ["#/board?at=", undefined]
  ])("of %s shows the moment %s", (fragment, position) => {
    expect(momentOf(parseRoute(fragment))).toBe(position)
  })
})
