"""What scripts and notebooks use as `ftcore.run`, `ftcore.load`, `ftcore.compare` and `ftcore.Spec`."""
