import { Clock, Duration, Effect, Schema, type Scope } from "effect"
import { randomUUID } from "node:crypto"
import { link, open, readdir, readFile, rename, unlink } from "node:fs/promises"
import { hostname } from "node:os"
import { join } from "node:path"
import { isRunning, ownProcess, ProcessIdentity } from "./ProcessIdentity.ts"

/** Another process holds the directory, and did not let go of it in time. */
export class DirectoryLocked extends Schema.TaggedError<DirectoryLocked>()("DirectoryLocked", {
  directory: Schema.String,
  /** The holder's process id, on the machine `hostname`. */
  pid: Schema.Int,
  hostname: Schema.String,
  waitedSeconds: Schema.Finite
}) {
  override get message(): string {
    const held = `The backlog in ${this.directory} is in use by process ${this.pid}`
    const waited = `waited ${this.waitedSeconds} seconds for it`
    return this.hostname === hostname()
      ? `${held}; ${waited}. Wait until it is done, or stop it, or share a Postgres server instead (--db postgres://…).`
      : `${held} on ${this.hostname}, which cannot be looked at from here; ${waited}. ` +
          `If that process is no more, delete ${join(this.directory, lockName)}.`
  }
}

/** The directory cannot hold a backlog. */
export class DirectoryUnusable extends Schema.TaggedError<DirectoryUnusable>()("DirectoryUnusable", {
  directory: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `${this.directory} cannot be used as a backlog's directory: ${this.reason}`
  }
}

/** The file that says which process holds a directory. Successors of dead holders add their own names to it. */
export const lockName = "backlog.lock"

/** How long a second process waits for the first, unless told otherwise. */
const defaultWait: Duration.Input = "10 seconds"

const pollEvery: Duration.Input = "50 millis"

/** Who holds, or held, a directory. The nonce tells apart two times that one process held it. */
const Holder = Schema.Struct({ ...ProcessIdentity.fields, nonce: Schema.String })

interface Holder extends Schema.Schema.Type<typeof Holder> {}

const decodeHolder = Schema.decodeUnknownSync(Schema.fromJsonString(Holder))

/**
 * Holds a directory for this process alone until the scope closes. Waits `wait` (10 seconds unless told otherwise) for a
 * holder that lives; one that died, however it died, blocks nobody. The directory must exist.
 *
 * The holder is the end of a chain of files: `backlog.lock` names the first, and the successor of a dead holder is whoever creates
 * `backlog.lock.NONCE` with that holder's nonce. Creating is atomic, so every dead holder has one successor at most, and
 * a file of the chain is never replaced while anyone might still take it for current. docs/decisions/0003 has the reasoning.
 */
export const holdDirectory = (
  directory: string,
  options: { readonly wait?: Duration.Input | undefined } = {}
): Effect.Effect<void, DirectoryLocked | DirectoryUnusable, Scope.Scope> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const self: Holder = { ...(yield* Effect.promise(ownProcess)), nonce: randomUUID() }
      const began = yield* Clock.currentTimeMillis
      const wait = Duration.toMillis(options.wait ?? defaultWait)
      while (true) {
        const other = yield* Effect.tryPromise({
          try: () => tryToHold(directory, self),
          catch: (cause) => new DirectoryUnusable({ directory, reason: reasonOf(cause) })
        })
        if (other === undefined) break
        const waited = (yield* Clock.currentTimeMillis) - began
        if (waited >= wait) {
          const waitedSeconds = Math.round(waited / 100) / 10
          return yield* new DirectoryLocked({ directory, pid: other.pid, hostname: other.hostname, waitedSeconds })
        }
        yield* restore(Effect.sleep(pollEvery))
      }
      yield* Effect.addFinalizer(() => Effect.promise(() => letGo(directory, self)))
    })
  )

/** Answers `undefined` when `self` now holds the directory, else who does. */
const tryToHold = async (directory: string, self: Holder): Promise<Holder | undefined> => {
  const end = await endOfChain(directory)
  if ("holder" in end) return end.holder
  if (!(await create(directory, end.free, self))) return end.after ?? self
  const now = await endOfChain(directory)
  if ("holder" in now && now.holder.nonce === self.nonce) {
    await compact(directory, end.free, self)
    return undefined
  }
  await removeIfOwn(directory, end.free, self)
  return "holder" in now ? now.holder : (now.after ?? self)
}

/** The living holder at the end of the chain, or the name that the next holder is to create. */
const endOfChain = async (
  directory: string
): Promise<{ readonly holder: Holder } | { readonly free: string; readonly after: Holder | undefined }> => {
  let name = lockName
  let after: Holder | undefined
  while (true) {
    const holder = await read(directory, name)
    if (holder === undefined) return { free: name, after }
    if (await isRunning(holder)) return { holder }
    after = holder
    name = `${lockName}.${holder.nonce}`
  }
}

const read = async (directory: string, name: string): Promise<Holder | undefined> => {
  const text = await readFile(join(directory, name), "utf8").catch(ignoring("ENOENT"))
  if (text === undefined) return undefined
  try {
    return decodeHolder(text)
  } catch {
    throw new Error(`its file ${name} is damaged; delete it once no process uses the directory`)
  }
}

/** Creates a file of the chain, with its whole content at once; `false` when somebody else did. */
const create = async (directory: string, name: string, self: Holder): Promise<boolean> => {
  const draft = await writeDraft(directory, self)
  try {
    await link(draft, join(directory, name))
    return true
  } catch (cause) {
    if (codeOf(cause) === "EEXIST") return false
    throw cause
  } finally {
    await unlink(draft).catch(ignoring("ENOENT"))
  }
}

const writeDraft = async (directory: string, self: Holder): Promise<string> => {
  const draft = join(directory, `${lockName}.draft-${self.nonce}`)
  const file = await open(draft, "w")
  try {
    await file.writeFile(JSON.stringify(self))
    await file.sync()
  } finally {
    await file.close()
  }
  return draft
}

/** Makes the chain one file long again, and clears away what dead processes left. Only the holder may. */
const compact = async (directory: string, name: string, self: Holder): Promise<void> => {
  if (name !== lockName) await rename(await writeDraft(directory, self), join(directory, lockName))
  for (const left of await readdir(directory)) {
    if (left.startsWith(`${lockName}.`) && !left.startsWith(`${lockName}.draft-`)) {
      await unlink(join(directory, left)).catch(ignoring("ENOENT"))
    }
  }
}

const letGo = (directory: string, self: Holder): Promise<void> => removeIfOwn(directory, lockName, self)

const removeIfOwn = async (directory: string, name: string, self: Holder): Promise<void> => {
  const holder = await read(directory, name).catch(() => undefined)
  if (holder?.nonce === self.nonce) await unlink(join(directory, name)).catch(ignoring("ENOENT"))
}

const codeOf = (cause: unknown): string | undefined => (cause as NodeJS.ErrnoException).code

const ignoring =
  (code: string) =>
  (cause: unknown): undefined => {
    if (codeOf(cause) !== code) throw cause
  }

const fileErrors: Readonly<Record<string, string>> = {
  EACCES: "this user may not write there",
  EPERM: "this user may not write there, or its file system has no hard links",
  EROFS: "it is on a read-only file system",
  ENOSPC: "no space is left on its file system",
  ENOTDIR: "it, or a part of its path, is a file",
  EEXIST: "it is a file",
  ENOTSUP: "its file system has no hard links"
}

/** What a failed file operation means, in words. */
export const reasonOf = (cause: unknown): string => {
  const code = codeOf(cause)
  const words = code === undefined ? undefined : fileErrors[code]
  const message = cause instanceof Error ? cause.message : String(cause)
  return words === undefined ? message : `${words} (${message})`
}
