"""The native engine: C kernels that follow the events."""
