"""sumo-rl's own route to stable-baselines3 (PettingZoo, SuperSuit), timed; run by the Python of a venv of its own.

    LIBSUMO_AS_TRACI=1 python sumo_rl_ppo.py NETWORK ROUTES BEGIN END ROLLOUTS STEPS EPOCHS BATCH

The last line is the number of decisions of all agents and the seconds that they took, training included. Without the
variable it speaks to SUMO over TraCI's socket, as it comes.
"""

from __future__ import annotations

import sys
import time
from typing import Any


def main() -> None:
    """Train for one rollout without the clock, then for as many as asked with it."""
    import stable_baselines3
    import sumo_rl
    import supersuit
    from sumo_rl.environment.env import SumoEnvironmentPZ

    network, routes = sys.argv[1:3]
    begin, end, rollouts, steps, epochs, batch = map(int, sys.argv[3:])
    SumoEnvironmentPZ.render_mode = None  # SuperSuit asks for it
    env: Any = sumo_rl.parallel_env(
        net_file=network,
        route_file=routes,
        begin_time=begin,
        num_seconds=end - begin,
        delta_time=5,
        sumo_warnings=False,
        additional_sumo_cmd="--no-step-log",
    )
    env = supersuit.pad_action_space_v0(supersuit.pad_observations_v0(env))  # the junctions differ
    vector: Any = supersuit.pettingzoo_env_to_vec_env_v1(env)
    vector = supersuit.concat_vec_envs_v1(vector, 1, num_cpus=0, base_class="stable_baselines3")
    learner = stable_baselines3.PPO("MlpPolicy", vector, n_steps=steps, n_epochs=epochs, batch_size=batch, device="cpu")
    a_rollout = steps * vector.num_envs
    learner.learn(a_rollout)
    start = time.perf_counter()
    learner.learn(rollouts * a_rollout)
    print(rollouts * a_rollout, time.perf_counter() - start)


if __name__ == "__main__":
    main()
