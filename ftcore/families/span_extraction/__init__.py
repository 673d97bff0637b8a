"""The family `span_extraction`: the span of a context that answers a question, or no answer."""
