import { readFileSync } from "node:fs"

/** Reads a file as JSON, or returns a default when the file does not exist. */
export const readJson = (file, otherwise) => {
  try {
    return JSON.parse(readFileSync(file, "utf8"))
  } catch (error) {
    if (error.code === "ENOENT") return otherwise
    throw error
  }
}
