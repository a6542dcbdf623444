import { Schema } from "effect"

/** Another process holds the directory. */
export class DirectoryLocked extends Schema.TaggedError<DirectoryLocked>()("DirectoryLocked", {
  directory: Schema.String,
  pid: Schema.Int,
  hostname: Schema.String,
  waitedSeconds: Schema.Finite
}) {
  override get message(): string {
    return `${this.directory} is held by process ${this.pid}; waited ${this.waitedSeconds} seconds.`
  }
}

/** The directory cannot hold a backlog. */
export class DirectoryUnusable extends Schema.TaggedError<DirectoryUnusable>()("DirectoryUnusable", {
  directory: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `${this.directory} cannot be used: ${this.reason}`
  }
}
