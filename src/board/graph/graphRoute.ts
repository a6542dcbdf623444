import { hrefTo, moment, navigate, route } from "../shell/location.ts"
import { maxNodes } from "./cardGraph.ts"
import type { GraphQuestion } from "./loadGraph.ts"

/** How many cards the graph shows around a card at first. */
export const defaultLimit = 40

/** What the URL says about the graph: the parameters `root`, `hops`, `limit` and `expanded`. `undefined` without a card. */
export const questionOfRoute = (): GraphQuestion | undefined => {
  const { expanded, hops, limit, root } = route.value.parameters
  if (root === undefined || root === "") return undefined
  return {
    root,
    hops: hops === "1" ? 1 : 2,
    limit: limit === String(maxNodes) ? maxNodes : defaultLimit,
    expanded: expanded === undefined ? [] : expanded.split("\n"),
    at: moment.value
  }
}

/** The conditions of the critical path in the URL. */
export const pathOfRoute = (): { readonly phase: string | undefined; readonly label: string | undefined } => {
  const { label, phase } = route.value.parameters
  return { phase: phase || undefined, label: label || undefined }
}

/** The parameters that belong to one card in the middle, and not to the next. */
const forgotten = { hops: undefined, limit: undefined, expanded: undefined }

/** Returns the address of the graph around a card. */
export const graphOf = (id: string): string =>
  hrefTo({ view: "graph", parameters: { ...forgotten, phase: undefined, label: undefined, root: id } })

/** Shows the graph around a card. */
export const centerOn = (id: string): void => {
  location.hash = graphOf(id)
}

/** Returns the address of the critical path. */
export const criticalPathAddress = (): string =>
  hrefTo({ view: "graph", parameters: { ...forgotten, phase: undefined, label: undefined, root: undefined } })

/** Shows all neighbors of a card in the graph. */
export const expand = (question: GraphQuestion, id: string): void =>
  navigate({ parameters: { expanded: [...question.expanded.filter((each) => each !== id), id].join("\n") } })
