"""A light's own program as the existing plan, and a plan as phases of a program."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from greenband.network import Signal
from greenband.plan.model import TimingPlan
from greenband.plan.splits import build_plan
from greenband.scenarios.lights import Light
from greenband.scenarios.programs import Run, each_once, mended
from greenband.signals import GREEN, Limits, Stage, transition_lamps

__all__ = ["phases", "plan_of", "with_stages"]


def with_stages(shape: Signal, light: Light) -> tuple[Signal, Light]:
    """The signal with the light's stages, mended, and the light with those; stages that become alike are one."""
    phases = (replace(run.phase, state=mended(run.phase.state[: shape.lamps], shape)) for run in light.stages)
    runs = [replace(run, phase=phase) for run, phase in zip(light.stages, phases, strict=True)]
    found = each_once(runs, frozenset(crossing.index for crossing in shape.crossings))
    stages = tuple(_stage(number, run, shape) for number, run in enumerate(found, 1))
    return replace(shape, stages=stages), replace(light, stages=tuple(found))


def _stage(number: int, run: Run, shape: Signal) -> Stage:
    served = (k for k, m in enumerate(shape.movements) if any(run.phase.state[i] in GREEN for i in m.links))
    return Stage(run.phase.name or f"stage {number}", run.phase.state, tuple(served))


def plan_of(signal: Signal, limits: Limits, light: Light) -> tuple[TimingPlan, list[str]]:
    """The program as a plan, as near to it as the limits allow, and what had to be changed."""
    program, greens = light.program, [run.green_s for run in light.stages]
    n, wanted = len(greens), max(1, round(program.cycle_s))
    intergreens = n * limits.intergreen_s
    shortest = sum(limits.min_green_s) + intergreens
    cycle = min(max(wanted, shortest), n * limits.max_green_s + intergreens)
    plan = build_plan(signal, limits, cycle, greens)
    while cycle > shortest and cycle - min(stage.go_s for stage in plan.stages) > limits.max_red_s:
        cycle -= 1
        plan = build_plan(signal, limits, cycle, greens)
    offset = round(program.offset_s + light.stages[0].begin_s) % cycle
    changes = []
    if cycle != wanted:
        changes.append(f"cycle {cycle} s instead of {wanted} s, to fit greens and reds into their limits")
    shown = [stage.go_s for stage in plan.stages]
    if shown != [round(green) for green in greens]:
        was = ", ".join(f"{green:g}" for green in greens)
        changes.append(
            f"greens {', '.join(map(str, shown))} s instead of {was} s, with yellow {limits.yellow_s} s,"
            f" all-red {limits.all_red_s} s and minimum greens kept"
        )
    name = f"program {program.id}"
    return plan.model_copy(update={"offset_s": offset, "name": name}), changes


def phases(signal: Signal, plan: TimingPlan) -> Iterator[tuple[float, str, str]]:
    """A plan as phases: stage, yellow, all-red.

    Where some streams stay green through the all-red, those about to start show ``u`` (red and yellow, SUMO holds
    traffic as on red), so that nobody takes it for a stage; where none starts, the next stage begins at once.
    """
    for timing, following in zip(plan.stages, (*plan.stages[1:], plan.stages[0]), strict=True):
        before, after = signal.stages[timing.stage], signal.stages[following.stage]
        yellow, red = transition_lamps(before.state, after.state)
        starts = after.greens - before.greens
        if before.greens <= after.greens:
            yield timing.duration_s, before.state, before.name
            continue
        yield timing.go_s, before.state, before.name
        waiting = "".join("u" if i in starts else lamp for i, lamp in enumerate(red))
        if GREEN.isdisjoint(red) or starts:
            yield timing.yellow_s, yellow, "yellow"
            yield timing.all_red_s, red if GREEN.isdisjoint(red) else waiting, "all-red"
        else:
            yield timing.yellow_s + timing.all_red_s, yellow, "yellow"
