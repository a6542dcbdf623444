import { head } from "../api/follow.ts"
import { navigate, route } from "../shell/location.ts"
import type { TimeRange } from "./timeline.ts"

/** Returns a parameter of the URL that is a position. */
const positionIn = (name: string): number | undefined => {
  const value = route.value.parameters[name] ?? ""
  return /^\d{1,15}$/.test(value) ? Number(value) : undefined
}

/** The range of the slider in the URL, from the parameters `from` and `to`; `undefined` for the whole log. */
export const rangeOfRoute = (): TimeRange | undefined => {
  const from = positionIn("from")
  const to = positionIn("to")
  return from === undefined || to === undefined || from < 1 || to < from ? undefined : { from, to }
}

/** Shows a range of the log. */
export const showRange = (range: TimeRange | undefined): void =>
  navigate({
    parameters: {
      from: range === undefined ? undefined : String(range.from),
      to: range === undefined ? undefined : String(range.to)
    }
  })

/** The moment that is compared, from the parameter `compare`; `undefined` without a comparison. */
export const comparedOfRoute = (): number | undefined => positionIn("compare")

/** Compares with a position; `undefined` ends the comparison. */
export const compareWith = (position: number | undefined): void =>
  navigate({ parameters: { compare: position === undefined ? undefined : String(position) } })

/** Goes to a position. The end of the log is the present. */
export const goTo = (position: number, { replace = false }: { readonly replace?: boolean } = {}): void => {
  const isNow = position >= head.peek()
  navigate({ parameters: { at: isNow ? undefined : String(Math.max(0, Math.round(position))) } }, { replace })
}
