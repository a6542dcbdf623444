import { ClaimabilityMark, StatusMark } from "../components/Claimability.tsx"
import type { GraphNode } from "./cardGraph.ts"

/** The status of a card in the graph. A ready card with unmet dependencies waits. */
export const NodeMark = ({ node }: { readonly node: GraphNode }) =>
  node.status === "ready" && node.unmetDependencies > 0 ? (
    <ClaimabilityMark kind="waiting" />
  ) : (
    <StatusMark status={node.status} />
  )
