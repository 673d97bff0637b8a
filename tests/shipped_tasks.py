"""The tasks that ftcore ships: one list for all tests, in the order in which they are named."""

SHIPPED = [
    "classification",
    "intent",
    "ner",
    "pair",
    "qa",
    "sentiment",
    "similarity",
    "summarization",
    "translation",
]
