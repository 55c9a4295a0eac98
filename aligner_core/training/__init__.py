"""Training the released models: `python -m aligner_core.training.align CONFIG.toml` and its parts."""
