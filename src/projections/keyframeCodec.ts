/*
 * A keyframe's bytes: the length of a JSON header, the header, and one block for each column. The values of a column are stored
 * as differences from their smallest, in as few bytes as the greatest needs, so that decoding is one loop for each column.
 */

/** The format of the bytes below. A change gets a new number; keyframes of other formats are written again. */
export const keyframeFormat = 1

/** The status of a card in a column: its index here. */
export const statusNumbers = ["ready", "claimed", "blocked", "done"] as const

export const done = 3

/** Cards of one part of a keyframe. The ordinal of a card is its place in the order of creation, from 0. */
export interface KeyframePart {
  /** The ordinals, ascending. */
  readonly ordinals: Float64Array
  /** How many of the last entries are of cards that no earlier keyframe has. */
  readonly created: number
  /** The ids of these entries in UTF-8, one after the other, and the positions and times of their creation. */
  readonly idLengths: Float64Array
  readonly idBytes: Uint8Array
  readonly createdPositions: Float64Array
  readonly createdAt: Float64Array
  readonly status: Float64Array
  readonly priority: Float64Array
  /** The position of each card's last event. */
  readonly position: Float64Array
  readonly completedAt: Float64Array
  readonly notBefore: Float64Array
  readonly expiresAt: Float64Array
  /** Indexes into `names`; NaN for none. */
  readonly phase: Float64Array
  readonly owner: Float64Array
  readonly labels: Float64Array
  readonly names: ReadonlyArray<string>
  readonly labelSets: ReadonlyArray<ReadonlyArray<string>>
  /** How many dependencies each card has, and their ordinals; negative for `missing`, from -1. */
  readonly edgeCounts: Float64Array
  readonly targets: Float64Array
  readonly missing: ReadonlyArray<string>
}

/** How a column is stored. */
interface ColumnHeader {
  /** Bytes of a value: 0 when all are equal. */
  readonly width: 0 | 1 | 2 | 4 | 8
  readonly length: number
  readonly base: number
  /** Whether 0 means NaN. */
  readonly nullable: boolean
  /** Whether each value is the difference from the one before. */
  readonly differences: boolean
}

const columnNames = [
  "ordinals",
  "createdPositions",
  "createdAt",
  "status",
  "priority",
  "position",
  "completedAt",
  "notBefore",
  "expiresAt",
  "phase",
  "owner",
  "labels",
  "edgeCounts",
  "targets"
] as const

/** Columns that mostly ascend by small steps. */
const ascending: ReadonlySet<string> = new Set(["ordinals", "createdPositions", "createdAt"])

interface Header
  extends
    Pick<KeyframePart, "created" | "names" | "labelSets" | "missing">,
    Readonly<Record<"columns", ReadonlyArray<ColumnHeader>>> {
  readonly idLengths: ColumnHeader
}

const blockSize = (bytes: number): number => Math.ceil(bytes / 8) * 8

const encodeColumn = (values: Float64Array, differences: boolean): { header: ColumnHeader; block: Uint8Array } => {
  const stored = differences
    ? values.map((value, index) => value - (index === 0 ? 0 : (values[index - 1] ?? 0)))
    : values
  let least = Number.POSITIVE_INFINITY
  let greatest = Number.NEGATIVE_INFINITY
  let nullable = false
  for (const value of stored) {
    if (Number.isNaN(value)) nullable = true
    else {
      if (value < least) least = value
      if (value > greatest) greatest = value
    }
  }
  if (least > greatest) {
    least = 0
    greatest = nullable ? -1 : 0
  }
  const base = nullable ? least - 1 : least
  const range = greatest - base
  const width =
    range === 0 || stored.length === 0 ? 0 : range < 2 ** 8 ? 1 : range < 2 ** 16 ? 2 : range < 2 ** 32 ? 4 : 8
  const block = new Uint8Array(blockSize(width * stored.length))
  const header: ColumnHeader = { width, length: stored.length, base, nullable, differences }
  if (width > 0) {
    const target = viewOf(block.buffer, 0, header)
    for (let index = 0; index < stored.length; index++) {
      const value = stored[index] ?? 0
      target[index] = Number.isNaN(value) ? 0 : value - base
    }
  }
  return { header, block }
}

type NumberView = Uint8Array | Uint16Array | Uint32Array | Float64Array

const viewOf = (buffer: ArrayBufferLike, offset: number, { length, width }: ColumnHeader): NumberView => {
  switch (width) {
    case 0:
    case 1:
      return new Uint8Array(buffer, offset, width === 0 ? 0 : length)
    case 2:
      return new Uint16Array(buffer, offset, length)
    case 4:
      return new Uint32Array(buffer, offset, length)
    case 8:
      return new Float64Array(buffer, offset, length)
  }
}

const decodeColumn = (buffer: ArrayBufferLike, offset: number, header: ColumnHeader): Float64Array => {
  const { base, differences, length, nullable, width } = header
  const values = new Float64Array(length)
  // All values are equal: NaN, where NaN is possible.
  if (width === 0) {
    const only = nullable ? Number.NaN : base
    if (only !== 0) values.fill(only)
  } else {
    const stored = viewOf(buffer, offset, header)
    if (nullable) {
      for (let index = 0; index < length; index++) {
        const value = stored[index] as number
        values[index] = value === 0 ? Number.NaN : value + base
      }
    } else {
      for (let index = 0; index < length; index++) values[index] = (stored[index] as number) + base
    }
  }
  if (differences)
    for (let index = 1; index < length; index++) values[index] = (values[index] ?? 0) + (values[index - 1] ?? 0)
  return values
}

/** Encodes a part. */
export const encodePart = (part: KeyframePart): Uint8Array => {
  const lengths = encodeColumn(part.idLengths, false)
  const columns = columnNames.map((name) => encodeColumn(part[name], ascending.has(name)))
  const header: Header = {
    created: part.created,
    names: part.names,
    labelSets: part.labelSets,
    missing: part.missing,
    columns: columns.map((column) => column.header),
    idLengths: lengths.header
  }
  const text = Buffer.from(JSON.stringify(header))
  const length = Buffer.alloc(8)
  length.writeUInt32LE(text.length)
  const padding = Buffer.alloc(blockSize(text.length) - text.length)
  return Buffer.concat([length, text, padding, ...columns.map(({ block }) => block), lengths.block, part.idBytes])
}

/** Decodes a part. Throws when the bytes are not those of a part. */
export const decodePart = (bytes: Uint8Array): KeyframePart => {
  // Views of numbers must begin at a multiple of their width.
  const aligned = bytes.byteOffset % 8 === 0 ? bytes : Uint8Array.from(bytes)
  const { buffer, byteOffset } = aligned
  const textLength = new DataView(buffer, byteOffset).getUint32(0, true)
  const header = JSON.parse(Buffer.from(buffer, byteOffset + 8, textLength).toString()) as Header
  let offset = byteOffset + 8 + blockSize(textLength)
  const next = (column: ColumnHeader): Float64Array => {
    const values = decodeColumn(buffer, offset, column)
    offset += blockSize(column.width * column.length)
    return values
  }
  const columns = Object.fromEntries(
    columnNames.map((name, index) => [name, next(header.columns[index] as ColumnHeader)])
  )
  const idLengths = next(header.idLengths)
  const idBytes = new Uint8Array(buffer, offset, byteOffset + aligned.byteLength - offset)
  return {
    ...(columns as unknown as Record<(typeof columnNames)[number], Float64Array>),
    created: header.created,
    names: header.names,
    labelSets: header.labelSets,
    missing: header.missing,
    idLengths,
    idBytes
  }
}
