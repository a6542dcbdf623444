import type { Flow } from "../api/types.ts"

/** The size of a bucket. */
export type BucketSize = Flow["bucket"]

const minute = 60_000
const hour = 60 * minute
const day = 24 * hour

const bucketMillis: Readonly<Record<BucketSize, number>> = { minute, hour, day, week: 7 * day }

/** All sizes of buckets, the smallest first. */
export const bucketSizes: ReadonlyArray<BucketSize> = ["minute", "hour", "day", "week"]

/** Ranges that end now. */
export const presets = [
  { name: "1h", label: "1 hour", millis: hour },
  { name: "24h", label: "24 hours", millis: day },
  { name: "7d", label: "7 days", millis: 7 * day },
  { name: "30d", label: "30 days", millis: 30 * day },
  { name: "90d", label: "90 days", millis: 90 * day },
  { name: "1y", label: "1 year", millis: 365 * day }
] as const

/** The name of a range that ends now. */
export type PresetName = (typeof presets)[number]["name"]

/** What groups the figures. */
export type Grouping = NonNullable<Flow["by"]>

/** What groups the figures can have. */
export const groupings: ReadonlyArray<Grouping> = ["phase", "label", "owner"]

/** What the URL says about the view Flow. */
export interface FlowChoice {
  readonly range:
    | { readonly _tag: "Preset"; readonly name: PresetName; readonly millis: number }
    /** Times in milliseconds since 1970. `to` is `undefined` for now. */
    | { readonly _tag: "Free"; readonly from: number; readonly to: number | undefined }
  /** The size of the buckets. `undefined` for the one that suits the range. */
  readonly bucket: BucketSize | undefined
  readonly by: Grouping | undefined
  /** The groups that the charts show. `undefined` for the largest. `null` is the group without a name. */
  readonly groups: ReadonlyArray<string | null> | undefined
}

/** The range that is shown if the URL names none. */
const defaultPreset = presets[2]

const parseTime = (text: string | undefined): number | undefined => {
  const millis = Date.parse(text ?? "")
  return Number.isNaN(millis) ? undefined : millis
}

/** Parses the parameters of the URL. Anything that is not valid has its default. */
export const parseChoice = (parameters: Readonly<Record<string, string>>): FlowChoice => {
  const { bucket, by, from, groups, range, to } = parameters
  const start = parseTime(from)
  const end = parseTime(to)
  const preset = presets.find(({ name }) => name === range) ?? defaultPreset
  return {
    range:
      start !== undefined && (end === undefined || start < end)
        ? { _tag: "Free", from: start, to: end }
        : { _tag: "Preset", name: preset.name, millis: preset.millis },
    bucket: bucketSizes.find((each) => each === bucket),
    by: groupings.find((each) => each === by),
    groups: parseGroups(groups)
  }
}

const parseGroups = (text: string | undefined): FlowChoice["groups"] => {
  if (text === undefined) return undefined
  try {
    const parsed: unknown = JSON.parse(text)
    return Array.isArray(parsed) && parsed.every((each) => each === null || typeof each === "string")
      ? (parsed as ReadonlyArray<string | null>)
      : undefined
  } catch {
    return undefined
  }
}

/** The most buckets that the server returns. */
const maxBuckets = 1_000

/** Whether a range of a duration in milliseconds can have buckets of a size. */
export const fits = (size: BucketSize, millis: number): boolean => millis / bucketMillis[size] <= maxBuckets - 1

/** The size of buckets that suits a range of a duration in milliseconds: at most about 120 buckets. */
const suitableBucket = (millis: number): BucketSize =>
  bucketSizes.find((size) => millis / bucketMillis[size] <= 120) ?? "week"

/** A range with its buckets, for `/flow`. Times are in milliseconds since 1970. */
export interface ResolvedRange {
  readonly from: number
  /** `undefined` for now. */
  readonly to: number | undefined
  readonly bucket: BucketSize
}

/** Returns the range of a choice. It ends at `end` at the latest; `isNow` says whether `end` is the present. */
export const resolveRange = ({ bucket, range }: FlowChoice, end: number, isNow: boolean): ResolvedRange => {
  const to = range._tag === "Preset" ? end : Math.min(range.to ?? end, end)
  const from = range._tag === "Preset" ? end - range.millis : Math.min(range.from, to)
  const size = bucket !== undefined && fits(bucket, to - from) ? bucket : suitableBucket(to - from)
  return { from, to: isNow && to === end ? undefined : to, bucket: size }
}

/** Formats a time for an input of a local date and time, to the minute. */
export const toLocalInput = (millis: number): string => {
  const date = new Date(millis)
  const pad = (value: number, length = 2): string => String(value).padStart(length, "0")
  return (
    `${pad(date.getFullYear(), 4)}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}` +
    `T${pad(date.getHours())}:${pad(date.getMinutes())}`
  )
}

/** Reads the value of an input of a local date and time. `undefined` if it is incomplete. */
export const fromLocalInput = (value: string): number | undefined =>
  /^\d{4,6}-\d\d-\d\dT\d\d:\d\d/.test(value) ? parseTime(value) : undefined
