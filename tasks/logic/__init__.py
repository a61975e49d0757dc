"""Questions of logic: what an embedding of a gate or circuit knows, beside what arithmetic gives."""
