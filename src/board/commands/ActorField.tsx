import { actor, isActorFree, setActor } from "./send.ts"

/** The name under which commands are recorded. A token has a name already. */
export const ActorField = () =>
  isActorFree() ? (
    <div class="field actor">
      <label htmlFor="command-actor">Your name, which the log records</label>
      <input
        id="command-actor"
        type="text"
        autocomplete="name"
        required
        maxLength={200}
        value={actor.value}
        onInput={({ currentTarget }) => setActor(currentTarget.value)}
      />
    </div>
  ) : null
