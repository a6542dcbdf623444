import type { Layer } from "effect"
import type { Client } from "../support/backlogs.ts"
import { cards } from "./conformance/cards.ts"
import { claims } from "./conformance/claims.ts"
import { completion } from "./conformance/completion.ts"
import { dependencies } from "./conformance/dependencies.ts"
import { invalidInput } from "./conformance/invalidInput.ts"
import { log } from "./conformance/log.ts"
import { migrations } from "./conformance/migrations.ts"
import { queries } from "./conformance/queries.ts"
import { transactions } from "./conformance/transactions.ts"
import { receipts } from "./conformance/receipts.ts"
import { suiteOver } from "./suiteOver.ts"

/** Tests that any implementation of the services must pass. */
export const overAnyLayer = [cards, claims, completion, dependencies, queries, log, receipts, invalidInput]

/** Registers all conformance tests of the services over a database client. */
export const suite = (name: string, clientLayer: Layer.Layer<Client, unknown>): void =>
  suiteOver(name, clientLayer, [...overAnyLayer, transactions, migrations])
