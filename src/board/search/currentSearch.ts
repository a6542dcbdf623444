import { computed, type ReadonlySignal } from "@preact/signals"
import { route } from "../shell/location.ts"
import { everyCard, parseSearch, type Search } from "./parseSearch.ts"

/** The search of the URL, as the reader wrote it. */
export const query: ReadonlySignal<string> = computed(() => route.value.parameters["q"] ?? "")

/** The search of the URL. */
export const search: ReadonlySignal<Search> = computed(() =>
  query.value === "" ? everyCard : parseSearch(query.value)
)
