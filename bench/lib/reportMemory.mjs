/** Preloaded into a program that is measured from outside: writes its peak memory in MiB to the file that is named. */
import { writeFileSync } from "node:fs"
import { peakMemoryMiB } from "./memory.mjs"

process.on("exit", () => writeFileSync(process.env.BENCH_MEMORY_FILE, String(peakMemoryMiB())))
