package io.twinspan.concurrent;

import java.lang.System.Logger.Level;

/** Decides what becomes of an agent whose round threw something. Called on its thread. */
@FunctionalInterface
public interface AgentErrorHandler {
  /** Logs through {@link System.Logger} and stops the agent. */
  AgentErrorHandler LOG_AND_STOP =
      (agent, error) -> {
        System.getLogger(AgentRunner.class.getName())
            .log(Level.ERROR, "agent " + agent.roleName() + " failed and stops", error);
        return Decision.STOP;
      };

  /** What becomes of the agent. */
  enum Decision {
    /** Do the next round. */
    GO_ON,
    /** Do no more rounds; {@link Agent#onClose()} is called and the thread ends. */
    STOP
  }

  /**
   * Decides. What is thrown from {@link Agent#onStart()} or {@link Agent#onClose()} is reported
   * here too, and the agent stops whatever the decision is.
   *
   * @param agent whose round it was
   * @param error what it threw
   */
  Decision onError(Agent agent, Throwable error);
}
