import { readFileSync } from "node:fs"

/** What stands in a file as JSON, or something else where there is no such file. */
export const readJson = (file, otherwise) => {
  try {
    return JSON.parse(readFileSync(file, "utf8"))
  } catch (error) {
    if (error.code === "ENOENT") return otherwise
    throw error
  }
}
