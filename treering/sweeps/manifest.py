"""A sweep's agents as a Kubernetes Job, which Run:ai and any cluster take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from treering.sweeps.opening import is_server

if TYPE_CHECKING:
    from treering.sweeps.records import Sweep

__all__ = ["job_manifest"]

# The address of a database, which may have a password in it, comes from a secret.
_STORE = "SWEEP_STORE"


def job_manifest(
    sweep: Sweep, place: str, *, image: str, agents: int, count: int | None, gpus: int, claim: str | None
) -> str:
    """Return the YAML of a Job.

    A pod that is preempted gives its trial back; the one that Kubernetes starts in its place, or any other agent, goes
    on with it.

    Args:
        sweep: to work on.
        place: of the store, as `place_of` returns it.
        image: container image with the program and treering.
        agents: pods side by side.
        count: trials for each agent.
        gpus: for each pod.
        claim: PersistentVolumeClaim of the store's folder.
    """
    words = ["treering", "agent", sweep.id, *(["--count", str(count)] if count else [])]
    if _is_database(place):
        words += ["--dir", f"$({_STORE})"]  # Kubernetes puts the variable's value there
    container: dict[str, Any] = {"name": "agent", "image": image, "command": words, "env": _variables(sweep, place)}
    if gpus:
        container["resources"] = {"limits": {"nvidia.com/gpu": gpus}}
    pod: dict[str, Any] = {
        "restartPolicy": "OnFailure",
        "terminationGracePeriodSeconds": 60,  # more than an agent's own time from SIGTERM to SIGKILL
        "containers": [container],
    }
    folder = place.removeprefix("shared:")
    if claim and "://" not in place:
        container["volumeMounts"] = [{"name": "store", "mountPath": folder}]
        pod["volumes"] = [{"name": "store", "persistentVolumeClaim": {"claimName": claim}}]
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": f"treering-sweep-{sweep.id}", "labels": {"treering/sweep": sweep.id}},
        "spec": {
            "parallelism": agents,
            "completions": agents,
            "backoffLimit": 6 * agents,
            "template": {"metadata": {"labels": {"treering/sweep": sweep.id}}, "spec": pod},
        },
    }
    return yaml.safe_dump(job, sort_keys=False)


def _variables(sweep: Sweep, place: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [{"name": "TREERING_PROJECT", "value": sweep.project}]
    if entity := sweep.config.get("entity"):
        found.append({"name": "TREERING_ENTITY", "value": entity})
    if is_server(place):
        key = {"secretKeyRef": {"name": "treering", "key": "api-key"}}
        return [*found, {"name": "TREERING_URL", "value": place}, {"name": "TREERING_API_KEY", "valueFrom": key}]
    if _is_database(place):
        return [*found, {"name": _STORE, "valueFrom": {"secretKeyRef": {"name": "treering", "key": "store"}}}]
    return [*found, {"name": "TREERING_DIR", "value": place.removeprefix("shared:")}]


def _is_database(place: str) -> bool:
    return "://" in place and not is_server(place)
