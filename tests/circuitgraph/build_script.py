"""A build that tests kill: ``build_script.py INPUT OUTPUT``."""

from __future__ import annotations

import sys

from circuitgraph.corpus_build import BuildOptions, build_corpus

if __name__ == "__main__":
    build_corpus([sys.argv[1]], sys.argv[2], BuildOptions(jobs=2), lambda _: None)
