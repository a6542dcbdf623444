import { useCallback, useMemo, useRef } from "preact/hooks"
import type { LiveEvent } from "../api/follow.ts"
import { useQuery } from "../api/useQuery.ts"
import { Ago, formatNumber } from "../components/Times.tsx"
import { Answered, Notice } from "../components/Condition.tsx"
import { useActions } from "../shell/keys.ts"
import { moment, navigate, openCard, route } from "../shell/location.ts"
import { type CardGraph, edgeKey, type GraphNode, maxNodes, toPathEdges, toPathGraph } from "./cardGraph.ts"
import { Drawing } from "./Drawing.tsx"
import { GraphBar, switchDisplay } from "./GraphBar.tsx"
import { centerOn, expand, graphOf, pathOfRoute, questionOfRoute } from "./graphRoute.ts"
import { GraphTree } from "./GraphTree.tsx"
import { type GraphQuestion, loadGraph } from "./loadGraph.ts"
import { type CriticalPath, type CriticalPathQuery, useCriticalPath } from "./useCriticalPath.ts"

/** How cards depend on each other: the cards around one, or the critical path. Never the whole graph. */
const GraphView = () => {
  const question = questionOfRoute()
  const isTree = route.value.parameters["display"] === "tree"
  const card = openCard.value
  useActions(
    () => [
      { keys: "s", label: "Switch between the drawing and the tree", group: "Graph", run: switchDisplay },
      {
        keys: "o",
        label: "Move the open card to the middle",
        group: "Graph",
        isActive: () => openCard.peek() !== undefined,
        run: () => centerOn(openCard.peek() ?? "")
      }
    ],
    []
  )
  return (
    <div class="graph">
      <GraphBar question={question} isTree={isTree} />
      {card !== undefined && card !== question?.root && (
        <p class="view-line graph-offer">
          <a href={graphOf(card)}>
            Show the graph around <code dir="auto">{card}</code>
          </a>
        </p>
      )}
      {question === undefined ? (
        <PathGraph isTree={isTree} />
      ) : (
        <AroundCard key={question.root} question={question} isTree={isTree} />
      )}
    </div>
  )
}

const PathGraph = ({ isTree }: { readonly isTree: boolean }) => {
  const conditions = pathOfRoute()
  const path = useCriticalPath(conditions, moment.value)
  return (
    <Answered query={path.query} what="the critical path" lines={5}>
      {(cards) => (
        <Path cards={cards} path={path} isTree={isTree} isFiltered={Object.values(conditions).some(Boolean)} />
      )}
    </Answered>
  )
}

const Path = ({
  cards,
  isFiltered,
  isTree,
  path
}: {
  readonly cards: CriticalPath
  readonly path: CriticalPathQuery
  readonly isTree: boolean
  readonly isFiltered: boolean
}) => {
  const graph = useMemo(() => toPathGraph(cards), [cards])
  const critical = useMemo(() => toCriticalKeys(cards), [cards])
  const readAt = useMemo(() => new Date().toISOString(), [cards])
  if (cards.length === 0) {
    return (
      <Notice icon="graph" title="There is no critical path">
        {isFiltered ? "No open card meets the conditions." : "No card is open."} Enter a card to see what it depends on.
      </Notice>
    )
  }
  const isRead = moment.value === undefined && !path.isLive()
  return (
    <>
      <p class="view-line" role="status">
        <b>Critical path</b>: {formatNumber(cards.length)} open{" "}
        {cards.length === 1 ? "card" : "cards, each of which depends on the one before"}
        {graph.isTruncated && `. Showing the first ${maxNodes}`}.
        {isRead && (
          <>
            {" "}
            Read <Ago at={readAt} />.{" "}
            <button type="button" class="link" onClick={() => void path.query.refresh()}>
              Read again
            </button>
          </>
        )}
      </p>
      <Shown
        graph={graph}
        root={undefined}
        critical={critical}
        isTree={isTree}
        label="Critical path"
        onShowHidden={noHidden}
      />
    </>
  )
}

const noHidden = (): void => undefined

const AroundCard = ({ isTree, question }: { readonly question: GraphQuestion; readonly isTree: boolean }) => {
  const shown = useRef<CardGraph | undefined>(undefined)
  const query = useQuery(JSON.stringify(question), (signal) => loadGraph(question, signal), {
    isAffectedBy: question.at === undefined && ((event) => canChange(shown.current, event))
  })
  const path = useCriticalPath({ phase: undefined, label: undefined }, question.at)
  const criticalPath = path.query.answer.value
  const critical = useMemo(() => toCriticalKeys(criticalPath.value ?? []), [criticalPath.value])
  const { failure, value } = query.answer.value
  // While more of the graph is loaded, what was shown remains.
  if (value !== undefined) shown.current = value
  const graph = shown.current
  const latest = useRef(question)
  latest.current = question
  const onShowHidden = useCallback((node: GraphNode): void => {
    const isFull = (shown.current?.nodes.size ?? 0) >= maxNodes
    if (isFull) centerOn(node.id)
    else expand(latest.current, node.id)
  }, [])
  if (graph === undefined || (failure !== undefined && value === undefined)) {
    return (
      <Answered query={query} what="the graph" lines={5}>
        {() => null}
      </Answered>
    )
  }
  const label = `Cards around ${question.root}`
  return (
    <>
      <GraphLine graph={graph} question={question} critical={critical} pathFailure={criticalPath.failure?.message} />
      <Shown
        graph={graph}
        root={question.root}
        critical={critical}
        isTree={isTree}
        label={label}
        onShowHidden={onShowHidden}
      />
    </>
  )
}

/** Says what the graph shows, and what it leaves out. */
const GraphLine = ({
  critical,
  graph,
  pathFailure,
  question
}: {
  readonly graph: CardGraph
  readonly question: GraphQuestion
  readonly critical: ReadonlySet<string>
  readonly pathFailure: string | undefined
}) => {
  const { nodes } = graph
  const hidden = [...nodes.values()].reduce((sum, each) => sum + each.hiddenDependencies + each.hiddenDependents, 0)
  const onPath = [...nodes.keys()].filter((id) => critical.has(id)).length
  const isFull = graph.isTruncated || nodes.size >= maxNodes
  return (
    <p class="view-line" role="status">
      <b>{formatNumber(nodes.size)}</b> {nodes.size === 1 ? "card" : "cards"}.{" "}
      {hidden > 0 &&
        `Not shown: ${formatNumber(hidden)} ${hidden === 1 ? "connection" : "connections"} to other cards. `}
      {isFull && `The graph has its maximum of ${maxNodes} cards: “+N” moves a card to the middle. `}
      {hidden > 0 && !isFull && nodes.size >= question.limit && question.limit < maxNodes && (
        <button type="button" class="link" onClick={() => navigate({ parameters: { limit: String(maxNodes) } })}>
          Show up to {maxNodes} cards
        </button>
      )}
      {onPath > 0 && (
        <span class="graph-legend">
          <i aria-hidden="true" /> {formatNumber(onPath)} on the critical path
        </span>
      )}
      {pathFailure !== undefined && <span class="hint">The critical path is not marked: {pathFailure}</span>}
    </p>
  )
}

const Shown = ({
  isTree,
  ...graph
}: Parameters<typeof Drawing>[0] & {
  readonly isTree: boolean
}) => (isTree ? <GraphTree {...graph} /> : <Drawing {...graph} />)

/** The ids of the critical path, and the keys of its edges. */
const toCriticalKeys = (cards: CriticalPath): ReadonlySet<string> => {
  const ids = cards.map(({ id }) => id)
  return new Set([...ids, ...toPathEdges(ids).map(edgeKey)])
}

/** Whether an event can change a graph. A new card can depend on its cards, and a link can begin at a card that it does not have. */
const canChange = (graph: CardGraph | undefined, { cardId, type }: LiveEvent): boolean =>
  graph === undefined || graph.nodes.has(cardId) || /^Card(?:Created|Linked|Unlinked)$/.test(type)

export default GraphView
