/** Preloaded into a server, so that the server ends when its parent process does, for any reason. */
process.once("disconnect", () => process.kill(process.pid, "SIGTERM"))
process.channel.unref()
