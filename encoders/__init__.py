"""encoders: what is learned of circuits without labels."""
