"""Bodies and answers: one file a resource, pydantic models from which OpenAPI follows."""
