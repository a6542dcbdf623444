import type { ComponentType } from "preact"
import type { IconName } from "../components/Icon.tsx"
import type { LoadComponent } from "../components/Lazy.tsx"
import { BoardView } from "../board/BoardView.tsx"
import { CardPage } from "../card/CardPage.tsx"

/** A view: what the main part of the page shows. */
export interface View {
  /** The name in the URL: `#/board`. */
  readonly name: string
  readonly title: string
  readonly icon: IconName
  /** The keys that open the view. A view without keys is not in the navigation. */
  readonly keys?: string
  /** The component of a view that is part of the first JavaScript. */
  readonly component?: ComponentType
  /** Loads the component of a view that is a file of its own. It is the default export of its module. */
  readonly load?: LoadComponent
}

/** All views, in the order of the navigation. */
export const views: ReadonlyArray<View> = [
  { name: "board", title: "Board", icon: "board", keys: "g b", component: BoardView },
  { name: "claims", title: "Claims", icon: "claims", keys: "g c", load: () => import("../claims/ClaimsView.tsx") },
  { name: "graph", title: "Graph", icon: "graph", keys: "g g", load: () => import("../graph/GraphView.tsx") },
  { name: "time", title: "Time", icon: "time", keys: "g h", load: () => import("../time/TimeView.tsx") },
  { name: "trust", title: "Trust", icon: "trust", keys: "g t", load: () => import("../trust/TrustView.tsx") },
  { name: "flow", title: "Flow", icon: "flow", keys: "g f", load: () => import("../flow/FlowView.tsx") },
  { name: "card", title: "Card", icon: "note", component: CardPage }
]
