"""What the bus refused to the services of a stack: permissions that a role lacks show nowhere else."""

from __future__ import annotations

from earshot_local.stack import Stack


def refused(stack: Stack) -> list[str]:
    """Return the lines in which services tell that the server would not let them publish or subscribe."""
    return [
        f"{child.name}: {line}"
        for child in stack.processes.values()
        if child.program.log.exists()
        for line in child.program.log.read_text(errors="replace").splitlines()
        if "permissions violation" in line.lower() and "bus_error" in line
    ]
