"""What the figures depend on: the processor, how many of its cores we may use, the system."""

import os
import platform
from pathlib import Path


def machine(threads: int) -> dict:
    """Facts about this machine, for the report; `threads` is what each contestant may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return {
        "processor": processor(),
        "CPUs": os.cpu_count(),
        "of them allowed": len(affinity(0)) if affinity else os.cpu_count(),
        "threads": threads,
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
    }


def processor() -> str:
    """The processor's name, as the system gives it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
