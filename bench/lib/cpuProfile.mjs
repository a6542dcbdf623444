/** Summaries of V8's CPU profiles. */

/** Frames that are no work of the program: `dispatch` is the start of the profiler itself. */
const ignored = new Set(["(idle)", "(root)", "dispatch"])

/** A short name for a function's file: its package or folder, and the file. */
const fileOf = (url) => url.split("/").slice(-2).join("/")

/** The part of the program that a function belongs to: a package, the measured build, Node, or V8 itself. */
const partOf = ({ functionName, url }, build) => {
  if (url === "") return functionName.startsWith("(") ? functionName : "native"
  if (url.startsWith("node:")) return "node"
  if (url.startsWith(`file://${build}`)) return "mosaic-backlog"
  return /node_modules\/((?:@[^/]+\/)?[^/]+)\/(?!.*node_modules)/.exec(url)?.[1] ?? "bench"
}

/** Busy functions and parts, as `[name, share]`, the busiest first. */
export const summarizeProfile = ({ nodes, samples, timeDeltas }, build, functionCount) => {
  const frames = new Map(nodes.map((node) => [node.id, node.callFrame]))
  const functions = new Map()
  const parts = new Map()
  let busy = 0
  const add = (times, name, time) => times.set(name, (times.get(name) ?? 0) + time)
  for (const [index, id] of samples.entries()) {
    const frame = frames.get(id)
    if (frame.url === "" && ignored.has(frame.functionName)) continue
    const name = frame.functionName || "anonymous"
    add(
      functions,
      frame.url === "" ? name : `${name} (${fileOf(frame.url)}:${frame.lineNumber + 1})`,
      timeDeltas[index]
    )
    add(parts, partOf(frame, build), timeDeltas[index])
    busy += timeDeltas[index]
  }
  const shares = (times, count) =>
    [...times]
      .sort(([, a], [, b]) => b - a)
      .slice(0, count)
      .map(([name, time]) => [name, time / busy])
  return { functions: shares(functions, functionCount), parts: shares(parts, 10) }
}
