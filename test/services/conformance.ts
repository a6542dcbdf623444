import type { Layer } from "effect"
import type { Client } from "../support/backlogs.ts"
import { cards } from "./conformance/cards.ts"
import { claims } from "./conformance/claims.ts"
import { completion } from "./conformance/completion.ts"
import { deferral } from "./conformance/deferral.ts"
import { dependencies } from "./conformance/dependencies.ts"
import { generatedIds } from "./conformance/generatedIds.ts"
import { graph } from "./conformance/graph.ts"
import { invalidInput } from "./conformance/invalidInput.ts"
import { labels } from "./conformance/labels.ts"
import { lists } from "./conformance/lists.ts"
import { log } from "./conformance/log.ts"
import { migrations } from "./conformance/migrations.ts"
import { notes } from "./conformance/notes.ts"
import { queries } from "./conformance/queries.ts"
import { transactions } from "./conformance/transactions.ts"
import { receipts } from "./conformance/receipts.ts"
import { suiteOver } from "./suiteOver.ts"

/** Tests that any implementation of the services must pass. */
export const overAnyLayer = [
  cards,
  generatedIds,
  labels,
  deferral,
  notes,
  claims,
  completion,
  dependencies,
  graph,
  lists,
  queries,
  log,
  receipts,
  invalidInput
]

/** Registers all conformance tests of the services over a database client. */
export const suite = (name: string, clientLayer: Layer.Layer<Client, unknown>): void =>
  suiteOver(name, clientLayer, [...overAnyLayer, transactions, migrations])
