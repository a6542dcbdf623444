import { cp, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

/** Another build of this program. */
export interface OtherProgram {
  readonly directory: string
  readonly remove: () => Promise<void>
}

const root = fileURLToPath(new URL("../../..", import.meta.url))

const migrationNames = async (): Promise<ReadonlyArray<string>> =>
  (await readdir(join(root, "migrations"))).filter((name) => name.endsWith(".sql")).sort()

/** A copy of this checkout's build with other migrations. */
const makeProgram = async (change: (migrations: string) => Promise<void>): Promise<OtherProgram> => {
  const directory = await mkdtemp(join(tmpdir(), "backlog-program-"))
  const migrations = join(directory, "migrations")
  await mkdir(migrations)
  await writeFile(join(directory, "package.json"), JSON.stringify({ type: "module" }))
  await symlink(join(root, "node_modules"), join(directory, "node_modules"))
  await cp(join(root, "dist"), join(directory, "dist"), { recursive: true })
  // The build embeds the migrations of this checkout. Without them, the program reads its own folder.
  await writeFile(
    join(directory, "dist", "services", "embeddedFiles.js"),
    "export const embeddedVersion = undefined\nexport const embeddedMigrations = undefined\n"
  )
  await cp(join(root, "migrations"), migrations, { recursive: true })
  await change(migrations)
  return { directory, remove: () => rm(directory, { recursive: true, force: true }) }
}

/** This program as it was before its newest migration. */
export const olderProgram = (): Promise<OtherProgram> =>
  makeProgram(async (migrations) => {
    await rm(join(migrations, (await migrationNames()).at(-1) ?? ""))
  })

/** This program with one more migration, which briefly needs an exclusive lock on the log's table. */
export const newerProgram = (): Promise<OtherProgram> =>
  makeProgram(async (migrations) => {
    const id = String((await migrationNames()).length + 1).padStart(4, "0")
    await writeFile(join(migrations, `${id}_later.sql`), "ALTER TABLE events ADD COLUMN later text\n")
  })
