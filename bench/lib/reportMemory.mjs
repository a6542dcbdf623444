/** Preloaded into a measured program: writes its peak memory in MiB to the given file. */
import { writeFileSync } from "node:fs"
import { peakMemoryMiB } from "./memory.mjs"

process.on("exit", () => writeFileSync(process.env.BENCH_MEMORY_FILE, String(peakMemoryMiB())))
