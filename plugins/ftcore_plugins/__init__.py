"""The task plugins that ftcore ships. They come through the same door as anybody's: entry points."""
