"""Reports: one self-contained HTML page per run or prediction; no script, no network."""
