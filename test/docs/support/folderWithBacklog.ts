import { rename } from "node:fs/promises"
import { dirname, join } from "node:path"
import { inDirectory } from "../../cli/support.ts"

/** A folder with an empty backlog in `.backlog`, where every command finds it. */
export const folderWithBacklog = async (): Promise<string> => {
  const { directory } = await inDirectory()
  const folder = dirname(directory)
  await rename(directory, join(folder, ".backlog"))
  return folder
}
