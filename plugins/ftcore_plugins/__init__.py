"""The task plugins that ftcore ships. They are found as anybody's are: by entry points."""
