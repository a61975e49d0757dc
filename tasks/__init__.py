"""tasks: what is asked of circuits: timing first; recipes, runs, reports and the command line."""
