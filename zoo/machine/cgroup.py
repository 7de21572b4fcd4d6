"""Where Linux keeps the limits of the control groups that this process is in."""

from __future__ import annotations

from pathlib import Path

__all__ = ["folders"]

ROOT = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")


def folders(
    controller: str, root: Path = ROOT, membership: Path = MEMBERSHIP
) -> list[Path]:
    """Folders of the groups whose limits hold for this process, innermost first.

    A limit of any group above holds as well. Inside a container the paths in
    ``membership`` may be those of the host: what is not there is left out.

    Parameters
    ----------
    controller : str
        ``cpu`` or ``memory``: version 1 has a tree for each, version 2 one for all.
    root, membership : Path
        Where the groups are mounted, and which of them this process is in.

    Returns
    -------
    list of Path
        Folders that exist, with files named as in version 2 (``cpu.max``) or
        version 1 (``cpu.cfs_quota_us``).
    """
    try:
        lines = membership.read_text().splitlines()
    except (OSError, ValueError):
        lines = []
    groups = {(root, ""), (root / controller, "")}
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if not controllers:
            groups.add((root, path))
        elif controller in controllers.split(","):
            groups.add((root / controller, path))
    found = set()
    for base, path in groups:
        parts = [part for part in path.split("/") if part]
        if ".." not in parts:  # a group outside of what is mounted here
            found |= {base.joinpath(*parts[:n]) for n in range(len(parts) + 1)}
    there = [folder for folder in found if folder.is_dir()]
    return sorted(there, key=lambda folder: (-len(folder.parts), folder))
