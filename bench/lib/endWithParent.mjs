/** Preloaded into a server: it ends when the process that started it does, however that ends. */
process.once("disconnect", () => process.kill(process.pid, "SIGTERM"))
process.channel.unref()
