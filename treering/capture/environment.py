"""Where a run takes place: Python, packages, machine, container, cluster.

Files and the environment are read directly: parsing the metadata of 300 packages takes half a second, the names of
their folders tell the same in two milliseconds.
"""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from treering.capture.cgroup import Cgroup
from treering.capture.gpu import Gpus
from treering.secrets import mask_arguments, mask_mapping

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from treering.plain import Plain

__all__ = ["packages", "snapshot"]

_MAX_ARGUMENT = 2_000  # characters of one argument: `python -c PROGRAM` may be long
_MAX_VARIABLES = 100

# By system: the variables that tell it is there, and those worth keeping (a trailing * stands for the rest of a name).
_SLURM = """
SLURM_JOB_ID SLURM_JOB_NAME SLURM_JOB_PARTITION SLURM_JOB_NODELIST SLURM_JOB_NUM_NODES SLURM_JOB_ACCOUNT
SLURM_CLUSTER_NAME SLURM_NTASKS SLURM_PROCID SLURM_LOCALID SLURM_NODEID SLURM_ARRAY_JOB_ID SLURM_ARRAY_TASK_ID
SLURM_GPUS_ON_NODE SLURM_CPUS_PER_TASK SLURM_CPUS_ON_NODE SLURM_MEM_PER_NODE SLURM_RESTART_COUNT SLURM_SUBMIT_DIR
"""
_DISTRIBUTED = """
RANK LOCAL_RANK NODE_RANK GROUP_RANK WORLD_SIZE LOCAL_WORLD_SIZE MASTER_ADDR MASTER_PORT TORCHELASTIC_RUN_ID
TORCHELASTIC_RESTART_COUNT OMPI_COMM_WORLD_RANK OMPI_COMM_WORLD_LOCAL_RANK OMPI_COMM_WORLD_SIZE
"""
_KUBERNETES = "HOSTNAME POD_NAME POD_NAMESPACE NODE_NAME JOB_NAME JOB_COMPLETION_INDEX CONTAINER_NAME"
_GITHUB = "GITHUB_REPOSITORY GITHUB_RUN_ID GITHUB_WORKFLOW GITHUB_JOB GITHUB_SHA GITHUB_REF"
_SYSTEMS: dict[str, tuple[str, str]] = {
    "slurm": ("SLURM_JOB_ID", _SLURM),
    "kubernetes": ("KUBERNETES_SERVICE_HOST", _KUBERNETES),
    "runai": ("RUNAI_*", "RUNAI_*"),
    "lsf": ("LSB_JOBID", "LSB_JOBID LSB_JOBNAME LSB_QUEUE LSB_HOSTS LSB_JOBINDEX"),
    "pbs": ("PBS_JOBID", "PBS_JOBID PBS_JOBNAME PBS_QUEUE PBS_ARRAY_INDEX PBS_NUM_NODES"),
    "grid_engine": ("SGE_ROOT", "JOB_ID JOB_NAME QUEUE SGE_TASK_ID NSLOTS"),
    "distributed": ("RANK WORLD_SIZE OMPI_COMM_WORLD_RANK", _DISTRIBUTED),
    "ray": ("RAY_JOB_ID RAY_RAYLET_PID", "RAY_JOB_ID RAY_ADDRESS"),
    "sagemaker": ("SM_TRAINING_ENV", "TRAINING_JOB_NAME SM_CURRENT_HOST SM_CURRENT_INSTANCE_TYPE SM_NUM_GPUS"),
    "azureml": ("AZUREML_RUN_ID", "AZUREML_RUN_ID AZUREML_EXPERIMENT_ID AZUREML_ARM_WORKSPACE_NAME"),
    "vertex": ("CLOUD_ML_JOB_ID", "CLOUD_ML_JOB_ID CLOUD_ML_PROJECT_ID CLOUD_ML_REGION"),
    "colab": ("COLAB_RELEASE_TAG", "COLAB_RELEASE_TAG COLAB_GPU"),
    "kaggle": ("KAGGLE_KERNEL_RUN_TYPE", "KAGGLE_KERNEL_RUN_TYPE"),
    "databricks": ("DATABRICKS_RUNTIME_VERSION", "DATABRICKS_RUNTIME_VERSION"),
    "github_actions": ("GITHUB_ACTIONS", _GITHUB),
    "gitlab_ci": ("GITLAB_CI", "CI_PROJECT_PATH CI_PIPELINE_ID CI_JOB_ID CI_JOB_NAME CI_COMMIT_SHA"),
}
# Variables that change what a training computes, or how fast.
_VARIABLES = """
ACCELERATE_* CONDA_DEFAULT_ENV CUBLAS_WORKSPACE_CONFIG CUDA_* CUDNN_* DEEPSPEED_* HF_HOME HF_HUB_OFFLINE HSA_* JAX_*
KERAS_BACKEND LD_PRELOAD MALLOC_* MKL_* MUJOCO_GL NCCL_* NUMEXPR_* NVIDIA_VISIBLE_DEVICES OMP_* OPENBLAS_*
PYTHONHASHSEED PYTHONOPTIMIZE PYTORCH_* ROCR_* TF_* TOKENIZERS_PARALLELISM TORCH_* TRANSFORMERS_OFFLINE VIRTUAL_ENV
XLA_*
"""


def snapshot(*, gpus: Gpus | None = None) -> dict[str, Plain]:
    """Describe this process and the machine under it.

    Args:
        gpus: opened already, to save a second NVML; default: opened here.

    Returns:
        A mapping with, as far as they can be had, `python`, `os`, `host`, `user`, `pid`, `cwd`, `command` (with
        secrets masked), `cpu` (`usable`: cores that this process may use, by affinity and quota), `memory`, `gpus`,
        `container`, `cluster`, `variables` (those that change a computation), `packages` (name to version). Never
        raises. About 5 ms, and what NVML takes where there is an NVIDIA driver.
    """
    facts: dict[str, Callable[[], Plain]] = {
        "python": _python,
        "os": _os,
        "host": platform.node,
        "user": _user,
        "pid": os.getpid,
        "cwd": os.getcwd,
        "command": _command,
        "cpu": _cpu,
        "memory": _memory,
        "gpus": (gpus or Gpus()).describe,
        "container": _container,
        "cluster": _cluster,
        "variables": lambda: _chosen(os.environ, _VARIABLES),
        "packages": packages,
    }
    result: dict[str, Plain] = {}
    for name, ask in facts.items():
        try:
            value = ask()
        except Exception:  # a fact that cannot be had is absent
            continue
        if value not in (None, "", [], {}):
            result[name] = value
    return result


def packages() -> dict[str, Plain]:
    """Version of each installed distribution, by its name in lower case with dashes; the first on `sys.path` counts."""
    found: dict[str, Plain] = {}
    for entry in sys.path:
        try:
            with os.scandir(entry or os.curdir) as items:
                names = [item.name for item in items if item.name.endswith((".dist-info", ".egg-info"))]
        except OSError:  # a zip file, or no such folder
            continue
        for file_name in names:
            name, _, rest = file_name.rpartition(".")[0].partition("-")
            version = rest.partition("-py")[0]  # NAME-VERSION-py3.11.egg-info
            found.setdefault(name.lower().replace("_", "-").replace(".", "-"), version)
    return dict(sorted(found.items()))


def _python() -> Plain:
    return {
        "version": platform.python_version(),
        "implementation": platform.python_implementation(),
        "executable": sys.executable,
        "virtual_environment": sys.prefix if sys.prefix != sys.base_prefix else None,
    }


def _os() -> Plain:
    name = ""
    if sys.platform == "linux":
        lines = Path("/etc/os-release").read_text(encoding="utf-8", errors="replace").splitlines()
        name = next((line.partition("=")[2].strip('"') for line in lines if line.startswith("PRETTY_NAME=")), "")
    return {
        "system": platform.system(),
        "release": platform.release(),
        "machine": platform.machine(),
        **({"name": name} if name else {}),
    }


def _user() -> Plain:
    for name in ("USER", "LOGNAME", "USERNAME"):
        if os.environ.get(name):
            return os.environ[name]
    if sys.platform == "win32":
        return None
    import pwd

    return pwd.getpwuid(os.getuid()).pw_name


def _command() -> Plain:
    arguments = sys.orig_argv or sys.argv
    return [*mask_arguments([argument[:_MAX_ARGUMENT] for argument in arguments])]


def _cpu() -> Plain:
    logical = os.cpu_count() or 1
    affinity = len(os.sched_getaffinity(0)) if sys.platform == "linux" else logical
    quota = Cgroup().cpu_limit_cores()
    usable = min(affinity, quota) if quota else affinity
    return {"model": _cpu_model(), "logical": logical, "usable": int(usable) if usable == int(usable) else usable}


def _cpu_model() -> str:
    if sys.platform != "linux":
        return platform.processor()
    # The first processor is enough: making the whole file takes the kernel 10 ms and more on a large machine.
    with Path("/proc/cpuinfo").open("rb", buffering=0) as file:
        lines = file.read(2048).decode("utf-8", "replace").splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "Model", "cpu\t"))]
    return models[0] if models else platform.machine()


def _memory() -> Plain:
    if sys.platform == "win32":
        import psutil

        total = int(psutil.virtual_memory().total)
    else:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = Cgroup().memory_limit_bytes()
    return {"total_bytes": total, "limit_bytes": limit if limit is not None and limit < total else None}


def _container() -> Plain:
    for name, path in (("docker", "/.dockerenv"), ("podman", "/run/.containerenv")):
        if Path(path).exists():
            return name
    for name, variables in (
        ("apptainer", ("APPTAINER_CONTAINER", "SINGULARITY_CONTAINER")),
        ("kubernetes", ("KUBERNETES_SERVICE_HOST",)),
    ):
        if any(variable in os.environ for variable in variables):
            return name
    return None


def _cluster() -> Plain:
    result: dict[str, Plain] = {}
    for system, (signs, names) in _SYSTEMS.items():
        if _chosen(os.environ, signs):
            result[system] = _chosen(os.environ, names)
    namespace = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
    if isinstance(pod := result.get("kubernetes"), dict) and namespace.is_file():
        pod.setdefault("POD_NAMESPACE", namespace.read_text(encoding="utf-8").strip())
    return result


def _chosen(environ: Mapping[str, str], names: str) -> dict[str, Plain]:
    """The variables of these names that are set; secrets among them masked."""
    wanted = names.split()
    exact = {name for name in wanted if not name.endswith("*")}
    prefixes = tuple(name[:-1] for name in wanted if name.endswith("*"))
    kept = sorted(name for name in environ if name in exact or (prefixes and name.startswith(prefixes)))
    found: dict[str, Plain] = {name: environ[name][:_MAX_ARGUMENT] for name in kept[:_MAX_VARIABLES]}
    return mask_mapping(found)
