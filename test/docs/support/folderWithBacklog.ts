import { rename } from "node:fs/promises"
import { dirname, join } from "node:path"
import { inDirectory } from "../../cli/support.ts"

/** Creates a folder with an empty backlog in `.backlog`. */
export const folderWithBacklog = async (): Promise<string> => {
  const { directory } = await inDirectory()
  const folder = dirname(directory)
  await rename(directory, join(folder, ".backlog"))
  return folder
}
