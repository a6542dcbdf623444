import { signal } from "@preact/signals"
import { parseRoute } from "../shell/route.ts"
import { readSetting, writeSetting } from "../shell/storage.ts"

/** A view that the reader has saved in this browser: its name, and the fragment of its URL. */
export interface SavedView {
  readonly name: string
  readonly fragment: string
}

const settingName = "saved-views"

/** Reads what the browser has stored. Anything that is not a list of saved views is ignored: the reader can edit it. */
const readStored = (): ReadonlyArray<SavedView> => {
  try {
    const stored: unknown = JSON.parse(readSetting(settingName) ?? "[]")
    return Array.isArray(stored) ? stored.filter(isSavedView) : []
  } catch {
    return []
  }
}

const isSavedView = (value: unknown): value is SavedView =>
  typeof value === "object" &&
  value !== null &&
  "name" in value &&
  typeof value.name === "string" &&
  "fragment" in value &&
  typeof value.fragment === "string"

const all = signal<ReadonlyArray<SavedView>>(readStored())

/** The saved views, by name. */
export const savedViews = all

const store = (views: ReadonlyArray<SavedView>): void => {
  all.value = views.toSorted((left, right) => left.name.localeCompare(right.name))
  writeSetting(settingName, views.length === 0 ? undefined : JSON.stringify(views))
}

/** Saves a view under a name, in place of the one that had it. */
export const saveView = (name: string, fragment: string): void =>
  store([...all.peek().filter((each) => each.name !== name), { name, fragment }])

/** Forgets a saved view. */
export const forgetView = (name: string): void => store(all.peek().filter((each) => each.name !== name))

/** Describes a view in a line: its name, its search and its moment. */
export const describeView = ({ fragment }: SavedView): string => {
  const { parameters, view } = parseRoute(fragment)
  const { at, lanes, q } = parameters
  return [
    view,
    ...(q === undefined ? [] : [q]),
    ...(lanes === undefined ? [] : [`lanes by ${lanes}`]),
    ...(at === undefined ? [] : [`as of position ${at}`])
  ].join(" · ")
}
