import { describe, expect, it } from "@effect/vitest"
import { Schema } from "effect"
import { chunkRows } from "../../src/sql/bulkStatements.ts"

const mebibyte = 1024 * 1024

const sizesOf = (rows: ReadonlyArray<number>): ReadonlyArray<ReadonlyArray<number>> => [
  ...chunkRows(rows, (row) => row)
]

describe("chunkRows", () => {
  it("returns no chunks for no rows", () => {
    expect(sizesOf([])).toEqual([])
  })

  it("ends a chunk after 1,000 rows", () => {
    const counts = (rows: number) => sizesOf(Array.from({ length: rows }, () => 1)).map((chunk) => chunk.length)
    expect(counts(1_000)).toEqual([1_000])
    expect(counts(1_001)).toEqual([1_000, 1])
    expect(counts(2_500)).toEqual([1_000, 1_000, 500])
  })

  it("ends a chunk before it exceeds 8 MiB", () => {
    expect(sizesOf([4 * mebibyte, 4 * mebibyte])).toHaveLength(1)
    expect(sizesOf([4 * mebibyte, 4 * mebibyte, 1])).toEqual([[4 * mebibyte, 4 * mebibyte], [1]])
    expect(sizesOf([1, 8 * mebibyte, 1])).toEqual([[1], [8 * mebibyte], [1]])
  })

  it("puts a row that exceeds 8 MiB into its own chunk", () => {
    expect(sizesOf([9 * mebibyte])).toEqual([[9 * mebibyte]])
    expect(sizesOf([1, 9 * mebibyte, 9 * mebibyte, 1])).toEqual([[1], [9 * mebibyte], [9 * mebibyte], [1]])
  })

  it.prop(
    "returns every row in order, without empty chunks",
    [Schema.Array(Schema.Literals([0, 1, mebibyte, 3 * mebibyte, 8 * mebibyte, 9 * mebibyte]))],
    ([rows]) => {
      const made = sizesOf(rows)
      expect(made.flat()).toEqual(rows)
      for (const chunk of made) {
        expect(chunk.length).toBeGreaterThan(0)
        const size = chunk.reduce((sum, row) => sum + row, 0)
        expect(chunk.length === 1 || size <= 8 * mebibyte).toBe(true)
      }
    },
    { arbitrary: { runs: 300, size: 40 } }
  )
})
