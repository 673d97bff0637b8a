"""One run: its folder, its steps (train, evaluate, export), and what it says of itself."""
