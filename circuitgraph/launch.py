"""The launcher: installed as the module ``circuitgraph_learn``, so that a foreign package cannot shadow it.

PyPI has unrelated packages named circuitgraph, encoders and tasks, and a user's folder may hold a ``tasks.py``.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

PACKAGES = ("circuitgraph", "encoders", "tasks")


def foreign() -> str:
    """One line that names the first package that is not ours, or nothing."""
    found: dict[str, Path] = {}
    for name in PACKAGES:
        try:
            spec = find_spec(name)
        except (ImportError, ValueError) as error:
            return f"package {name!r} cannot be imported ({error}): reinstall circuitgraph-learn"
        if spec is None:
            return f"package {name!r} is missing: reinstall circuitgraph-learn"
        places = list(spec.submodule_search_locations or [])
        found[name] = Path(places[0]) if places else Path(spec.origin or name)
    home = found["tasks"].parent if (found["tasks"] / "cli.py").is_file() else None
    for name, place in found.items():
        ours = (place / {"circuitgraph": "circuit.py", "encoders": "encoder.py", "tasks": "cli.py"}[name]).is_file()
        if not ours or (home is not None and place.parent != home):
            return (
                f"another {name!r} is found first, at {place}: uninstall or rename it "
                f"(pip uninstall {name}), then reinstall circuitgraph-learn"
            )
    return ""


def main() -> int:
    """Check that the three packages lie beside each other, then run the command line."""
    if sys.path and sys.path[0] in {"", str(Path.cwd())}:
        del sys.path[0]
    wrong = foreign()
    if wrong:
        print(f"circuitgraph: {wrong}", file=sys.stderr)
        return 1
    from tasks.cli import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())
