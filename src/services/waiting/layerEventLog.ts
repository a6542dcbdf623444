import { Layer } from "effect"
import { EventLog } from "../../events/EventLog.ts"
import { layerCommitNotifications } from "./CommitNotifications.ts"

/** The log, which hears of commits in other processes. One layer, so that services built together share one log. */
export const layerEventLog = EventLog.layer.pipe(Layer.provide(layerCommitNotifications))
