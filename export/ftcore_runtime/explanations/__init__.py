"""Why a bundle answered what it did: which parts of the input speak for it, and whether that holds when it is tried."""
