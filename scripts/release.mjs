/**
 * Releases a version: CONTRIBUTING.md describes the steps.
 *
 *     npm run release -- VERSION             checks, sets the version, commits, tags, and builds the artifacts
 *     npm run release -- VERSION --publish   builds and publishes what is tagged, in a CI that npm trusts
 *     npm run release -- [VERSION] --dry-run rehearses both in a temporary clone of HEAD, without a network
 *
 * In a rehearsal, VERSION defaults to the next patch version, and a missing section of the changelog is added.
 */
import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const root = join(import.meta.dirname, "..")
const usage = "Usage: npm run release -- VERSION [--publish | --dry-run]"

const flags = process.argv.slice(2).filter((word) => word.startsWith("-"))
const [given, ...others] = process.argv.slice(2).filter((word) => !word.startsWith("-"))
const isRehearsal = flags.includes("--dry-run")
const isPublishing = flags.includes("--publish")
const known = new Set(["--dry-run", "--publish"])
if (others.length > 0 || flags.some((flag) => !known.has(flag)) || (given === undefined && !isRehearsal)) {
  console.error(usage)
  process.exit(2)
}

/** Runs a program in a folder. Returns its output, or fails. */
const run = (folder, program, args, { isQuiet = false } = {}) => {
  console.log(`$ ${[program, ...args].join(" ")}`)
  const { error, status, stdout } = spawnSync(program, args, {
    cwd: folder,
    encoding: "utf8",
    stdio: ["ignore", isQuiet ? "pipe" : "inherit", "inherit"]
  })
  if (error !== undefined) throw error
  if (status !== 0) throw new Error(`${program} ${args.join(" ")} ended with code ${status}`)
  return isQuiet ? stdout.trim() : ""
}
const git = (folder, ...args) => run(folder, "git", args, { isQuiet: true })
const readText = (folder, name) => readFileSync(join(folder, name), "utf8")
const manifestOf = (folder) => JSON.parse(readText(folder, "package.json"))

const nextPatch = (version) => version.replace(/\d+$/, (patch) => String(Number(patch) + 1))
const version = given ?? nextPatch(manifestOf(root).version)
const tag = `v${version}`

/** Compares two versions without a pre-release. */
const isNewer = (a, b) => {
  const [left, right] = [a, b].map((text) => text.split(".").map(Number))
  const index = left.findIndex((part, place) => part !== right[place])
  return index !== -1 && left[index] > right[index]
}

/** Returns the changelog's section of the version, without its heading, or `undefined`. The heading has the date. */
const sectionOf = (folder) => {
  const [, ...sections] = readText(folder, "CHANGELOG.md").split(/^## /m)
  const section = sections.find((text) => /^(\S+) \(\d{4}-\d\d-\d\d\)\n/.exec(text)?.[1] === version)
  return section?.slice(section.indexOf("\n")).trim()
}

/** Returns the reasons why the version cannot be prepared here. */
const findObstacles = (folder) => {
  const { version: current } = manifestOf(folder)
  const lock = JSON.parse(readText(folder, "package-lock.json"))
  const found = []
  const check = (passed, problem) => {
    if (!passed) found.push(problem)
  }
  check(/^\d+\.\d+\.\d+$/.test(version), `${version} is not a version such as 1.0.0.`)
  check(
    version === current || isNewer(version, current),
    `${version} is older than ${current}, the version in package.json.`
  )
  check(
    lock.version === current && lock.packages[""].version === current,
    `package-lock.json does not have the version ${current} of package.json.`
  )
  check(git(folder, "status", "--porcelain") === "", "The working tree is not clean.")
  check(git(folder, "branch", "--show-current") === "main", "The current branch is not main.")
  check(git(folder, "tag", "--list", tag) === "", `The tag ${tag} exists.`)
  check(sectionOf(folder) !== undefined, `CHANGELOG.md has no section "## ${version} (YYYY-MM-DD)".`)
  return found
}

/** Sets the version, commits and tags. */
const prepare = (folder) => {
  const { version: current } = manifestOf(folder)
  if (current !== version) {
    for (const name of ["package.json", "package-lock.json"]) {
      const text = readText(folder, name)
      const count = name === "package.json" ? 1 : 2
      let replaced = 0
      const changed = text.replaceAll(`"version": "${current}"`, (found) =>
        replaced++ < count ? `"version": "${version}"` : found
      )
      writeFileSync(join(folder, name), changed)
    }
    git(folder, "commit", "--quiet", "--all", "--message", `Release ${version}`)
  }
  git(folder, "tag", "--annotate", tag, "--cleanup=verbatim", "--message", `${version}\n\n${sectionOf(folder)}`)
}

/** Builds the tarball, the SBOM and their checksums into `release/`. Returns the path of the tarball. */
const buildArtifacts = (folder) => {
  run(folder, "npm", ["run", "build"])
  const built = run(folder, "node", ["dist/cli/main.js", "--version"], { isQuiet: true })
  if (!built.includes(version)) throw new Error(`The built program has the version "${built}".`)
  run(folder, "node", ["scripts/licenses.mjs", "--check"])
  const target = join(folder, "release")
  rmSync(target, { recursive: true, force: true })
  mkdirSync(target)
  run(folder, "npm", ["pack", "--ignore-scripts", "--loglevel", "warn", "--pack-destination", "release"], {
    isQuiet: true
  })
  const names = [`mosaic-backlog-${version}.tgz`, `mosaic-backlog-${version}.cdx.json`]
  run(folder, "node", ["scripts/sbom.mjs", `release/${names[1]}`])
  const sums = names.map((name) => {
    const hash = createHash("sha256").update(readFileSync(join(target, name)))
    return `${hash.digest("hex")}  ${name}\n`
  })
  writeFileSync(join(target, "SHA256SUMS"), sums.join(""))
  console.log(sums.join("").trimEnd())
  // With a point: npm takes `folder/name` for a repository.
  return `./release/${names[0]}`
}

const publishing = (tarball) => ["publish", tarball, "--provenance", "--access", "public"]

const fail = (problems) => {
  console.error(problems.join("\n"))
  process.exit(1)
}

const rehearse = () => {
  if (git(root, "status", "--porcelain") !== "") console.log("Uncommitted changes are not part of the rehearsal.")
  const folder = join(mkdtempSync(join(tmpdir(), "backlog-release-")), "clone")
  try {
    git(root, "clone", "--quiet", "--no-hardlinks", root, folder)
    git(folder, "checkout", "--quiet", "-B", "main", git(root, "rev-parse", "HEAD"))
    git(folder, "config", "user.name", "Rehearsal")
    git(folder, "config", "user.email", "rehearsal@localhost")
    symlinkSync(join(root, "node_modules"), join(folder, "node_modules"))
    // Built again only if it is out of date.
    if (existsSync(join(root, "template")))
      cpSync(join(root, "template"), join(folder, "template"), { recursive: true })
    if (sectionOf(folder) === undefined && given === undefined) {
      const today = new Date().toISOString().slice(0, 10)
      const changelog = readText(folder, "CHANGELOG.md")
      writeFileSync(
        join(folder, "CHANGELOG.md"),
        changelog.replace(/^## /m, `## ${version} (${today})\n\nA rehearsal.\n\n## `)
      )
      git(folder, "commit", "--quiet", "--all", "--message", "Add a section for the rehearsal")
    }
    const obstacles = findObstacles(folder)
    if (obstacles.length > 0) fail(obstacles)
    console.log("not run in a rehearsal: npm ci, npm run check, npm run check:package, npm test")
    prepare(folder)
    console.log(git(folder, "show", "--no-patch", "--format=%H %s", `${tag}^{commit}`))
    const tarball = buildArtifacts(folder)
    run(folder, "npm", [...publishing(tarball), "--dry-run", "--offline", "--loglevel", "warn"])
    console.log(`not run in a rehearsal: git push origin main ${tag}`)
    console.log(`\nThe rehearsal of ${version} has passed. Nothing was changed or published.`)
  } finally {
    rmSync(join(folder, ".."), { recursive: true, force: true })
  }
}

const release = () => {
  const obstacles = findObstacles(root)
  if (obstacles.length > 0) fail(obstacles)
  run(root, "npm", ["ci"])
  for (const script of ["check", "check:package", "test"]) run(root, "npm", ["run", script])
  prepare(root)
  buildArtifacts(root)
  console.log(`
${version} is committed and tagged. Nothing was sent yet. Next:

    git push origin main ${tag}

Then let CI run \`npm run release -- ${version} --publish\` at the tag.`)
}

const publish = () => {
  const problems = []
  if (git(root, "status", "--porcelain") !== "") problems.push("The working tree is not clean.")
  if (git(root, "tag", "--points-at", "HEAD", "--list", tag) === "") problems.push(`HEAD is not tagged ${tag}.`)
  const manifest = manifestOf(root)
  if (manifest.version !== version) problems.push(`package.json has the version ${manifest.version}.`)
  if (manifest.repository === undefined) {
    problems.push("package.json has no `repository`, which npm compares with the provenance.")
  }
  if (process.env.ACTIONS_ID_TOKEN_REQUEST_URL === undefined && process.env.SIGSTORE_ID_TOKEN === undefined) {
    problems.push("There is no OIDC identity here: publish from a CI that npm accepts for provenance.")
  }
  if (problems.length > 0) fail(problems)
  run(root, "npm", publishing(buildArtifacts(root)))
}

if (isRehearsal) rehearse()
else if (isPublishing) publish()
else release()
