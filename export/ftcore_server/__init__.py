"""The server: bundles behind HTTP. Needs numpy, onnxruntime, tokenizers, starlette, uvicorn; never torch."""
